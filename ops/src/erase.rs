//! `rapport erase`: forgets a person, everywhere.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use domain::id::ContactId;
use jiff::Timestamp;
use journal::position::Position;

use crate::backup::ledger::{self, Erasure};
use crate::cli::Plain;
use crate::settings::Settings;
use crate::system::tools::Tools;

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
    let noted = note(subject, erased.updated_at, &plain.settings)?;
    // What was written of their leads was forgotten behind it.
    let head = tools.journal.head(erased.position().partition).await?;
    for screen in ["contacts", "leads"] {
        shown(&tools, screen, head).await?;
    }
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
        match noted {
            Some(path) => println!(
                "It is noted in {}: no backup brings them back.",
                path.display()
            ),
            None => println!(
                "BACKUP_DIR is not set: older backups can bring them back until the next rapport backup notes it."
            ),
        }
    }
    Ok(())
}

/// Notes it beside the backups, where their folder is known. Erasing again notes what a crash left out.
fn note(
    subject: &str,
    at: Option<Timestamp>,
    settings: &Settings,
) -> anyhow::Result<Option<PathBuf>> {
    let (Some(folder), Some(at)) = (&settings.backup_dir, at) else {
        return Ok(None);
    };
    let erasure = Erasure {
        workspace: settings.workspace.clone(),
        subject: subject.to_owned(),
        at,
    };
    ledger::add(folder, &[erasure])
        .with_context(|| format!("{subject} was erased, and is not noted; erase again"))?;
    Ok(Some(folder.join(ledger::NAME)))
}

/// Waits until the read models have forgotten too; follows the log itself where nobody does.
async fn shown(tools: &Tools, screen: &str, position: Position) -> anyhow::Result<()> {
    let (registry, follower) = (tools.registry().await?, tools.follower().await?);
    let forgotten = async {
        loop {
            let active = registry.active(screen).await?;
            let seen = match &active {
                Some(active) => registry.checkpoints(screen, active.number).await?,
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
