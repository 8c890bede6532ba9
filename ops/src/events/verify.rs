//! `events verify`: every commit is readable, in order, and chained to the one before.
//!
//! What is authentic and cannot be read is a fault. What `commands` did not write, and what a person
//! put into quarantine, is passed over by every reader, and named as a note.

mod chain;

use anyhow::bail;
use journal::archive::compare::compare;
use journal::position::Position;
use projections::db::DbError;
use projections::follower::FollowError;
use serde::Serialize;

use crate::cli::Plain;
use crate::progress::bar;
use crate::system::tools::Tools;
use chain::Chains;

const BATCH: usize = 1024;
/// Faults and notes that are named; the others are counted.
const NAMED: usize = 20;

/// What was found.
#[derive(Default, Serialize)]
struct Found {
    commits: u64,
    events: u64,
    streams: usize,
    archived: Option<u64>,
    notes: Vec<String>,
    #[serde(skip)]
    faults: Vec<String>,
}

/// Checks the whole log, and names what is wrong.
pub(super) async fn run(archive: bool, plain: &Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let heads = tools.journal.heads().await?;
    let unseen = read_models_unseen(&tools).await?;
    let mut found = commits(&tools, &heads).await?;
    found.notes.extend(
        unseen.map(|reason| format!("whether the log's end was cut off is not known: {reason}")),
    );
    if !found.faults.is_empty() {
        bail!("{}", named(&found.faults));
    }
    // Last: what is wrong with a commit names its place, and this does not.
    let unused = tools.journal.check_store().await?;
    found.notes.extend(unused.iter().map(|position| {
        format!(
            "{position} holds no commit: an older program used it up for a request that came twice"
        )
    }));
    if archive {
        found.archived = Some(compare(&tools.journal, &tools.archive().await?).await?);
    }
    print(&found, plain.json)
}

/// What the read models have seen cannot be missing: a log that was cut off would look whole. Why they
/// were not asked, where they do not answer; the log itself is checked without them.
async fn read_models_unseen(tools: &Tools) -> anyhow::Result<Option<String>> {
    if !tools.has_read_models() {
        return Ok(None);
    }
    let compared = match tools.follower().await {
        Ok(follower) => follower.check().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    match compared {
        Err(error) if is_about_their_database(&error) => Ok(Some(format!("{error:#}"))),
        compared => compared.map(|()| None),
    }
}

fn is_about_their_database(error: &anyhow::Error) -> bool {
    let of_follower = matches!(error.downcast_ref(), Some(FollowError::Db(_)));
    of_follower
        || error
            .chain()
            .any(|cause| cause.downcast_ref::<DbError>().is_some())
}

async fn commits(tools: &Tools, heads: &[Position]) -> anyhow::Result<Found> {
    let bar = bar("verify", heads.iter().map(|head| head.sequence).sum());
    let (mut found, mut chains) = (Found::default(), Chains::default());
    for head in heads {
        let mut after = 0;
        while after < head.sequence {
            let batch = tools.journal.read(head.partition, after, BATCH).await?;
            let Some(last) = batch.last() else {
                bail!("the log ends at {after}, not at {}", head.sequence)
            };
            after = last.position().sequence;
            for entry in &batch {
                chains.check(entry, &mut found);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    found.streams = chains.count();
    Ok(found)
}

/// The first of them, and how many there are.
fn named(all: &[String]) -> String {
    let text = all[..all.len().min(NAMED)].join("\n");
    if all.len() > NAMED {
        return format!("{text}\n… {} in all", all.len());
    }
    text
}

fn print(found: &Found, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(found)?);
        return Ok(());
    }
    println!(
        "{} commits with {} events in {} streams: every one as it was written.",
        found.commits, found.events, found.streams
    );
    if let Some(archived) = found.archived {
        println!("{archived} of them are in the archive, the same.");
    }
    if !found.notes.is_empty() {
        println!("Notes:\n{}", named(&found.notes));
    }
    Ok(())
}
