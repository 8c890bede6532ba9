//! `events restore`: a lost log in NATS, made again from the archive, every commit at its position.
//!
//! Read models and policies go on where they were, because positions and the log's identity are
//! those of the lost one. What was appended after the archive's last commit is gone; read models
//! that have seen it say so and refuse to go on.

use commands::clock::Clock;
use commands::idempotency;
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
    if plain.json {
        println!("{}", serde_json::json!({ "commits": count }));
    } else {
        println!("{count} commits stand where they stood; start the processes again.");
    }
    Ok(())
}
