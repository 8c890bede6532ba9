//! `events verify`: every commit is readable, in order, and chained to the one before.

use std::collections::HashMap;

use anyhow::bail;
use journal::archive::compare::compare;
use journal::envelope::{CommitHash, Recorded};
use journal::token::StreamId;
use schemas::any::DomainEvent;

use crate::cli::Plain;
use crate::progress::bar;
use crate::system::tools::Tools;

const BATCH: usize = 1024;

/// What the next commit of a stream must follow.
struct Tail {
    version: u64,
    hash: CommitHash,
}

/// Checks the whole log, and names the first thing that is wrong.
pub(super) async fn run(archive: bool, plain: &Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let heads = tools.journal.heads().await?;
    // What the read models have seen cannot be missing: a log that was cut off would look whole.
    if tools.has_read_models() {
        tools.follower().await?.check().await?;
    }
    let bar = bar("verify", heads.iter().map(|head| head.sequence).sum());
    let mut tails = HashMap::new();
    let (mut commits, mut events) = (0_u64, 0_u64);
    for head in heads {
        let mut after = 0;
        while after < head.sequence {
            let batch = tools.journal.read(head.partition, after, BATCH).await?;
            let Some(last) = batch.last() else {
                bail!("the log ends at {after}, not at {}", head.sequence)
            };
            after = last.position.sequence;
            for recorded in &batch {
                check(recorded, &mut tails)?;
                commits += 1;
                events += recorded.commit.events.len() as u64;
                bar.inc(1);
            }
        }
    }
    // Last: what is wrong with a commit names its place, and this does not.
    tools.journal.check_store().await?;
    bar.finish_and_clear();
    let archived = if archive {
        Some(compare(&tools.journal, &tools.archive().await?).await?)
    } else {
        None
    };
    if plain.json {
        println!(
            "{}",
            serde_json::json!({ "commits": commits, "events": events, "streams": tails.len(), "archived": archived })
        );
    } else {
        println!(
            "{commits} commits with {events} events in {} streams: every one as it was written.",
            tails.len()
        );
        if let Some(archived) = archived {
            println!("{archived} of them are in the archive, the same.");
        }
    }
    Ok(())
}

fn check(recorded: &Recorded, tails: &mut HashMap<StreamId, Tail>) -> anyhow::Result<()> {
    let (commit, at) = (&recorded.commit, recorded.position);
    let stream = commit.stream();
    let before = tails.get(&stream);
    if commit.prev_hash != before.map(|tail| tail.hash) {
        bail!(
            "{at}: {stream} v{} does not follow the commit before it: one was changed, is missing or was swapped",
            commit.first_version
        );
    }
    if commit.first_version != before.map_or(1, |tail| tail.version + 1) {
        bail!("{at}: {stream} jumps to v{}", commit.first_version);
    }
    for event in &commit.events {
        if let Err(error) = DomainEvent::decode(commit.category.as_str(), event) {
            bail!("{at}: {stream} v{}: {error}", commit.first_version);
        }
    }
    tails.insert(
        stream,
        Tail {
            version: commit.last_version(),
            hash: recorded.hash,
        },
    );
    Ok(())
}
