//! A full disk stops changes, says so, and loses nothing.
//!
//! The disk is full for one process: no file of its may grow beyond a limit. Nobody needs to be
//! root for that.

use std::process::Command;

use serde_json::json;
use stories::crm::Crm;
use stories::servers::{Folder, eventually};

/// Bytes; enough for a start and some dozens of commits.
const LIMIT: u64 = 700_000;
const MOST: u64 = 5000;

#[tokio::test]
async fn a_full_disk_refuses_changes_and_keeps_what_it_acknowledged() {
    let mut crm = Crm::embedded().await;
    let lead = crm.given_a_lead().await;
    let path = format!("/api/v1/leads/{lead}/messages");
    crm.last().limit_files(Some(LIMIT));
    crm.last().restart().await;

    let mut acknowledged = 0;
    let refused = loop {
        let answer = crm.post(&path, json!({ "increment": 1 })).await;
        if answer.status != 200 {
            break answer;
        }
        acknowledged += 1;
        assert_eq!(answer.body["message_count"], acknowledged);
        assert!(acknowledged < MOST, "the disk is never full");
    };
    assert!(acknowledged > 0, "there was room for something");
    assert_eq!(
        (
            refused.status,
            refused.content_type.as_str(),
            &refused.body["type"]
        ),
        (
            503,
            "application/problem+json",
            &json!("/problems/unavailable")
        ),
        "{}",
        refused.text
    );
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("send the same request again"), "{detail}");
    assert!(refused.retry_after.is_some());
    let ready = crm.get("/ready").await;
    assert_eq!(ready.status, 503, "{}", ready.text);
    assert!(ready.text.contains("log-writer"), "{}", ready.text);
    // It stays up, and goes on saying so.
    for _ in 0..20 {
        let answer = crm.post(&path, json!({ "increment": 1 })).await;
        acknowledged += u64::from(answer.status == 200);
        assert!(matches!(answer.status, 200 | 503), "{}", answer.text);
    }
    assert!(
        crm.last().said().contains("the log does not answer"),
        "the operator is told"
    );

    crm.last().limit_files(None);
    crm.last().restart().await;
    let card = crm.get(&format!("/api/v1/leads/{lead}")).await.good();
    assert_eq!(
        card["message_count"], acknowledged,
        "all of it, and nothing else"
    );
    assert_eq!(card["version"], acknowledged + 1);
    let more = crm.post(&path, json!({ "increment": 1 })).await.good();
    assert_eq!(more["message_count"], acknowledged + 1);
    crm.cli_good(&["events", "verify"]);
}

/// A disk of its own, that can be filled and made read-only. Only root may mount one.
struct Disk(Folder);

impl Disk {
    fn mount(megabytes: u32) -> Option<Self> {
        let disk = Self(Folder::new("disk"));
        let size = format!("size={megabytes}m");
        disk.run(&["mount", "-t", "tmpfs", "-o", &size, "tmpfs"])
            .then_some(disk)
    }

    fn make_read_only(&self) {
        assert!(self.run(&["mount", "-o", "remount,ro"]));
    }

    fn run(&self, command: &[&str]) -> bool {
        let done = Command::new(command[0])
            .args(&command[1..])
            .arg(self.0.path())
            .output();
        done.is_ok_and(|done| done.status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.run(&["umount", "--lazy"]);
    }
}

#[tokio::test]
async fn a_disk_that_takes_no_writes_is_told_and_backed_up_elsewhere() {
    let Some(disk) = Disk::mount(64) else {
        eprintln!("skipped: only root may mount a disk");
        return;
    };
    let data = disk.0.path().join("data").to_string_lossy().into_owned();
    let mut crm = Crm::embedded_with(&[("DATA_DIR", &data)]).await;
    crm.given_a_lead().await;
    let filler = disk.0.path().join("filler");
    std::fs::write(&filler, vec![0; 40_000_000]).expect("there is room for it");
    let told = eventually(async || {
        let ready = crm.get("/ready").await;
        ready.status == 503 && ready.text.contains("MB left")
    });
    assert!(told.await, "a disk that is nearly full is not told");
    std::fs::remove_file(&filler).expect("it was there");

    crm.last().kill_hard();
    disk.make_read_only();
    let elsewhere = crm.folder().join("backup").to_string_lossy().into_owned();
    crm.cli_good(&["backup", &elsewhere]);
    let names = std::fs::read_dir(&elsewhere).expect("a folder");
    let names: Vec<_> = names.flatten().map(|entry| entry.file_name()).collect();
    let copies = names
        .iter()
        .filter(|name| name.to_string_lossy().starts_with(".reading"));
    assert_eq!(copies.count(), 0, "the copy of the keys is left: {names:?}");
}
