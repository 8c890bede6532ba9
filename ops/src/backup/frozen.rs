//! A backup from a disk that takes no writes: full, or mounted read-only.
//!
//! SQLite writes beside a file even to read it. Where that is refused and nobody uses the folder, what
//! a backup reads is copied into the backup's own folder for as long as it takes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::settings::Settings;
use crate::system::tools::Tools;

/// What a backup reads: the log, the keys, what both have not yet moved into their files, and what opens
/// the keys.
const READ: [&str; 5] = [
    "log.db",
    "log.db-wal",
    "vault.db",
    "vault.db-wal",
    "master.key",
];
/// As much as SQLite wants to write to read.
const LITTLE: usize = 64 * 1024;

/// A copy of a data folder, deleted in the end.
pub struct Copied(PathBuf);

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("note: {} can be deleted: {error}", self.0.display());
        }
    }
}

/// The log, read where it is or, where that is refused, from a copy below this folder.
pub async fn open(settings: &Settings, folder: &Path) -> anyhow::Result<(Tools, Option<Copied>)> {
    let refused = match Tools::open(settings).await {
        Ok(tools) => return Ok((tools, None)),
        Err(refused) => refused,
    };
    let data = &settings.data_dir;
    if settings.nats_url.is_some() || takes_writes(data) || is_used(data) {
        return Err(refused);
    }
    let copied = copy(data, folder)?;
    let settings = Settings {
        data_dir: copied.0.clone(),
        ..settings.clone()
    };
    Ok((Tools::open(&settings).await?, Some(copied)))
}

fn takes_writes(folder: &Path) -> bool {
    let probe = folder.join(format!(".rapport-{}", std::process::id()));
    let written = File::create(&probe).and_then(|mut file| {
        file.write_all(&vec![0; LITTLE])
            .and_then(|()| file.sync_all())
    });
    let removed = fs::remove_file(&probe);
    written.and(removed).is_ok()
}

/// Whether a process holds the folder: what it writes meanwhile would be copied by halves.
fn is_used(folder: &Path) -> bool {
    let lock = File::open(folder.join("lock"));
    lock.is_ok_and(|lock| lock.try_lock().is_err())
}

fn copy(data: &Path, folder: &Path) -> anyhow::Result<Copied> {
    let to = folder.join(format!(".reading-{}", std::process::id()));
    super::files::make(&to)?;
    let copied = Copied(to);
    for name in READ.iter().filter(|name| data.join(name).exists()) {
        let (from, to) = (data.join(name), copied.0.join(name));
        fs::copy(&from, &to).with_context(|| format!("{} cannot be copied", from.display()))?;
    }
    Ok(copied)
}
