//! What a disk changes in the log is noticed: `rapport events verify` names the first difference.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use stories::crm::Crm;
use stories::dice::Dice;
use stories::process::{self, Environment};
use stories::servers::Folder;

/// Flips anywhere in the file.
const ANYWHERE: u64 = 60;
const SEED: u64 = 4;

/// A stopped log, to be copied.
struct Store {
    log: Vec<u8>,
    /// The keys that open it, and what opens these.
    vault: Vec<u8>,
    master: Vec<u8>,
    /// What `events export` says of it.
    exported: String,
}

/// A copy of it, to be damaged.
struct Copy(Folder);

impl Copy {
    fn of(store: &Store, log: &[u8]) -> Self {
        let folder = Folder::new("copy");
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("log.db"), log).unwrap();
        fs::write(data.join("vault.db"), &store.vault).unwrap();
        fs::write(data.join("master.key"), &store.master).unwrap();
        Self(folder)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        process::run(self.0.path(), &Environment::new(), arguments)
    }

    /// What verify says is wrong; `None` where it says that nothing is.
    fn complaint(&self) -> Option<String> {
        let verified = self.run(&["events", "verify"]);
        let said = String::from_utf8_lossy(&verified.stderr).into_owned();
        assert_eq!(verified.status.success(), said.is_empty(), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        (!verified.status.success()).then_some(said)
    }

    fn export(&self) -> String {
        let exported = self.run(&["events", "export", "-"]);
        String::from_utf8_lossy(&exported.stdout).into_owned()
    }
}

async fn given_a_stopped_log() -> Store {
    let mut crm = Crm::embedded().await;
    for _ in 0..10 {
        let lead = crm.given_a_lead_in(&["contacted", "qualified"]).await;
        let path = format!("/api/v1/leads/{lead}/messages");
        crm.post(&path, json!({ "increment": 7 })).await.good();
    }
    assert!(crm.last().stop());
    let exported = crm.cli_good(&["events", "export", "-"]);
    let data = crm.folder().join("data");
    let store = Store {
        log: whole(&data.join("log.db")),
        vault: whole(&data.join("vault.db")),
        master: fs::read(data.join("master.key")).unwrap(),
        exported,
    };
    assert_eq!(Copy::of(&store, &store.log).complaint(), None);
    store
}

/// A file of SQLite's, with what waits in its write-ahead log.
fn whole(path: &Path) -> Vec<u8> {
    let file = rusqlite::Connection::open(path).unwrap();
    let busy: i64 = file
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0, "everything is in the file");
    drop(file);
    fs::read(path).unwrap()
}

/// Where these bytes are; where a page was split, also where they were.
fn places(bytes: &[u8], part: &str) -> Vec<usize> {
    let windows = bytes.windows(part.len()).enumerate();
    let found: Vec<_> = windows
        .filter(|(_, window)| *window == part.as_bytes())
        .map(|(place, _)| place)
        .collect();
    assert!(!found.is_empty(), "the file holds what is exported");
    found
}

fn flipped(log: &[u8], places: &[usize], dice: &mut Dice) -> Vec<u8> {
    let (mut flipped, bit) = (log.to_vec(), 1 << dice.below(8));
    for place in places {
        flipped[*place] ^= bit;
    }
    flipped
}

#[tokio::test]
async fn a_bit_that_flips_in_a_commit_is_found_and_named() {
    let store = given_a_stopped_log().await;
    let mut dice = Dice::new(SEED);
    let commits: Vec<_> = store.exported.lines().collect();
    for (position, commit) in (1..).zip(&commits) {
        let within = usize::try_from(dice.below(commit.len() as u64)).unwrap();
        let places: Vec<_> = places(&store.log, commit)
            .iter()
            .map(|begin| begin + within)
            .collect();
        let copy = Copy::of(&store, &flipped(&store.log, &places, &mut dice));
        let complaint = copy.complaint();
        let complaint = complaint
            .unwrap_or_else(|| panic!("byte {within} of commit {position} flipped unnoticed"));
        assert!(complaint.contains(&format!("0:{position}")), "{complaint}");
    }
    // The last commit of a stream has no follower that names its hash.
    let last = commits
        .iter()
        .rfind(|line| line.contains("\"category\":\"lead\""))
        .unwrap();
    let digit = last.find("\"increment\":7").unwrap() + 12;
    let mut changed = store.log.clone();
    for begin in places(&store.log, last) {
        changed[begin + digit] = b'8';
    }
    let complaint = Copy::of(&store, &changed).complaint().expect("noticed");
    assert!(complaint.contains("is not what was written"), "{complaint}");
}

