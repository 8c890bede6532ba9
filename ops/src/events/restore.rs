//! `events restore`: a lost log in NATS, made again from the archive, every commit at its position.
//!
//! Read models and policies go on where they were, because positions and the log's identity are
//! those of the lost one. What was appended after the archive's last commit is gone; read models
//! that have seen it say so and refuse to go on.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use journal::envelope::{Commit, Sealed};

use crate::cli::Plain;
use crate::progress::bar;
use crate::system::Tools;

const BATCH: i64 = 1024;

/// Restores everything that the archive has. Begun again, it goes on.
pub(super) async fn run(plain: &Plain) -> anyhow::Result<()> {
    let (tools, archive) = Tools::open_lost(&plain.settings).await?;
    let mut count = 0_u64;
    for partition in 0..archive.partitions().await? {
        let end = archive.head(partition).await?.sequence;
        let bar = bar("restore", end);
        let (mut after, mut streams) = (0, HashMap::new());
        while after < end {
            let batch = archive.read(partition, after, BATCH).await?;
            for archived in &batch {
                let at = archived.position;
                ensure!(
                    at.sequence == after + 1,
                    "the archive has nothing between {after} and {at}"
                );
                ensure!(archived.is_whole(), "{at} was changed in the archive");
                let commit: Commit =
                    serde_json::from_str(&archived.body).with_context(|| format!("{at}"))?;
                let sealed = Sealed::try_new(&commit)?;
                let stream = sealed.stream.clone();
                let last = streams.get(&stream).copied().unwrap_or(0);
                let position = tools
                    .journal
                    .append(sealed, last)
                    .await
                    .with_context(|| format!("{at}"))?;
                ensure!(
                    position == at,
                    "{at} came to stand at {position}: this log is not empty"
                );
                streams.insert(stream, position.sequence);
                after = at.sequence;
                count += 1;
            }
            bar.set_position(after);
        }
        bar.finish_and_clear();
    }
    if plain.json {
        println!("{}", serde_json::json!({ "commits": count }));
    } else {
        println!("{count} commits stand where they stood; start the processes again.");
    }
    Ok(())
}
