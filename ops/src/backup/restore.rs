//! `rapport restore`: a backup into an empty log, and everybody who was erased since stays so.
//!
//! Everything is read and checked before anything is touched. Then the place is marked as unfinished,
//! and nothing but the same command works on it until the end. The keys come first, without those of
//! the erased; then the log; then the erasures that it does not know. So nobody who was erased is
//! readable at any moment, also where the restore is interrupted.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail, ensure};
use commands::clock::Clock;
use commands::forget;
use commands::idempotency;
use commands::origin::Origin;
use commands::people::{People, Person};
use commands::vault;
use domain::id::{ContactId, LeadId};
use journal::failpoint;
use journal::line;
use journal::token::Token;
use journal::vault::Row;

use super::cursors::Places;
use super::files::Kind;
use super::keyring::Keyring;
use super::ledger::{self, Erasure};
use super::manifest::{self, Manifest};
use crate::cli;
use crate::events::transfer;
use crate::master;
use crate::settings::Settings;
use crate::system::tools::{Filling, Tools};
use crate::unfinished::Unfinished;

/// What is to be done, with nothing left that could be refused.
pub struct Plan {
    /// The keys that come back, and what is left of those that must not.
    pub keys: Vec<Row>,
    /// Who is to be erased again, because the log does not know it.
    pub erase: Vec<Person>,
}

/// A backup's log: who is in it, and which generation of the vault it names last.
struct InLog {
    people: People,
    generation: u64,
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
    let in_log = in_log(&log)?;
    let plan = plan(keyring.keys, &erased, &in_log.people)?;
    master::check(settings, &plan.keys)?;
    let restoring = Unfinished {
        what: format!("the restore of the backup of {}", backup.time()),
        go_on: format!(
            "rapport restore {} --backup {}",
            folder.display(),
            backup.time()
        ),
    };
    let target = Filling::open(settings, &restoring).await?;
    if !target.goes_on {
        target.tools.check_empty().await?;
        restoring.begin(target.tools.journal.vault()).await?;
    }
    failpoint::reach("restore.marked");
    fill(&target.tools, &log, &plan, backup, in_log.generation).await?;
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
fn in_log(log: &Path) -> anyhow::Result<InLog> {
    let (mut people, mut generation) = (People::default(), 1);
    for (number, line) in (1_u64..).zip(BufReader::new(File::open(log)?).lines()) {
        let read = line::read(&line?)
            .map_err(|reason| anyhow!("{} line {number} is no commit: {reason}", log.display()))?;
        people.see_line(&read);
        let bound = read.commit.as_ref().and_then(vault::bound_by);
        generation = bound.map_or(generation, |bound| bound.generation);
    }
    Ok(InLog { people, generation })
}

/// Which keys come back, and who is to be erased again.
pub fn plan(keys: Vec<Row>, erased: &[Erasure], people: &People) -> anyhow::Result<Plan> {
    let people = &people.0;
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

async fn fill(
    tools: &Tools,
    log: &Path,
    plan: &Plan,
    backup: &Manifest,
    generation: u64,
) -> anyhow::Result<()> {
    let journal = &tools.journal;
    journal.vault().import(&plan.keys, generation).await?;
    failpoint::reach("restore.keys");
    let partitions = u16::try_from(backup.partitions.len())?;
    let mut places = Places::new(&backup.policies, partitions);
    transfer::append(journal, log, |workspace, at| places.stands(workspace, at)).await?;
    places.keep(journal).await?;
    failpoint::reach("restore.appended");
    erase_again(tools, &plan.erase).await?;
    failpoint::reach("restore.erased");
    let survey = vault::Survey::of(journal, |_| 0).await?;
    vault::adopt(journal, &survey, false, Clock::System.now()).await?;
    failpoint::reach("restore.adopted");
    idempotency::remember(journal, Clock::System.now()).await?;
    failpoint::reach("restore.claimed");
    Ok(journal.vault().finished().await?)
}

/// Says in the log who was erased.
pub async fn erase_again(tools: &Tools, people: &[Person]) -> anyhow::Result<()> {
    let contacts = tools.contacts().await?;
    for (workspace, name) in people {
        let origin = Origin::new(workspace.clone(), "restore");
        match name.split_once('-').map(|(kind, id)| (kind, id.parse())) {
            Some(("contact", Ok(id))) => drop(contacts.erase(ContactId(id), &origin).await?),
            Some(("lead", Ok(id))) => forget::lead(tools.desk(), LeadId(id), &origin).await?,
            _ => bail!("{name} was erased, and is neither a contact nor a lead"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
