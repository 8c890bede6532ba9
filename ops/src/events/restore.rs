//! `events restore`: a lost log in NATS, made again from the archive, every commit at its position.
//!
//! Read models and policies go on where they were, because positions and the log's identity are
//! those of the lost one. What was appended after the archive's last commit is gone; read models
//! that have seen it say so and refuse to go on.

use commands::clock::Clock;
use commands::idempotency;
use commands::policies::cursor::State;
use commands::policies::status::{self, Standing};
use domain::policy::PolicyId;
use journal::JournalError;
use journal::archive::Archive;
use journal::archive::restore::restore;
use journal::position::Position;

use crate::cli::Plain;
use crate::progress::bar;
use crate::system::tools::Tools;

/// Restores everything that the archive has. Begun again, it goes on.
pub(super) async fn run(plain: &Plain) -> anyhow::Result<()> {
    let (tools, archive) = Tools::open_lost(&plain.settings).await?;
    let mut count = 0_u64;
    for partition in 0..archive.partitions().await? {
        let end = archive.head(partition).await?;
        let bar = bar("restore", end.sequence);
        let told = |at: Position| bar.set_position(at.sequence);
        count += restore(&tools.journal, &archive, end, told).await?;
        bar.finish_and_clear();
    }
    idempotency::remember(&tools.journal, Clock::System.now()).await?;
    let (vault, heads) = (tools.journal.vault(), tools.journal.heads().await?);
    // What was appended after the archive's last commit is gone: it has not been seen.
    let generation = vault.state().await?.generation;
    vault
        .belongs_to(&tools.journal.identity(), &heads, generation)
        .await?;
    vault.finished().await?;
    let lost = restore_cursors(&tools, &archive).await?;
    if plain.json {
        println!("{}", serde_json::json!({ "commits": count }));
    } else {
        println!("{count} commits stand where they stood; start the processes again.");
        for policy in lost {
            println!("{policy}: {}.", status::how_to_start(policy));
        }
    }
    Ok(())
}

/// Puts the policies where the archive last saw them, and answers those that it has not seen.
async fn restore_cursors(tools: &Tools, archive: &Archive) -> anyhow::Result<Vec<PolicyId>> {
    let heads = tools.journal.heads().await?;
    for (name, body) in archive.cursors().await? {
        let mut state = State::from_bytes(&body)?;
        let partition = name.as_str().rsplit('-').next().unwrap_or_default();
        let head = heads
            .iter()
            .find(|head| head.partition.to_string() == partition);
        let Some(head) = head else { continue };
        // What the archive lacks may come again, under other positions.
        state = State::at(state.sequence.min(head.sequence), state.parked);
        match tools.journal.put_cursor(&name, 0, state.to_bytes()?).await {
            // It is there: the restore was begun before.
            Ok(_) | Err(JournalError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let all = status::all(tools.desk()).await?;
    let mut lost: Vec<_> = all
        .iter()
        .filter(|one| one.standing == Standing::Lost)
        .map(|one| one.policy)
        .collect();
    lost.dedup();
    Ok(lost)
}
