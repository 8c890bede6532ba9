//! `rapport erase`: forgets a person, everywhere.

use std::time::Duration;

use anyhow::{Context as _, bail};
use domain::id::ContactId;
use journal::position::Position;

use crate::cli::Plain;
use crate::system::Tools;

/// How long the read models may take to follow.
const WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Forgets `contact-7`.
pub async fn run(subject: &str, plain: &Plain) -> anyhow::Result<()> {
    let id = subject
        .strip_prefix("contact-")
        .and_then(|id| id.parse().ok())
        .map(ContactId);
    let id =
        id.with_context(|| format!("'{subject}' names nobody; a person is named contact-7"))?;
    let tools = Tools::open(&plain.settings).await?;
    let erased = tools.contacts().await?.erase(id, &tools.origin()).await?;
    shown(&tools, erased.position()).await?;
    if plain.json {
        println!(
            "{}",
            serde_json::json!({ "erased": subject, "position": erased.position().to_string() })
        );
    } else {
        println!(
            "{subject} was erased at {}: its key is destroyed, and no screen shows it.",
            erased.position()
        );
        println!(
            "Backups of the vault that are older can still open older backups of the log; destroy them."
        );
    }
    Ok(())
}

/// Waits until the read models have forgotten too; follows the log itself where nobody does.
async fn shown(tools: &Tools, position: Position) -> anyhow::Result<()> {
    let (registry, follower) = (tools.registry().await?, tools.follower().await?);
    let forgotten = async {
        loop {
            let active = registry.active("contacts").await?;
            let seen = match &active {
                Some(active) => registry.checkpoints("contacts", active.number).await?,
                None => Vec::new(),
            };
            let there = seen.iter().any(|seen| {
                seen.position.partition == position.partition
                    && seen.position.sequence >= position.sequence
            });
            if there {
                return anyhow::Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let done = tokio::select! {
        done = tokio::time::timeout(WITHIN, forgotten) => done,
        () = follower.run() => Ok(Ok(())),
    };
    follower.give_back().await;
    match done {
        Ok(done) => done,
        Err(_) => bail!(
            "the key is destroyed, and the read models do not follow: is rapport serve --role projections running?"
        ),
    }
}
