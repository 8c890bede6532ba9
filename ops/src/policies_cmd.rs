//! `rapport policies`: how far they are, and where a person lets one go on.

use anyhow::{Context as _, bail, ensure};
use commands::policies::status::{self, Standing, Status};
use domain::policy::{Mark, PolicyId};
use journal::position::Position;

use crate::cli::{self, Plain};
use crate::system::tools::Tools;

/// Does what was typed.
pub async fn run(command: cli::Policies) -> anyhow::Result<()> {
    match command {
        cli::Policies::List(plain) => list(&plain).await,
        cli::Policies::Start { name, from, plain } => start(&name, &from, &plain).await,
    }
}

async fn list(plain: &Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let all = status::all(tools.desk()).await?;
    if plain.json {
        println!("{}", serde_json::to_string(&all)?);
        return Ok(());
    }
    println!(
        "{:<16} {:>9} {:>10} {:>8} {:>6}  state",
        "policy", "partition", "position", "behind", "aside"
    );
    for known in &all {
        print(known);
    }
    Ok(())
}

fn print(known: &Status) {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let state = match known.standing {
        Standing::New => "has never run on this log".to_owned(),
        Standing::Follows => "follows".to_owned(),
        Standing::Lost => format!("stands still: {}", status::how_to_start(known.policy)),
    };
    println!(
        "{:<16} {:>9} {:>10} {:>8} {:>6}  {state}",
        known.policy.as_str(),
        known.partition,
        number(known.sequence),
        number(known.behind),
        known.parked.len()
    );
    for parked in &known.parked {
        println!(
            "  leaves {} aside since {}: {}",
            parked.stream, parked.since, parked.reason
        );
    }
}

async fn start(name: &str, from: &[String], plain: &Plain) -> anyhow::Result<()> {
    let policy = PolicyId::parse(name).with_context(|| {
        let names: Vec<_> = PolicyId::ALL.iter().map(|known| known.as_str()).collect();
        format!("there is no policy {name}; there are {}", names.join(", "))
    })?;
    let tools = Tools::open(&plain.settings).await?;
    let at = marks(from, &tools.journal.heads().await?)?;
    status::place(tools.desk(), policy, at.clone(), &tools.origin()).await?;
    if plain.json {
        println!("{}", serde_json::json!({ "policy": name, "at": at }));
        return Ok(());
    }
    let at: Vec<_> = at
        .iter()
        .map(|mark| format!("{}:{}", mark.partition, mark.sequence))
        .collect();
    println!("{name} goes on behind {}.", at.join(", "));
    Ok(())
}

/// Where each partition goes on.
fn marks(from: &[String], heads: &[Position]) -> anyhow::Result<Vec<Mark>> {
    let all = |sequence: fn(&Position) -> u64| {
        let mark = |head: &Position| Mark {
            partition: head.partition,
            sequence: sequence(head),
        };
        Ok(heads.iter().map(mark).collect())
    };
    match from {
        [word] if word == "now" => return all(|head| head.sequence),
        [word] if word == "beginning" => return all(|_| 0),
        _ => {}
    }
    let mut marks: Vec<Mark> = Vec::new();
    for text in from {
        let Ok(at) = text.parse::<Position>() else {
            bail!("--from takes now, beginning, or positions as 0:1234, not {text}");
        };
        let head = heads.iter().find(|head| head.partition == at.partition);
        let head = head.with_context(|| format!("--from {text}: the log has no such partition"))?;
        ensure!(
            at.sequence <= head.sequence,
            "--from {text}: the log ends at {head}"
        );
        marks.push(Mark {
            partition: at.partition,
            sequence: at.sequence,
        });
    }
    ensure!(
        marks.len() == heads.len(),
        "--from needs a position for each of the {} partitions, with commas between them",
        heads.len()
    );
    Ok(marks)
}
