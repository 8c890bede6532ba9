//! `rapport events`: read, move and check the log.

mod quarantine;
mod restore;
pub mod transfer;
mod verify;

use std::io::Write as _;

use anyhow::Context as _;
use cqrs_es::Aggregate as _;
use domain::webhook::aggregate::Webhook;
use futures::StreamExt as _;
use journal::Journal;
use journal::entry::{Entry, Unreadable};
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
        cli::Events::Quarantine { position, plain } => quarantine::run(position, &plain).await,
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
        for entry in batch? {
            let shown = printable(&tools.journal, &entry).await?;
            print(&shown, plain.json)?;
        }
    }
    Ok(())
}

async fn show(category: &str, id: &str, plain: &cli::Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let stream = StreamId::try_new(plain.settings.workspace.as_str(), category, id)?;
    let entries = tools.journal.load(&stream, 0).await?;
    anyhow::ensure!(
        !entries.is_empty(),
        "nothing has happened to {category} {id} in workspace {}",
        stream.workspace
    );
    for entry in &entries {
        let shown = printable(&tools.journal, entry).await?;
        print(&shown, plain.json)?;
    }
    Ok(())
}

/// What may be printed of a position: a commit that holds secrets stays sealed, as it is stored.
async fn printable(journal: &Journal, entry: &Entry) -> anyhow::Result<Entry> {
    let secret = matches!(entry, Entry::Commit(recorded)
        if recorded.commit.category.as_str() == Webhook::TYPE);
    if !secret {
        return Ok(entry.clone());
    }
    let Position {
        partition,
        sequence,
    } = entry.position();
    let stored = journal.read_sealed(partition, sequence - 1, 1).await?;
    let stored = stored.into_iter().next();
    stored.context("the log has lost a commit that it had a moment ago")
}

/// One line a commit as JSON, or one line an event for people.
fn print(entry: &Entry, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let recorded = match entry {
        Entry::Commit(recorded) => recorded,
        Entry::Unreadable(unreadable) => return print_unreadable(unreadable, json, &mut out),
    };
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

/// What cannot be read, with the reason.
fn print_unreadable(
    unreadable: &Unreadable,
    json: bool,
    out: &mut impl std::io::Write,
) -> anyhow::Result<()> {
    let (position, reason) = (
        unreadable.position.to_string(),
        unreadable.fault.to_string(),
    );
    let stream = unreadable.stream.as_ref().map(ToString::to_string);
    if json {
        let line =
            serde_json::json!({ "position": position, "unreadable": reason, "stream": stream });
        return writeln!(out, "{line}").context("standard output is closed");
    }
    let stream = stream.unwrap_or_else(|| "an unknown stream".into());
    writeln!(out, "{position:>10}  cannot be read, {stream}: {reason}")
        .context("standard output is closed")
}
