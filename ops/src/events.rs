//! `rapport events`: read, move and check the log.

mod restore;
pub mod transfer;
mod verify;

use std::io::Write as _;

use anyhow::Context as _;
use futures::StreamExt as _;
use journal::envelope::Recorded;
use journal::position::Position;
use journal::token::StreamId;

use crate::cli;
use crate::system::tools::Tools;

/// Does what was typed.
pub async fn run(command: cli::Events) -> anyhow::Result<()> {
    match command {
        cli::Events::Tail { after, plain } => tail(after, &plain).await,
        cli::Events::Show {
            category,
            id,
            plain,
        } => show(&category, &id, &plain).await,
        cli::Events::Export { file, plain } => transfer::export(&file, &plain).await,
        cli::Events::Import { file, plain } => transfer::import(&file, &plain).await,
        cli::Events::Verify { archive, plain } => verify::run(archive, &plain).await,
        cli::Events::Restore(plain) => restore::run(&plain).await,
    }
}

async fn tail(after: Option<Position>, plain: &cli::Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let heads = tools.journal.heads().await?;
    let from = |head: &Position| match after {
        Some(after) if after.partition == head.partition => after.sequence,
        Some(_) | None => head.sequence,
    };
    let feeds = heads
        .iter()
        .map(|head| tools.journal.follow(head.partition, from(head)));
    let mut feed = futures::stream::select_all(feeds);
    while let Some(batch) = feed.next().await {
        for recorded in batch? {
            print(&recorded, plain.json)?;
        }
    }
    Ok(())
}

async fn show(category: &str, id: &str, plain: &cli::Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let stream = StreamId::try_new(plain.settings.workspace.as_str(), category, id)?;
    let commits = tools.journal.load(&stream, 0).await?;
    anyhow::ensure!(
        !commits.is_empty(),
        "nothing has happened to {category} {id} in workspace {}",
        stream.workspace
    );
    commits
        .iter()
        .try_for_each(|recorded| print(recorded, plain.json))
}

/// One line a commit as JSON, or one line an event for people.
fn print(recorded: &Recorded, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let commit = &recorded.commit;
    if json {
        let line =
            serde_json::json!({ "position": recorded.position.to_string(), "commit": commit });
        return writeln!(out, "{line}").context("standard output is closed");
    }
    for (version, event) in (commit.first_version..).zip(&commit.events) {
        writeln!(
            out,
            "{:>10}  {}  {}.{} v{version}  {}  {}",
            recorded.position.to_string(),
            commit.at,
            commit.category,
            commit.id,
            commit.actor,
            event.get()
        )
        .context("standard output is closed")?;
    }
    Ok(())
}
