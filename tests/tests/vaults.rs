//! The log knows its vault of keys: another one, an empty one or an older copy is refused in a sentence,
//! and nobody reads "erased" who was not erased.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use stories::crm::Crm;

/// What a command says that must be refused.
fn refused(crm: &Crm, arguments: &[&str]) -> String {
    let done = crm.cli(arguments);
    assert!(!done.status.success(), "{arguments:?} must be refused");
    said(&done)
}

fn said(done: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&done.stdout), text(&done.stderr))
}

/// A process that must not start, and what it says.
async fn does_not_start(crm: &mut Crm) -> String {
    let started = crm.last().restarts().await;
    assert!(!started, "it must not start");
    crm.last().said()
}

/// A contact; its number.
async fn named(crm: &Crm, name: &str) -> u64 {
    let person = json!({ "name": name });
    let made = crm.post("/api/v1/contacts", person).await.good();
    made["id"].as_u64().unwrap()
}

/// The one file whose name begins like this, and the last of several.
fn file(folder: &Path, prefix: &str) -> PathBuf {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(prefix)
        })
        .collect();
    found.sort();
    found.pop().unwrap()
}

/// How a contact's name reads when it is read from the log again.
async fn replayed(crm: &Crm, contact: u64) -> Value {
    let card = crm.get(&format!("/api/v1/contacts/{contact}")).await.good();
    let at = card["updated_at"].as_str().unwrap().to_owned();
    crm.get(&format!("/api/v1/contacts/{contact}?as_of={at}"))
        .await
        .good()["name"]
        .clone()
}

#[tokio::test]
async fn a_vault_that_is_gone_or_another_is_refused_and_nothing_is_made() {
    let mut crm = Crm::embedded().await;
    named(&crm, "Olena").await;
    assert!(crm.last().stop());
    let data = crm.folder().join("data");
    let (vault, aside) = (data.join("vault.db"), data.join("vault.aside"));
    fs::rename(&vault, &aside).unwrap();

    let told = does_not_start(&mut crm).await;
    assert!(told.contains("the vault of keys is empty"), "{told}");
    for tool in [&["doctor"][..], &["events", "verify"], &["backup", "b"]] {
        let told = refused(&crm, tool);
        assert!(told.contains("the vault of keys is empty"), "{told}");
    }
    // That of another Rapport, under the same master key.
    fs::remove_file(&vault).unwrap();
    let master = crm.master_key();
    let mut other = Crm::embedded_with(&[("RAPPORT_MASTER_KEY", &master)]).await;
    named(&other, "Oleh").await;
    assert!(other.last().stop());
    fs::copy(other.folder().join("data/vault.db"), &vault).unwrap();
    let told = does_not_start(&mut crm).await;
    assert!(
        told.contains("the log belongs to the vault") && told.contains("and this is"),
        "{told}"
    );

    fs::rename(&aside, &vault).unwrap();
    crm.last().restart().await;
    assert_eq!(replayed(&crm, 1).await, "Olena");
    crm.cli_good(&["doctor"]);
}

#[tokio::test]
async fn a_log_that_is_gone_is_not_begun_anew_beside_its_vault() {
    let mut crm = Crm::embedded().await;
    named(&crm, "Olena").await;
    assert!(crm.last().stop());
    crm.last().restart().await;
    assert!(crm.last().stop());
    let data = crm.folder().join("data");
    for entry in fs::read_dir(&data).unwrap().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("log.db") || name.starts_with("views.db") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    let told = does_not_start(&mut crm).await;
    assert!(told.contains("log.db is missing from data"), "{told}");
    assert!(!data.join("log.db").exists());
}

