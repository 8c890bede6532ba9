//! `rapport projections`: see and rebuild the read models.

use std::time::Duration;

use anyhow::Context as _;
use projections::projection::{Screen, newest};
use projections::status::{self, Status};

use crate::cli::{self, Plain};
use crate::progress::bar;
use crate::system::tools::Tools;

/// How often a rebuild is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Does what was typed.
pub async fn run(command: cli::Projections) -> anyhow::Result<()> {
    match command {
        cli::Projections::List(plain) => list(&plain).await,
        cli::Projections::Rebuild { name, plain } => rebuild(&name, &plain).await,
    }
}

async fn list(plain: &Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let all = status::read(&tools.registry().await?, &tools.journal.heads().await?).await?;
    if plain.json {
        println!("{}", serde_json::to_string(&all)?);
        return Ok(());
    }
    println!(
        "{:<12} {:>7} {:>10}  {:<8} {:>8}  seen until",
        "projection", "version", "generation", "state", "behind"
    );
    for known in &all {
        let state = if known.active { "active" } else { "building" };
        println!(
            "{:<12} {:>7} {:>10}  {state:<8} {:>8}  {}",
            known.name, known.version, known.generation, known.lag, known.seen_until
        );
        for parked in &known.parked {
            println!(
                "  parked at {}: {} ({})",
                parked.position, parked.stream, parked.reason
            );
        }
    }
    Ok(())
}

/// Begins a new generation, and builds it here unless a running process is faster.
async fn rebuild(name: &str, plain: &Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let registry = tools.registry().await?;
    let screens = projections::screens();
    let screen = newest(&screens)
        .find(|screen| screen.name() == name)
        .with_context(|| {
            let names: Vec<_> = newest(&screens).map(Screen::name).collect();
            format!(
                "there is no projection {name}; there are {}",
                names.join(", ")
            )
        })?;
    let begun = registry
        .begin(
            screen,
            &tools.journal.identity(),
            &tools.journal.heads().await?,
        )
        .await?;
    let follower = tools.follower().await?;
    let end = tools
        .journal
        .heads()
        .await?
        .iter()
        .map(|head| head.sequence)
        .sum();
    let bar = bar("rebuild", end);
    let flipped = async {
        loop {
            let all = status::read(&registry, &tools.journal.heads().await?).await?;
            let ours = |known: &&Status| known.name == name && known.generation == begun.number;
            let known = all
                .iter()
                .find(ours)
                .context("another rebuild took its place")?;
            if known.active {
                return anyhow::Ok(());
            }
            bar.set_position(end.saturating_sub(known.lag));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let done = tokio::select! {
        done = flipped => done,
        () = follower.run() => Ok(()),
    };
    follower.give_back().await;
    done?;
    bar.finish_and_clear();
    if plain.json {
        println!(
            "{}",
            serde_json::json!({ "projection": name, "generation": begun.number })
        );
    } else {
        println!(
            "{name} was rebuilt as generation {}; reads use it now.",
            begun.number
        );
    }
    Ok(())
}
