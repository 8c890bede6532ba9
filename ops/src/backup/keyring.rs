//! The keys of personal data, in a file of their own that expires: it still opens what was erased
//! after it was made, so it must not live as long as the log.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use journal::vault::Row;
use serde::{Deserialize, Serialize};

use super::files::{Fresh, Kind, Part, named};

const PREFIX: &str = "keys-";

/// Keys, wrapped by the master key, which is never in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    /// When they were taken.
    pub taken_at: Timestamp,
    /// From when on they are not restored, and the next backup deletes them.
    pub expires: Timestamp,
    /// The keys; one that was destroyed leaves its row.
    pub keys: Vec<Row>,
}

impl Keyring {
    /// Keys that live for this many days.
    pub fn of(keys: Vec<Row>, now: Timestamp, days: u16) -> anyhow::Result<Self> {
        let life = SignedDuration::from_hours(24 * i64::from(days));
        Ok(Self {
            taken_at: now,
            expires: now.checked_add(life)?,
            keys,
        })
    }

    /// Writes the file of a backup.
    pub fn write(&self, folder: &Path, time: &str) -> anyhow::Result<Part> {
        let mut file = Fresh::begin(folder, &format!("{PREFIX}{time}.json"))?;
        serde_json::to_writer(&mut file, self)?;
        file.finish(Kind::Keys)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} holds no keys", path.display()))
    }

    /// Reads the file of a backup, or one of `rapport keys export`, which is taken now and never ends.
    pub fn of_any(path: &Path, now: Timestamp) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum File {
            Backup(Keyring),
            Export(Vec<Row>),
        }
        let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let file = serde_json::from_slice(&text)
            .with_context(|| format!("{} holds no keys", path.display()))?;
        Ok(match file {
            File::Backup(keyring) => keyring,
            File::Export(keys) => Self {
                taken_at: now,
                expires: Timestamp::MAX,
                keys,
            },
        })
    }

    /// Refuses keys that have expired.
    pub fn check(&self, now: Timestamp) -> anyhow::Result<()> {
        ensure!(
            now < self.expires,
            "the keys of this backup expired on {}: they may open data of people who were erased \
             since. Restore a newer backup; if there is none, and {} names everybody who was \
             erased, say --accept-expired-keys",
            self.expires,
            super::ledger::NAME
        );
        Ok(())
    }
}

/// Deletes the key files of a folder that have expired; tells how many.
pub fn prune(folder: &Path, now: Timestamp) -> anyhow::Result<usize> {
    let mut count = 0;
    for (_, path) in named(folder, PREFIX)? {
        // What cannot be read is left: its backup is not whole, and restoring it says so.
        let expired = Keyring::read(&path).is_ok_and(|keyring| keyring.check(now).is_err());
        if expired {
            fs::remove_file(path)?;
            count += 1;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use stories::servers::Folder;

    use super::{Keyring, prune};

    #[test]
    fn keys_live_as_long_as_they_say_and_not_longer() {
        let folder = Folder::new("keyring");
        let now: Timestamp = "2026-11-21T08:30:00Z".parse().unwrap();
        let keyring = Keyring::of(Vec::new(), now, 30).unwrap();
        keyring.write(folder.path(), "then").unwrap();
        let end = now + SignedDuration::from_hours(30 * 24);
        let before = end - SignedDuration::from_secs(1);
        assert!(keyring.check(before).is_ok());
        assert_eq!(prune(folder.path(), before).unwrap(), 0);
        let error = keyring.check(end).unwrap_err().to_string();
        assert!(error.contains("expired on 2026-12-21T08:30:00Z"), "{error}");
        assert_eq!(prune(folder.path(), end).unwrap(), 1);
        assert_eq!(prune(folder.path(), end).unwrap(), 0);
    }
}
