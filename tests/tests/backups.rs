//! Everything is lost, and a backup brings back all but those who were erased since.

use std::fs;
use std::path::{Path, PathBuf};

use journal::envelope::CommitHash;
use serde_json::{Value, json};
use stories::crm::Crm;
use stories::forgotten::named_nowhere;
use stories::servers::eventually;

stories::on_both_profiles!(what_was_lost_comes_back_without_who_was_erased_since);

const PERSON: [&str; 2] = ["Zinaida Quux", "380991112233"];

async fn given_a_history(crm: &Crm) {
    let person = json!({ "name": PERSON[0], "phones": [format!("+{}", PERSON[1])] });
    crm.post("/api/v1/contacts", person).await.good();
    let other = json!({ "name": "Oksana", "phones": ["+380670000000"] });
    crm.post("/api/v1/contacts", other).await.good();
    crm.given_a_transferred_lead(10).await;
}

/// What everybody sees, without the person.
async fn seen(crm: &Crm) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in ["contacts/2", "leads/1", "leads/1/timeline", "sales/1"] {
        seen.push(crm.get(&format!("/api/v1/{path}")).await.good());
    }
    seen
}

fn refused(crm: &Crm, arguments: &[&str]) -> String {
    let done = crm.cli(arguments);
    assert!(!done.status.success(), "{arguments:?} must be refused");
    String::from_utf8_lossy(&done.stderr).into_owned()
}

async fn what_was_lost_comes_back_without_who_was_erased_since(mut crm: Crm) {
    given_a_history(&crm).await;
    let created_at = crm.get("/api/v1/contacts/1").await.good()["created_at"].clone();
    let told = crm.cli_good(&["backup", "backups"]);
    assert!(told.contains("commits are in backups"), "{told}");
    let before = seen(&crm).await;
    let told = crm.cli_good(&["erase", "contact-1", "--backup-dir", "backups"]);
    assert!(told.contains("noted in backups/erasures.jsonl"), "{told}");
    let somebody_is_here = refused(&crm, &["restore", "backups"]);
    let expected = if crm.nats().is_some() {
        "a backup is restored into an empty one"
    } else {
        "another rapport runs on data"
    };
    assert!(somebody_is_here.contains(expected), "{somebody_is_here}");

    crm.lose_everything().await;
    let told = crm.cli_good(&["restore", "backups"]);
    assert!(told.contains("1 people who were erased since"), "{told}");
    let again = refused(&crm, &["restore", "backups"]);
    assert!(again.contains("restored into an empty one"), "{again}");
    for process in crm.processes() {
        process.restart().await;
    }

    assert!(eventually(async || crm.get("/api/v1/contacts/2").await.status == 200).await);
    assert_eq!(seen(&crm).await, before);
    assert_eq!(crm.get("/api/v1/contacts/1").await.status, 404);
    let then = format!("/api/v1/contacts/1?as_of={}", created_at.as_str().unwrap());
    assert_eq!(crm.get(&then).await.good()["name"], "erased");
    crm.cli_good(&["events", "verify"]);
    assert_eq!(crm.given_a_lead().await, 2, "and it goes on");
    let shown = crm.cli_good(&["events", "show", "contact", "1"]);
    assert!(
        shown.contains("restore  {\"version\":1,\"type\":\"contact.erased\""),
        "{shown}"
    );

    named_nowhere(crm, &PERSON).await;
}

#[tokio::test]
async fn a_running_system_notes_who_is_erased_and_a_newer_backup_knows_it_too() {
    let mut crm = Crm::embedded_with(&[("BACKUP_DIR", "backups")]).await;
    given_a_history(&crm).await;
    let first: Value = serde_json::from_str(&crm.cli_good(&["backup", "--json"])).unwrap();
    crm.cli_good(&["erase", "contact-1", "--backup-dir", "elsewhere"]);
    let ledger = crm.folder().join("backups/erasures.jsonl");
    let noted = async || fs::read_to_string(&ledger).unwrap().contains("contact-1");
    assert!(eventually(noted).await, "by the running system");
    crm.cli_good(&["erase", "contact-2"]);
    let second: Value = serde_json::from_str(&crm.cli_good(&["backup", "--json"])).unwrap();
    assert_eq!(
        (&first["erased"], &second["erased"]),
        (&json!(0), &json!(2))
    );

    // The ledger is lost too, and an empty one is all that is left.
    crm.lose_everything().await;
    fs::write(&ledger, "").unwrap();
    let older = ["restore", "--backup", first["backup"].as_str().unwrap()];
    let told = crm.cli_good(&older);
    assert!(told.contains("2 people who were erased since"), "{told}");
    crm.last().restart().await;
    assert_eq!(crm.get("/api/v1/contacts").await.good(), json!([]));
    crm.cli_good(&["events", "verify"]);
}

