//! Files that appear whole or not at all, and what proves that they are still the same.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What a file is called until it is whole.
const PART: &str = "part";

/// A file of a backup, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it holds.
    pub kind: Kind,
    /// Its name in the folder.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// The SHA-256 of it, in hex.
    pub sha256: String,
}

/// What a file of a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Commits, one a line.
    Log,
    /// The keys of personal data.
    Keys,
    /// Something that this program does not know, such as blobs: there is no store of them yet.
    #[serde(other)]
    Newer,
}

impl Part {
    /// Fails, and names the file, unless it is still what was written.
    pub fn check(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(&self.name);
        if self.kind == Kind::Newer {
            bail!(
                "{} was written by a newer rapport: restore with that one",
                path.display()
            );
        }
        let mut file =
            File::open(&path).with_context(|| format!("{} is missing", path.display()))?;
        let (mut sha256, mut bytes) = (Sha256::new(), 0_u64);
        let mut piece = vec![0; 1 << 16];
        loop {
            let read = file
                .read(&mut piece)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            if read == 0 {
                break;
            }
            sha256.update(&piece[..read]);
            bytes += read as u64;
        }
        if (bytes, hex::encode(sha256.finalize())) != (self.bytes, self.sha256.clone()) {
            bail!(
                "{} was damaged: it is not what the backup wrote",
                path.display()
            );
        }
        Ok(())
    }
}

/// A file that is being written.
pub struct Fresh {
    part: PathBuf,
    path: PathBuf,
    out: BufWriter<File>,
    sha256: Sha256,
    bytes: u64,
}

impl Fresh {
    /// Begins a file; nobody else may read it.
    pub fn begin(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let part = folder.join(format!("{name}.{PART}"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part);
        let file = file.with_context(|| format!("{} cannot be written", part.display()))?;
        Ok(Self {
            path: folder.join(name),
            part,
            out: BufWriter::new(file),
            sha256: Sha256::new(),
            bytes: 0,
        })
    }

    /// Puts it on the disk, and only then in its place.
    pub fn finish(self, kind: Kind) -> anyhow::Result<Part> {
        let file = self
            .out
            .into_inner()
            .map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all())
            .with_context(|| format!("{} cannot be written", self.part.display()))?;
        fs::rename(&self.part, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        let name = self.path.file_name().unwrap_or_default();
        Ok(Part {
            kind,
            name: name.to_string_lossy().into_owned(),
            bytes: self.bytes,
            sha256: hex::encode(self.sha256.finalize()),
        })
    }
}

impl Write for Fresh {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sha256.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Makes the folder where there is none, for this user alone.
pub fn make(folder: &Path) -> anyhow::Result<()> {
    let mut made = fs::DirBuilder::new();
    made.recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// Holds the folder for as long as the answer lives; whatever was half written is removed.
pub fn hold(folder: &Path) -> anyhow::Result<File> {
    let lock = lock_file(folder, ".backup.lock")?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another rapport backup writes to {}", folder.display())
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    for (name, path) in named(folder, "")? {
        let half = Path::new(&name).extension().is_some_and(|end| end == PART);
        if half && !name.starts_with("erasures") {
            fs::remove_file(path)?;
        }
    }
    Ok(lock)
}

/// A file of a folder that processes lock.
pub fn lock_file(folder: &Path, name: &str) -> anyhow::Result<File> {
    let path = folder.join(name);
    File::create(&path).with_context(|| format!("{} cannot be written", path.display()))
}

/// The files of a folder whose names begin like this, in the order of their names.
pub fn named(folder: &Path, prefix: &str) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("the folder {} cannot be read", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(prefix) && path.is_file() {
            found.push((name.into_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}
