//! What a backup consists of. It is written last: where there is none, there is no backup.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use journal::envelope::CommitHash;
use journal::position::Position;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::cursors::Met;
use super::files::{Fresh, Kind, Part, named};
use super::ledger::Erasure;

const PREFIX: &str = "manifest-";
const END: &str = ".json";
/// The layout that this program writes.
const FORMAT: u32 = 1;

/// What a backup consists of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout.
    pub format: u32,
    /// The version of the program that made it.
    pub program: String,
    /// When it was begun.
    pub at: Timestamp,
    /// The identity of the log; the restored one gets another.
    pub log: String,
    /// What of each partition it holds.
    pub partitions: Vec<Extent>,
    /// When its keys expire.
    pub keys_expire: Timestamp,
    /// Its files. Blobs will be more of them.
    pub files: Vec<Part>,
    /// Everybody who was erased, as far as it was known.
    pub erased: Vec<Erasure>,
    /// How far the policies were; older backups do not say.
    #[serde(default)]
    pub policies: Vec<Met>,
}

/// What of a partition a backup holds: everything up to a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The partition.
    pub partition: u16,
    /// How many commits.
    pub commits: u64,
    /// The sequence of the first; 0 where there is none.
    pub first: u64,
    /// The sequence of the last.
    pub last: u64,
    /// The hash of the last.
    pub head: Option<CommitHash>,
}

impl Extent {
    /// Of a partition up to its head, nothing yet.
    pub const fn of(head: Position) -> Self {
        Self {
            partition: head.partition,
            commits: 0,
            first: 0,
            last: 0,
            head: None,
        }
    }
}

/// The manifest with what proves that it is the one that was written.
#[derive(Serialize, Deserialize)]
struct Proven {
    sha256: String,
    backup: Box<RawValue>,
}

impl Manifest {
    /// A manifest of today's layout.
    pub fn new(at: Timestamp, log: String, partitions: Vec<Extent>) -> Self {
        Self {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            at,
            log,
            partitions,
            keys_expire: at,
            files: Vec::new(),
            erased: Vec::new(),
            policies: Vec::new(),
        }
    }

    /// What its files carry in their names, and what people call the backup by.
    pub fn time(&self) -> String {
        time(self.at)
    }

    /// Makes the files before it a backup.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let backup = to_raw_value(self)?;
        let sha256 = CommitHash::of(backup.get().as_bytes()).to_string();
        let mut file = Fresh::begin(folder, &format!("{PREFIX}{}{END}", self.time()))?;
        serde_json::to_writer(&mut file, &Proven { sha256, backup })?;
        file.write_all(b"\n")?;
        file.finish(Kind::Newer).map(drop)
    }

    /// The only file of this kind.
    pub fn part(&self, kind: Kind) -> anyhow::Result<&Part> {
        let mut parts = self.files.iter().filter(|part| part.kind == kind);
        match (parts.next(), parts.next()) {
            (Some(part), None) => Ok(part),
            _ => anyhow::bail!("the backup of {} does not have its files", self.time()),
        }
    }
}

/// A moment in the name of a file.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%S%.3fZ").to_string()
}

/// Every backup of a folder, the oldest first.
pub fn all(folder: &Path) -> anyhow::Result<Vec<Manifest>> {
    let found = named(folder, PREFIX)?;
    let whole = found.iter().filter(|(name, _)| name.ends_with(END));
    whole.map(|(_, path)| read(path)).collect()
}

fn read(path: &Path) -> anyhow::Result<Manifest> {
    let damaged = || format!("{} was damaged: it is no manifest", path.display());
    let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let proven: Proven = serde_json::from_slice(&text).with_context(damaged)?;
    let sha256 = CommitHash::of(proven.backup.get().as_bytes()).to_string();
    ensure!(sha256 == proven.sha256, damaged());
    let manifest: Manifest = serde_json::from_str(proven.backup.get()).with_context(damaged)?;
    ensure!(
        manifest.format <= FORMAT,
        "{} was written by rapport {}: restore with that one",
        path.display(),
        manifest.program
    );
    Ok(manifest)
}
