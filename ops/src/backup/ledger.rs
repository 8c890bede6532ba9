//! Who was erased, in a file of its own that outlives every backup: whoever is named there does
//! not come back with an older one.
//!
//! A line names a workspace, a number and a moment. After a restore the number of somebody who
//! came after the backup is given again, so an erasure means only those who were there before it.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use journal::envelope::Commit;
use journal::token::Token;
use journal::vault::Subject;
use serde::{Deserialize, Serialize};

use super::files::{Fresh, Kind, lock_file};

/// Its name in a folder of backups.
pub const NAME: &str = "erasures.jsonl";

/// Somebody was erased.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose data it was.
    pub workspace: Token,
    /// Who: `contact-7`.
    pub subject: String,
    /// When, at the latest.
    pub at: Timestamp,
}

impl Erasure {
    /// The erasure that a commit is.
    pub fn by(commit: &Commit) -> Self {
        Self {
            workspace: commit.workspace.clone(),
            subject: Subject::of(&commit.stream()).name().to_owned(),
            at: commit.at,
        }
    }
}

/// Everybody in a ledger.
pub fn read(path: &Path) -> anyhow::Result<Vec<Erasure>> {
    let text = fs::read_to_string(path).with_context(|| {
        format!(
            "{} cannot be read; without it, people who were erased would come back",
            path.display()
        )
    })?;
    let erasure = |(number, line): (usize, &str)| {
        serde_json::from_str(line)
            .with_context(|| format!("{} line {number} names nobody", path.display()))
    };
    (1..).zip(text.lines()).map(erasure).collect()
}

/// Adds whom the folder's ledger lacks, on the disk before it answers; answers everybody in it.
pub fn add(folder: &Path, erased: &[Erasure]) -> anyhow::Result<Vec<Erasure>> {
    super::files::make(folder)?;
    let lock = lock_file(folder, ".erasures.lock")?;
    lock.lock()?;
    let path = folder.join(NAME);
    let there = path.exists();
    let mut all = if there { read(&path)? } else { Vec::new() };
    let known: std::collections::HashSet<Erasure> = all.iter().cloned().collect();
    all.extend(erased.iter().filter(|one| !known.contains(one)).cloned());
    if there && all.len() == known.len() {
        return Ok(all);
    }
    // Written anew: a line that a crash tore would be a person who is not named.
    let mut file = Fresh::begin(folder, NAME)?;
    for erasure in &all {
        serde_json::to_writer(&mut file, erasure)?;
        file.write_all(b"\n")?;
    }
    file.finish(Kind::Newer)?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use journal::token::Token;
    use stories::servers::Folder;

    use super::{Erasure, NAME, add, read};

    fn erased(number: u64) -> Erasure {
        Erasure {
            workspace: Token::try_new("main").unwrap(),
            subject: format!("contact-{number}"),
            at: "2026-11-21T08:30:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn everybody_is_named_once_in_the_order_they_came() {
        let folder = Folder::new("ledger");
        add(folder.path(), &[]).unwrap();
        assert!(read(&folder.path().join(NAME)).unwrap().is_empty());
        add(folder.path(), &[erased(7), erased(3)]).unwrap();
        let all = add(folder.path(), &[erased(3), erased(9)]).unwrap();
        assert_eq!(all, [erased(7), erased(3), erased(9)]);
        assert_eq!(read(&folder.path().join(NAME)).unwrap(), all);
    }

    #[test]
    fn a_line_that_names_nobody_is_told_by_its_number() {
        let folder = Folder::new("ledger");
        add(folder.path(), &[erased(7)]).unwrap();
        let path = folder.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"works")).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("line 2 names nobody"), "{error}");
        assert!(add(folder.path(), &[erased(9)]).is_err(), "nothing is lost");
    }
}
