//! `rapport backtest scoring`: what another scoring rule would have said of the leads that there
//! were, beside today's. Reads the log, and touches nothing.

use std::path::Path;

use anyhow::Context as _;
use domain::lead::scoring::Rules;
use projections::backtest::{Backtest, Outcome};
use projections::change::Followed;
use projections::period::Period;

use crate::cli::{self, Plain};
use crate::progress::bar;
use crate::system::tools::Tools;

const BATCH: usize = 1024;

/// Does what was typed.
pub async fn run(command: cli::Backtest) -> anyhow::Result<()> {
    match command {
        cli::Backtest::Rules => {
            println!("{}", serde_json::to_string_pretty(&Rules::default())?);
            Ok(())
        }
        cli::Backtest::Scoring {
            rules,
            from,
            to,
            plain,
        } => {
            let zone = &plain.settings.time_zone;
            let came = Period::asked(from.as_deref(), to.as_deref(), zone)?;
            scoring(&rules, came, &plain).await
        }
    }
}

async fn scoring(file: &Path, came: Option<Period>, plain: &Plain) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let other: Rules = serde_json::from_str(&text).with_context(|| {
        format!(
            "{}: rapport backtest rules prints a file to begin with",
            file.display()
        )
    })?;
    let tools = Tools::open(&plain.settings).await?;
    let rules = vec![Rules::default(), other];
    let mut backtest = Backtest::new(
        plain.settings.workspace.clone(),
        rules,
        plain.settings.min_transfer_score,
        came,
    );
    let partition = tools.journal.partition(&plain.settings.workspace);
    let heads = tools.journal.heads().await?;
    let end = heads
        .iter()
        .find(|head| head.partition == partition)
        .map_or(0, |head| head.sequence);
    let bar = bar("replay", end);
    let mut after = 0;
    while after < end {
        let batch = tools.journal.read(partition, after, BATCH).await?;
        let Some(last) = batch.last() else { break };
        after = last.position().sequence;
        bar.set_position(after);
        batch
            .into_iter()
            .map(Followed::from)
            .for_each(|followed| backtest.see(&followed));
    }
    bar.finish_and_clear();
    print(&backtest.outcomes(), plain.json);
    if backtest.left_out() > 0 {
        eprintln!(
            "{} leads are left out, because something of them cannot be read: rapport events verify names it.",
            backtest.left_out()
        );
    }
    Ok(())
}

fn print(outcomes: &[Outcome], json: bool) {
    let [today, other] = outcomes else { return };
    if json {
        println!("{}", serde_json::json!({ "today": today, "rules": other }));
        return;
    }
    let row = |what: &str, of: fn(&Outcome) -> u64| {
        println!("{what:<38} {:>10} {:>10}", of(today), of(other));
    };
    println!("{:<38} {:>10} {:>10}", "", "today", "rules");
    row("came in", |outcome| outcome.came_in);
    row("contacted", |outcome| outcome.contacted);
    row("qualified", |outcome| outcome.qualified);
    row("ready for sales", |outcome| outcome.ready);
    row("really transferred", |outcome| outcome.transferred);
    row("  and never ready", |outcome| outcome.transferred_not_ready);
    row("really paid", |outcome| outcome.paid);
    row("  and ready", |outcome| outcome.paid_and_ready);
    let hours = |outcome: &Outcome| {
        outcome
            .hours_until_ready
            .map_or_else(|| "-".to_owned(), |hours| hours.to_string())
    };
    println!(
        "{:<38} {:>10} {:>10}",
        "median hours until ready",
        hours(today),
        hours(other)
    );
}