#[tokio::test]
async fn an_older_vault_is_refused_until_somebody_gives_up_what_it_lacks() {
    let mut crm = Crm::embedded().await;
    let olena = named(&crm, "Olena").await;
    let zinaida = named(&crm, "Zinaida").await;
    let path = format!("/api/v1/contacts/{zinaida}");
    let erased_at = crm.get(&path).await.good()["updated_at"].clone();
    assert!(crm.last().stop());
    let data = crm.folder().join("data");
    let (vault, older) = (data.join("vault.db"), crm.folder().join("older.db"));
    fs::copy(&vault, &older).unwrap();
    crm.last().restart().await;
    crm.cli_good(&["erase", &format!("contact-{zinaida}")]);
    let oksana = named(&crm, "Oksana").await;
    assert!(crm.last().stop());
    let newer = crm.folder().join("newer.db");
    fs::rename(&vault, &newer).unwrap();
    fs::copy(&older, &vault).unwrap();

    let told = does_not_start(&mut crm).await;
    assert!(
        told.contains(&format!("the keys of 1 people (contact-{oksana} of main)")),
        "{told}"
    );
    let told = refused(&crm, &["keys", "verify"]);
    assert!(
        told.contains(&format!("contact-{oksana} of main")),
        "{told}"
    );
    let told = crm.cli_good(&["keys", "verify", "--accept-missing"]);
    assert!(told.contains("are given up"), "{told}");
    crm.last().restart().await;
    assert!(crm.last().said().contains("are lost"), "said at each start");
    assert_eq!(replayed(&crm, olena).await, "Olena");
    let then = format!("{path}?as_of={}", erased_at.as_str().unwrap());
    assert_eq!(
        crm.get(&then).await.good()["name"],
        "erased",
        "the old copy had the key"
    );
    let change = json!({ "note": "no new key is made for her" });
    let changed = crm
        .patch(&format!("/api/v1/contacts/{oksana}"), change)
        .await;
    assert!(changed.status >= 500, "{changed:?}");
    assert!(crm.last().stop());

    // Her key comes back with an export of the newer vault.
    fs::rename(&vault, crm.folder().join("accepted.db")).unwrap();
    fs::copy(&newer, &vault).unwrap();
    let told = does_not_start(&mut crm).await;
    assert!(told.contains("an older copy"), "{told}");
    crm.cli_good(&["keys", "export", "keys.json"]);
    fs::rename(crm.folder().join("accepted.db"), &vault).unwrap();
    crm.cli_good(&["keys", "import", "keys.json"]);
    crm.last().restart().await;
    // A screen that had not shown her before her key was lost has parked her, as doctor says.
    crm.cli_good(&["projections", "rebuild", "contacts"]);
    assert_eq!(replayed(&crm, oksana).await, "Oksana");
    assert_eq!(crm.get(&then).await.good()["name"], "erased");
    crm.cli_good(&["events", "verify"]);
}

#[tokio::test]
async fn a_log_is_imported_only_with_its_keys() {
    let mut from = Crm::embedded().await;
    named(&from, "Olena").await;
    assert!(from.last().stop());
    from.cli_good(&["events", "export", "log.jsonl"]);
    from.cli_good(&["keys", "export", "keys.json"]);
    let master = from.master_key();

    let mut crm = Crm::embedded_with(&[("RAPPORT_MASTER_KEY", &master)]).await;
    assert!(crm.last().stop());
    for name in ["log.jsonl", "keys.json"] {
        fs::copy(from.folder().join(name), crm.folder().join(name)).unwrap();
    }
    let anew = |crm: &Crm| {
        fs::remove_dir_all(crm.folder().join("data")).unwrap();
        fs::create_dir(crm.folder().join("data")).unwrap();
    };
    anew(&crm);
    let told = refused(&crm, &["events", "import", "log.jsonl"]);
    assert!(told.contains("rapport keys import them first"), "{told}");
    assert_eq!(fs::read_dir(crm.folder().join("data")).unwrap().count(), 0);
    // A vault of its own is no better.
    let _ = crm.new_key("main", "owner");
    let told = refused(&crm, &["events", "import", "log.jsonl"]);
    assert!(
        told.contains("this log was sealed with the keys of"),
        "{told}"
    );
    anew(&crm);
    crm.cli_good(&["keys", "import", "keys.json"]);
    crm.cli_good(&["events", "import", "log.jsonl"]);
    crm.cli_good(&["events", "import", "log.jsonl"]);
    crm.cli_good(&["events", "verify"]);
    crm.policies_start_now();
    crm.cli_good(&["doctor"]);
}

#[tokio::test]
async fn keys_are_not_wrapped_anew_under_a_running_process() {
    let mut crm = Crm::embedded().await;
    let olena = named(&crm, "Olena").await;
    let told = refused(&crm, &["keys", "rotate"]);
    assert!(told.contains("another rapport runs on data"), "{told}");
    let oksana = named(&crm, "Oksana").await;
    assert!(crm.last().stop());
    crm.cli_good(&["keys", "rotate"]);
    crm.last().restart().await;
    for (number, name) in [(olena, "Olena"), (oksana, "Oksana")] {
        assert_eq!(replayed(&crm, number).await, name);
    }
}