#[tokio::test]
async fn a_bit_that_flips_anywhere_is_found_or_changes_nothing() {
    let store = given_a_stopped_log().await;
    let (mut dice, mut found) = (Dice::new(SEED), 0);
    for _ in 0..ANYWHERE {
        let place = usize::try_from(dice.below(store.log.len() as u64)).unwrap();
        let copy = Copy::of(&store, &flipped(&store.log, &[place], &mut dice));
        if copy.complaint().is_some() {
            found += 1;
        } else {
            assert_eq!(
                copy.export(),
                store.exported,
                "byte {place} flipped unnoticed"
            );
        }
    }
    println!("{found} of {ANYWHERE} flips were found, the others were of no consequence");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    let store = given_a_stopped_log().await;
    let mut dice = Dice::new(SEED);
    for _ in 0..10 {
        // A file of no length is a new log; everything else was one.
        let length = 1 + usize::try_from(dice.below(store.log.len() as u64 - 1)).unwrap();
        let copy = Copy::of(&store, &store.log[..length]);
        assert!(
            copy.complaint().is_some(),
            "cut to {length} bytes unnoticed"
        );
    }
}

#[tokio::test]
async fn commits_that_are_missing_at_the_end_are_found_by_what_the_read_models_have_seen() {
    let mut crm = Crm::embedded().await;
    let log = crm.folder().join("data/log.db");
    crm.given_a_lead().await;
    assert!(crm.last().stop());
    crm.cli_good(&["events", "verify"]);
    let early = fs::read(&log).unwrap();
    crm.last().restart().await;
    crm.given_a_lead().await;
    crm.get("/api/v1/leads/2").await.good();
    assert!(crm.last().stop());
    crm.cli_good(&["events", "verify"]);
    remove_side_files(&log);
    fs::write(&log, early).unwrap();
    let verified = crm.cli(&["events", "verify"]);
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(
        !verified.status.success() && said.contains("the log has lost commits"),
        "{said}"
    );
}

fn remove_side_files(log: &Path) {
    for side in ["-wal", "-shm"] {
        // They are gone where the file was closed well.
        let _ = fs::remove_file(format!("{}{side}", log.display()));
    }
}

#[tokio::test]
async fn what_nats_loses_or_changes_is_found_by_the_archive() {
    let roles = ["commands", "projections,archive", "api"];
    let mut crm = Crm::cluster_of(&roles, &[]).await;
    for _ in 0..10 {
        crm.given_a_lead_in(&["contacted"]).await;
    }
    let told = |crm: &Crm| {
        let verified = crm.cli(&["events", "verify", "--archive", "--json"]);
        let told: Value = serde_json::from_slice(&verified.stdout).unwrap_or_default();
        (verified, told)
    };
    let archived = stories::servers::eventually(async || {
        let (_, told) = told(&crm);
        told["commits"].as_u64() > Some(20) && told["archived"] == told["commits"]
    });
    assert!(archived.await);
    for process in crm.processes() {
        assert!(process.stop());
    }
    let nats = crm.nats().unwrap();
    nats.kill_hard();
    let block = newest_block(&nats.folder().join("js"));
    let mut bytes = fs::read(&block).unwrap();
    let mut dice = Dice::new(SEED);
    let within = usize::try_from(dice.below(18)).unwrap();
    let place = places(&bytes, "lead.stage_changed")[0] + within;
    bytes[place] ^= 1 << dice.below(8);
    fs::write(&block, bytes).unwrap();
    crm.nats().unwrap().restart().await;
    let (verified, _) = told(&crm);
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(
        !verified.status.success(),
        "a flipped bit in {} is not noticed",
        block.display()
    );
    println!("{said}");
}

/// The file that holds the commits: the largest block of the stream of events.
fn newest_block(folder: &Path) -> std::path::PathBuf {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "blk")
                && path.to_string_lossy().contains("EVENTS")
            {
                found.push((entry.metadata().unwrap().len(), path));
            }
        }
    }
    found.into_iter().max().expect("a block of messages").1
}
