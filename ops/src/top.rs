//! `rapport top`: what running processes do, as their `/metrics` and `/ready` tell.
//!
//! Read in this order:
//! - `scrape`: what one answer says
//! - `fetch`: the answers of every process, or why there is none
//! - `interval`: what happened between two answers
//! - `figures`: what people want to know of it
//! - `tables`: how it is said, the same in both of
//! - `plain` (`--once`) and `screen` (live)
//!
//! Invariant: it asks nothing that Prometheus and a load balancer do not ask, and changes nothing. With a
//! key, `/ready` tells it more than them.

mod fetch;
mod figures;
mod interval;
mod plain;
mod scrape;
mod screen;
mod tables;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;

use crate::cli::Top;
use fetch::{Asker, Shot};
use figures::Figures;

/// Shows it until somebody presses q; or once, as text.
pub async fn run(top: Top) -> anyhow::Result<()> {
    gateways::tls::use_ring();
    let asker = Asker::try_new(&top.urls, top.key)?;
    if top.once || top.json {
        let before = whole(asker.ask().await)?;
        tokio::time::sleep(top.every).await;
        let figures = Figures::between(&before, &whole(asker.ask().await)?);
        if top.json {
            println!("{}", serde_json::to_string(&figures)?);
        } else {
            print!("{}", plain::text(&tables::of(&figures)));
        }
        return Ok(());
    }
    anyhow::ensure!(
        std::io::stdout().is_terminal(),
        "standard output is no terminal: use --once for text, or --json"
    );
    let first = whole(asker.ask().await)?;
    screen::live(&asker, first, top.every).await
}

/// What every process said; an error where one said nothing.
fn whole(shots: Vec<Shot>) -> anyhow::Result<Vec<Shot>> {
    let problem = shots.iter().find_map(|shot| shot.problem.clone());
    problem.map_or(Ok(shots), |problem| Err(anyhow::anyhow!(problem)))
}