#[tokio::test]
async fn a_cluster_that_was_not_stopped_makes_no_key_under_the_old_master_key() {
    let mut crm = Crm::cluster().await;
    named(&crm, "Olena").await;
    let new = "7b".repeat(32);
    let rotated = crm.cli_with(&[("RAPPORT_NEW_MASTER_KEY", &new)], &["keys", "rotate"]);
    assert!(rotated.status.success(), "{}", said(&rotated));
    let refused = crm
        .post("/api/v1/contacts", json!({ "name": "Oksana" }))
        .await;
    assert!(refused.status >= 500, "{refused:?}");
    crm.set("RAPPORT_MASTER_KEY", &new);
    for process in crm.processes() {
        process.restart().await;
    }
    named(&crm, "Oksana").await;
    assert_eq!(replayed(&crm, 1).await, "Olena");
}

/// `ops/deploy/README.md`, "PostgreSQL", word for word.
#[tokio::test]
async fn postgresql_is_lost_and_comes_back_from_the_newest_backup() {
    let mut crm = Crm::cluster().await;
    let olena = named(&crm, "Olena").await;
    let zinaida = named(&crm, "Zinaida").await;
    let oksana = named(&crm, "Oksana").await;
    let (her, oksanas) = (
        format!("/api/v1/contacts/{zinaida}"),
        format!("/api/v1/contacts/{oksana}"),
    );
    let erased_at = crm.get(&her).await.good()["updated_at"].clone();
    crm.given_a_transferred_lead(10).await;
    crm.cli_good(&["backup", "backups"]);
    crm.cli_good(&[
        "erase",
        &format!("contact-{zinaida}"),
        "--backup-dir",
        "backups",
    ]);
    let before = crm.get("/api/v1/sales/1").await.good();

    // Start an empty one.
    crm.postgres().unwrap().lose_everything().await;
    let count = crm.count();
    for number in 0..count {
        let process = &mut crm.processes()[number];
        assert!(!process.restarts().await, "process {number} must not start");
        let told = process.said();
        assert!(
            told.contains("the vault of keys is empty") && told.contains("rapport keys import"),
            "{told}"
        );
    }
    let told = refused(&crm, &["doctor"]);
    assert!(told.contains("the vault of keys is empty"), "{told}");
    let told = refused(&crm, &["keys", "create", "again", "--role", "owner"]);
    assert!(told.contains("the vault of keys is empty"), "{told}");

    // rapport keys import backups/keys-….json
    let keys = file(&crm.folder().join("backups"), "keys-");
    crm.cli_good(&["keys", "import", keys.to_str().unwrap()]);
    for process in crm.processes() {
        process.restart().await;
    }
    let there = async || crm.get(&oksanas).await.status == 200;
    assert!(stories::servers::eventually(there).await);
    assert_eq!(replayed(&crm, olena).await, "Olena");
    assert_eq!(replayed(&crm, oksana).await, "Oksana");
    assert_eq!(crm.get("/api/v1/sales/1").await.good(), before);
    assert_eq!(crm.get(&her).await.status, 404);
    let then = format!("{her}?as_of={}", erased_at.as_str().unwrap());
    assert_eq!(crm.get(&then).await.good()["name"], "erased");
    crm.cli_good(&["events", "verify"]);
    crm.cli_good(&["doctor"]);
    // Who comes after the newest backup is lost with PostgreSQL, and only who comes after it.
    let oleh = named(&crm, "Oleh").await;
    crm.postgres().unwrap().lose_everything().await;
    let told = refused(&crm, &["keys", "import", keys.to_str().unwrap()]);
    assert!(
        told.contains(&format!("1 people (contact-{oleh} of main)"))
            && told.contains("--accept-missing"),
        "{told}"
    );
    let accepted = ["keys", "import", keys.to_str().unwrap(), "--accept-missing"];
    crm.cli_good(&accepted);
    for process in crm.processes() {
        process.restart().await;
    }
    let there = async || crm.get(&oksanas).await.status == 200;
    assert!(stories::servers::eventually(there).await);
    assert_eq!(replayed(&crm, olena).await, "Olena");
}

#[tokio::test]
async fn the_vault_may_live_apart_from_the_read_models() {
    let apart = stories::servers::Postgres::start().await;
    let mut crm = Crm::cluster_with(&[("VAULT_URL", &apart.url())]).await;
    let olena = named(&crm, "Olena").await;
    // The read models are lost, and nothing else.
    crm.postgres().unwrap().lose_everything().await;
    for process in crm.processes() {
        process.restart().await;
    }
    let there = async || crm.get("/api/v1/contacts/1").await.status == 200;
    assert!(stories::servers::eventually(there).await);
    assert_eq!(replayed(&crm, olena).await, "Olena");
}
