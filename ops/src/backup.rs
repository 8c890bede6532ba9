//! `rapport backup`: the log, the keys, and who was erased, as files of one folder.
//!
//! - `manifest`: what a backup consists of; written last, so that an interrupted one is none
//! - `files`: files that appear whole or not at all
//! - `frozen`: the log of a disk that takes no writes
//! - `keyring`: the keys in a file of their own, which expires
//! - `ledger`: who was erased, for every backup ever made; `noting` adds to it as it happens
//! - `cursors`: how far the policies are, which travels with the log
//! - `restore`: all of it back
//!
//! It is taken while the system runs. The log comes first, up to a head; every key that it needs
//! was made before that, so the keys come after it. Who was erased in between has no key any more,
//! and the restore says so in the log too.

mod cursors;
mod files;
mod frozen;
pub mod keyring;
pub mod ledger;
mod manifest;
pub mod noting;
pub mod restore;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use commands::clock::Clock;
use commands::policies::erasure::erases;
use jiff::Timestamp;
use journal::entry::Entry;
use journal::token::Token;
use journal::vault::Row;

use crate::cli::{self, Plain};
use crate::events::transfer;
use crate::settings::Settings;
use crate::system::tools::Tools;
use cursors::Met;
use files::{Fresh, Kind, Part};
use keyring::Keyring;
use ledger::Erasure;
use manifest::{Extent, Manifest};

/// Makes a backup.
pub async fn run(ask: cli::Backup) -> anyhow::Result<()> {
    let folder = folder(ask.dir, &ask.plain.settings)?;
    files::make(&folder)?;
    let _held = files::hold(&folder)?;
    let now = Clock::System.now();
    let (tools, _copied) = frozen::open(&ask.plain.settings, &folder).await?;
    let mut policies = cursors::met(&tools).await?;
    let time = manifest::time(now);
    let (part, partitions, mut erased) = log(&tools, &folder, &time, &mut policies).await?;
    let mut manifest = Manifest::new(now, tools.journal.identity(), partitions);
    manifest.policies = policies;
    manifest.files.push(part);
    let keys = tools.journal.vault().export().await?;
    let named: HashSet<_> = erased.iter().map(subject_of).collect();
    let between = without_key(&keys, Clock::System.now())?;
    let between: Vec<_> = between
        .into_iter()
        .filter(|one| !named.contains(&subject_of(one)))
        .collect();
    erased.extend(between);
    manifest.erased = ledger::add(&folder, &erased)?;
    let keyring = Keyring::of(keys, now, ask.keys_days)?;
    manifest.keys_expire = keyring.expires;
    manifest
        .files
        .push(keyring.write(&folder, &manifest.time())?);
    manifest.write(&folder)?;
    let expired = keyring::prune(&folder, Clock::System.now())?;
    told(&manifest, &folder, expired, &ask.plain);
    Ok(())
}

/// The folder that was named, or that is set.
fn folder(named: Option<PathBuf>, settings: &Settings) -> anyhow::Result<PathBuf> {
    named
        .or_else(|| settings.backup_dir.clone())
        .context("name the folder of the backups, or set BACKUP_DIR")
}

/// Writes the log up to its head; answers what it wrote, and who is erased in it.
async fn log(
    tools: &Tools,
    folder: &Path,
    time: &str,
    policies: &mut [Met],
) -> anyhow::Result<(Part, Vec<Extent>, Vec<Erasure>)> {
    let heads = tools.journal.heads().await?;
    ensure!(
        heads.iter().any(|head| head.sequence > 0),
        "the log is empty: there is nothing to back up. Is DATA_DIR or NATS_URL right?"
    );
    let mut extents: Vec<_> = heads.iter().copied().map(Extent::of).collect();
    let mut erased = Vec::new();
    let mut file = Fresh::begin(folder, &format!("log-{time}.jsonl"))?;
    let seen = |entry: &Entry| {
        let at = entry.position();
        cursors::count(policies, at);
        let extent = extents
            .iter_mut()
            .find(|extent| extent.partition == at.partition);
        if let Some(extent) = extent {
            if extent.commits == 0 {
                extent.first = at.sequence;
            }
            extent.commits += 1;
            (extent.last, extent.head) = (at.sequence, Some(entry.hash()));
        }
        if let Some(recorded) = entry.commit().filter(|recorded| erases(&recorded.commit)) {
            erased.push(Erasure::by(&recorded.commit));
        }
    };
    transfer::write(&tools.journal, &heads, &mut file, "backup", seen).await?;
    Ok((file.finish(Kind::Log)?, extents, erased))
}

/// Whose keys were destroyed.
fn without_key(keys: &[Row], at: Timestamp) -> anyhow::Result<Vec<Erasure>> {
    let gone = keys.iter().filter(|(_, _, key)| key.is_none());
    let erasure = |(workspace, subject, _): &Row| {
        anyhow::Ok(Erasure {
            workspace: Token::try_new(workspace)?,
            subject: subject.clone(),
            at,
        })
    };
    gone.map(erasure).collect()
}

fn subject_of(erasure: &Erasure) -> (Token, String) {
    (erasure.workspace.clone(), erasure.subject.clone())
}

fn told(manifest: &Manifest, folder: &Path, expired: usize, plain: &Plain) {
    let commits: u64 = manifest
        .partitions
        .iter()
        .map(|extent| extent.commits)
        .sum();
    let (time, until) = (manifest.time(), manifest.keys_expire);
    if plain.json {
        println!(
            "{}",
            serde_json::json!({ "backup": time, "commits": commits, "keys_expire": until.to_string(),
                "erased": manifest.erased.len(), "expired": expired })
        );
        return;
    }
    println!(
        "{commits} commits are in {} as the backup of {time}; its keys expire on {until}.",
        folder.display()
    );
    if expired > 0 {
        println!("{expired} older files of keys had expired and are deleted.");
    }
    println!("The master key is not in it: keep that somewhere else.");
}
