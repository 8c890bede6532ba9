//! `rapport restore`: a backup into an empty log, and everybody who was erased since stays so.
//!
//! Everything is read and checked before anything is touched. The keys come first, without those of
//! the erased; then the log; then the erasures that it does not know. So nobody who was erased is
//! readable at any moment, also where the restore is interrupted.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use commands::clock::Clock;
use commands::origin::Origin;
use commands::policies::erasure::erases;
use domain::id::ContactId;
use jiff::Timestamp;
use journal::line;
use journal::token::Token;
use journal::vault::{Row, Subject};

use super::files::Kind;
use super::keyring::Keyring;
use super::ledger::{self, Erasure};
use super::manifest::{self, Manifest};
use crate::cli;
use crate::events::transfer;
use crate::settings::Settings;
use crate::system::tools::{Empty, Tools};

/// A person, by workspace and name.
type Person = (Token, String);

/// A person in the restored log.
struct Known {
    began: Timestamp,
    erased: bool,
}

/// What is to be done, with nothing left that could be refused.
struct Plan {
    keys: Vec<Row>,
    erase: Vec<Person>,
}

/// Restores a backup.
pub async fn run(ask: cli::Restore) -> anyhow::Result<()> {
    let settings = &ask.plain.settings;
    let folder = super::folder(ask.dir.clone(), settings)?;
    let backups = manifest::all(&folder)?;
    let backup = chosen(&backups, ask.backup.as_deref(), &folder)?;
    let log = folder.join(&backup.part(Kind::Log)?.name);
    let keys = folder.join(&backup.part(Kind::Keys)?.name);
    ensure!(
        keys.exists() || Clock::System.now() < backup.keys_expire,
        "the keys of this backup expired on {} and were deleted: restore a newer backup",
        backup.keys_expire
    );
    for part in &backup.files {
        part.check(&folder)?;
    }
    let keyring = Keyring::read(&keys)?;
    if !ask.accept_expired_keys {
        keyring.check(Clock::System.now())?;
    }
    let erased = everybody_erased(&backups, &folder, ask.erased, settings)?;
    let plan = plan(keyring.keys, &erased, &people(&log)?)?;
    let target = Empty::open(settings, &plan.keys).await?;
    fill(&target.tools, &log, &plan).await?;
    let commits: u64 = backup.partitions.iter().map(|extent| extent.commits).sum();
    if ask.plain.json {
        println!(
            "{}",
            serde_json::json!({ "backup": backup.time(), "commits": commits, "erased_since": plan.erase.len() })
        );
    } else {
        println!(
            "{commits} commits of the backup of {} are restored; {} people who were erased since are erased again.",
            backup.time(),
            plan.erase.len()
        );
        println!("Start the processes: the read models are built anew.");
    }
    Ok(())
}

/// The backup that was named, or the newest.
fn chosen<'a>(
    backups: &'a [Manifest],
    named: Option<&str>,
    folder: &Path,
) -> anyhow::Result<&'a Manifest> {
    let times = || {
        let times: Vec<_> = backups.iter().map(Manifest::time).collect();
        times.join(", ")
    };
    match named {
        None => backups.last().with_context(|| {
            format!(
                "{} holds no whole backup: one that was interrupted has no manifest",
                folder.display()
            )
        }),
        Some(named) => backups
            .iter()
            .find(|backup| backup.time() == named)
            .with_context(|| format!("there is no backup of {named}; there are: {}", times())),
    }
}

/// Everybody whom a backup, older or newer, or a ledger knows to be erased.
fn everybody_erased(
    backups: &[Manifest],
    folder: &Path,
    named: Option<PathBuf>,
    settings: &Settings,
) -> anyhow::Result<Vec<Erasure>> {
    let mut erased: Vec<_> = backups
        .iter()
        .flat_map(|backup| backup.erased.clone())
        .collect();
    let beside = folder.join(ledger::NAME);
    // A ledger that is missing is refused, unless another one was named.
    if beside.exists() || named.is_none() {
        erased.extend(ledger::read(&beside)?);
    }
    let set = settings.backup_dir.as_ref();
    let set = set
        .map(|folder| folder.join(ledger::NAME))
        .filter(|path| path.exists());
    for path in named.into_iter().chain(set) {
        erased.extend(ledger::read(&path)?);
    }
    Ok(erased)
}

/// Reads the whole log, and tells who is in it.
fn people(log: &Path) -> anyhow::Result<HashMap<Person, Known>> {
    let mut people = HashMap::new();
    for (number, line) in (1_u64..).zip(BufReader::new(File::open(log)?).lines()) {
        let read = line::read(&line?)
            .map_err(|reason| anyhow!("{} line {number} is no commit: {reason}", log.display()))?;
        let Some(commit) = read.commit else {
            // It may name somebody: their key comes back with the others.
            let name = Subject::of(&read.sealed.stream).name().to_owned();
            let known = Known {
                began: Timestamp::UNIX_EPOCH,
                erased: false,
            };
            people
                .entry((read.sealed.stream.workspace, name))
                .or_insert(known);
            continue;
        };
        let erased = erases(&commit);
        if erased || !commit.keys.is_empty() {
            let name = Subject::of(&commit.stream()).name().to_owned();
            let known = people.entry((commit.workspace, name)).or_insert(Known {
                began: commit.at,
                erased: false,
            });
            known.erased |= erased;
        }
    }
    Ok(people)
}

/// Which keys come back, and who is to be erased again.
fn plan(
    keys: Vec<Row>,
    erased: &[Erasure],
    people: &HashMap<Person, Known>,
) -> anyhow::Result<Plan> {
    let mut gone: HashMap<Person, bool> = HashMap::new();
    for erasure in erased {
        let person = (erasure.workspace.clone(), erasure.subject.clone());
        let meant = people
            .get(&person)
            .filter(|known| known.began <= erasure.at);
        if let Some(known) = meant {
            gone.insert(person, known.erased);
        }
    }
    let in_log = people.iter().filter(|(_, known)| known.erased);
    gone.extend(in_log.map(|(person, _)| (person.clone(), true)));
    let mut kept = Vec::new();
    for (workspace, name, key) in keys {
        if name.is_empty() || workspace == journal::vault::OURS {
            kept.push((workspace, name, key));
            continue;
        }
        let person = (Token::try_new(&workspace)?, name);
        // Who is not in the log: their number will be somebody else's, who needs a key of their own.
        if !people.contains_key(&person) {
            continue;
        }
        match key {
            Some(key) if !gone.contains_key(&person) => kept.push((workspace, person.1, Some(key))),
            // Erased between the log and the keys.
            None => drop(gone.entry(person).or_insert(false)),
            Some(_) => {}
        }
    }
    let destroyed = gone
        .keys()
        .map(|(workspace, name)| (workspace.to_string(), name.clone(), None));
    kept.extend(destroyed);
    let mut erase: Vec<_> = gone
        .into_iter()
        .filter(|(_, erased)| !erased)
        .map(|(person, _)| person)
        .collect();
    erase.sort();
    Ok(Plan { keys: kept, erase })
}

async fn fill(tools: &Tools, log: &Path, plan: &Plan) -> anyhow::Result<()> {
    tools.journal.vault().import(&plan.keys).await?;
    transfer::append(&tools.journal, log).await?;
    let contacts = tools.contacts().await?;
    for (workspace, name) in &plan.erase {
        let id = name.strip_prefix("contact-").and_then(|id| id.parse().ok());
        let id = id.with_context(|| format!("{name} was erased, and is no contact"))?;
        let origin = Origin::new(workspace.clone(), "restore");
        contacts.erase(ContactId(id), &origin).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