/// The one file whose name begins like this.
fn file(folder: &Path, prefix: &str) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().flatten();
    let found = files.find(|file| file.file_name().to_string_lossy().starts_with(prefix));
    found.unwrap().path()
}

/// Lets the keys of the one backup in this folder have expired long ago.
fn expire(folder: &Path) {
    let (keys, manifest) = (file(folder, "keys-"), file(folder, "manifest-"));
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let then = json!("2026-01-01T00:00:00Z");
    let mut keyring = read(&keys);
    keyring["expires"] = then.clone();
    fs::write(&keys, keyring.to_string()).unwrap();
    let mut backup = read(&manifest)["backup"].take();
    backup["keys_expire"] = then;
    let part = &mut backup["files"][1];
    assert_eq!(part["kind"], "keys");
    let written = keyring.to_string();
    part["bytes"] = json!(written.len());
    part["sha256"] = json!(CommitHash::of(written.as_bytes()));
    let backup = backup.to_string();
    let sha256 = CommitHash::of(backup.as_bytes());
    let proven = format!("{{\"sha256\":\"{sha256}\",\"backup\":{backup}}}");
    fs::write(manifest, proven).unwrap();
}

#[tokio::test]
async fn what_is_not_whole_is_refused_before_anything_is_touched() {
    let mut crm = Crm::embedded().await;
    given_a_history(&crm).await;
    let told = crm.cli_good(&["backup", "backups", "--json"]);
    let first: Value = serde_json::from_str(&told).unwrap();
    let first = first["backup"].as_str().unwrap().to_owned();
    let (folder, data) = (crm.folder().join("backups"), crm.folder().join("data"));
    crm.lose_everything().await;
    let restore = |crm: &Crm| refused(crm, &["restore", "backups"]);

    for prefix in ["log-", "keys-", "manifest-"] {
        let path = file(&folder, prefix);
        let whole = fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        let digit = damaged.iter().rposition(u8::is_ascii_digit).unwrap();
        damaged[digit] ^= 1;
        fs::write(&path, damaged).unwrap();
        let told = restore(&crm);
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(told.contains(&format!("{name} was damaged")), "{told}");
        fs::write(&path, whole).unwrap();
    }
    for (hidden, reason) in [
        (
            "manifest-",
            "holds no whole backup: one that was interrupted",
        ),
        ("log-", "is missing"),
        ("erasures", "people who were erased would come back"),
    ] {
        let path = file(&folder, hidden);
        let aside = crm.folder().join("aside");
        fs::rename(&path, &aside).unwrap();
        let told = restore(&crm);
        assert!(told.contains(reason), "{told}");
        fs::rename(&aside, &path).unwrap();
    }
    let master = fs::read(data.join("master.key")).unwrap();
    fs::write(data.join("master.key"), "5a".repeat(32)).unwrap();
    let told = restore(&crm);
    assert!(
        told.contains("is not the one that these keys were wrapped with"),
        "{told}"
    );
    fs::remove_file(data.join("master.key")).unwrap();
    let told = restore(&crm);
    assert!(told.contains("a backup never has the master key"), "{told}");
    fs::write(data.join("master.key"), master).unwrap();
    assert_eq!(
        fs::read_dir(&data).unwrap().count(),
        1,
        "nothing was touched"
    );

    expire(&folder);
    let told = restore(&crm);
    assert!(told.contains("expired on 2026-01-01T00:00:00Z"), "{told}");
    crm.cli_good(&["restore", "backups", "--accept-expired-keys"]);
    crm.last().restart().await;
    let named = crm.get("/api/v1/contacts/1").await.good();
    assert_eq!(named["name"], PERSON[0]);
    let told = crm.cli_good(&["backup", "backups"]);
    assert!(told.contains("1 older files of keys had expired"), "{told}");
    crm.lose_everything().await;
    let told = refused(&crm, &["restore", "backups", "--backup", &first]);
    assert!(
        told.contains("and were deleted: restore a newer backup"),
        "{told}"
    );
    crm.cli_good(&["restore", "backups"]);
}
