//! `keys import`: the keys of an export or of a backup, for the log that is here or for one that comes.
//!
//! Nobody who was erased gets a key back: neither whom the log knows to be erased, nor whom a file of
//! erasures names. The keys come in one transaction.

use std::path::Path;

use anyhow::ensure;
use commands::clock::Clock;
use commands::vault::{self, Survey};
use journal::vault::Row;

use crate::backup::keyring::Keyring;
use crate::backup::ledger::{self, Erasure};
use crate::backup::restore::{erase_again, plan};
use crate::system::tools::{Mending, Tools};
use crate::{cli, master};

/// Takes over the keys of a file.
pub(super) async fn run(ask: cli::ImportKeys) -> anyhow::Result<()> {
    let settings = &ask.plain.settings;
    let keyring = Keyring::of_any(&ask.file, Clock::System.now())?;
    if !ask.accept_expired_keys {
        keyring.check(Clock::System.now())?;
    }
    let theirs = master::check(settings, &keyring.keys)?;
    let erased = erased(&ask)?;
    let place = Mending::open(settings).await?;
    let count = keyring.keys.len();
    match place.tools {
        Some(tools) if has_commits(&tools).await? => {
            into_log(&tools, keyring.keys, &erased, &theirs, ask.accept_missing).await?;
            eprintln!(
                "What a screen has parked because its key was missing comes back with rapport projections \
                 rebuild NAME; rapport doctor names it."
            );
        }
        Some(_) | None => {
            let keys = without(keyring.keys, &erased);
            place.vault.import(&keys, 1).await?;
        }
    }
    eprintln!("{count} keys.");
    Ok(())
}

async fn has_commits(tools: &Tools) -> anyhow::Result<bool> {
    let heads = tools.journal.heads().await?;
    Ok(heads.iter().any(|head| head.sequence > 0))
}

/// Keys for the log that is here.
async fn into_log(
    tools: &Tools,
    keys: Vec<Row>,
    erased: &[Erasure],
    theirs: &str,
    accept_missing: bool,
) -> anyhow::Result<()> {
    let journal = &tools.journal;
    let bound = journal.binding().await?;
    if let Some(bound) = &bound {
        ensure!(
            bound.vault == theirs,
            "these are keys of {theirs}, and the log here belongs to {}",
            bound.vault
        );
    }
    let survey = Survey::of(journal, |_| 0).await?;
    let plan = plan(keys, erased, &survey.people)?;
    let mut missing = survey.unknown(journal).await?;
    let there: std::collections::HashSet<_> = plan
        .keys
        .iter()
        .map(|(workspace, name, _)| (workspace.clone(), name.clone()))
        .collect();
    missing.retain(|person| !there.contains(person));
    ensure!(
        missing.is_empty() || accept_missing,
        "these keys lack those of {}, who came after them: import newer ones, or say --accept-missing to \
         give up what only their keys can open",
        vault::named(&missing)
    );
    let generation = bound.map_or(0, |bound| bound.generation) + 1;
    journal.vault().import(&plan.keys, generation).await?;
    erase_again(tools, &plan.erase).await?;
    vault::adopt(journal, &survey, false, Clock::System.now()).await?;
    Ok(())
}

/// What a file beside the keys, the one that is named, and the one of `BACKUP_DIR` say.
fn erased(ask: &cli::ImportKeys) -> anyhow::Result<Vec<Erasure>> {
    let beside = ask.file.parent().unwrap_or(Path::new("."));
    let set = ask.plain.settings.backup_dir.as_deref();
    let folders = [Some(beside), set].into_iter().flatten();
    let found = folders
        .map(|folder| folder.join(ledger::NAME))
        .filter(|path| path.exists());
    let mut erased = Vec::new();
    for path in found.chain(ask.erased.clone()) {
        erased.extend(ledger::read(&path)?);
    }
    Ok(erased)
}

/// For a log that comes later: what is left of the keys of those who were erased.
fn without(keys: Vec<Row>, erased: &[Erasure]) -> Vec<Row> {
    let is_erased = |workspace: &str, name: &str| {
        erased
            .iter()
            .any(|one| one.workspace.as_str() == workspace && one.subject == name)
    };
    keys.into_iter()
        .map(|(workspace, name, key)| {
            let key = key.filter(|_| !is_erased(&workspace, &name));
            (workspace, name, key)
        })
        .collect()
}
