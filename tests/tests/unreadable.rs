//! A commit that nobody can read stops its own record, visibly, and nothing else.

use std::process::Output;

use journal::envelope::{CommitHash, Sealed};
use journal::nats::{NatsJournal, NatsOptions, SigningKey};
use journal::token::StreamId;
use journal::{Backend, Journal};
use reqwest::Method;
use serde_json::json;
use stories::crm::Crm;
use stories::servers::eventually;

/// The commit of the lead that is spoilt, and what tells of it.
struct Spoilt {
    lead: u64,
    position: String,
}

fn junk() -> Vec<u8> {
    (0..=255).rev().cycle().take(300).collect()
}

/// In place of the lead's last commit, as a disk would do it.
async fn spoil_the_file(crm: &mut Crm, lead: u64) -> String {
    assert!(crm.last().stop());
    let file = rusqlite::Connection::open(crm.folder().join("data/log.db")).unwrap();
    let position: i64 = file
        .query_row(
            "SELECT MAX(position) FROM commits WHERE stream = ?1",
            [format!("main.lead.{lead}")],
            |row| row.get(0),
        )
        .unwrap();
    file.execute_batch("DROP TRIGGER commits_are_never_changed")
        .unwrap();
    file.execute(
        "UPDATE commits SET body = ?1 WHERE position = ?2",
        rusqlite::params![junk(), position],
    )
    .unwrap();
    drop(file);
    // The read models are built anew from such a log.
    for name in ["views.db", "views.db-wal", "views.db-shm"] {
        let _ = std::fs::remove_file(crm.folder().join("data").join(name));
    }
    crm.last().restart().await;
    format!("0:{position}")
}

/// Behind the lead's last commit, signed as `commands` does it: so it was ours, and is readable no more.
async fn spoil_nats(crm: &mut Crm, lead: u64) -> String {
    let nats = crm.nats().unwrap();
    let options = NatsOptions {
        monitor_url: Some(nats.monitor_url()),
        signing_key: Some(SigningKey::try_new(&[0x6b; 32]).unwrap()),
        ..NatsOptions::new(nats.url())
    };
    let log = Journal::from(Backend::Nats(NatsJournal::connect(options).await.unwrap()));
    let stream = StreamId::try_new("main", "lead", &lead.to_string()).unwrap();
    let held = log.load(&stream, 0).await.unwrap();
    let junk = Sealed {
        hash: CommitHash::of(&junk()),
        bytes: junk(),
        commit_id: commands::clock::fresh_id(),
        stream,
        first_version: 3,
        is_authentic: true,
    };
    let last = held.last().unwrap().position();
    log.append(junk, last.sequence).await.unwrap().to_string()
}

fn said(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(error)
}

async fn everything_else_goes_on(crm: &mut Crm, spoilt: &Spoilt) {
    let Spoilt { lead, position } = spoilt;
    // Changes and screens of other records.
    let other = crm.given_a_lead_in(&["contacted"]).await;
    let shown = crm.get(&format!("/api/v1/leads/{other}")).await.good();
    assert_eq!(shown["stage"], "contacted");
    let path = format!("/api/v1/leads/{lead}/messages");
    let refused = crm.post(&path, json!({ "increment": 1 })).await;
    assert_eq!(refused.status, 500, "{}", refused.text);
    assert_eq!(refused.body["type"], "/problems/unreadable");
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains(position), "{detail}");
    // It is named: on the probe, in metrics, by the doctor and by verify.
    let probe = crm.request(Method::GET, "/ready");
    let ready = crm.send(probe).await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    let told = async || {
        let (mut parked, mut counted) = (false, false);
        for process in 0..crm.count() {
            let probe = crm
                .send(crm.request_to(process, Method::GET, "/ready"))
                .await;
            parked |=
                probe.text.contains(&format!("main.lead.{lead}")) && probe.text.contains(position);
            let metrics = crm
                .send(crm.request_to(process, Method::GET, "/metrics"))
                .await;
            counted |= metrics
                .text
                .contains("rapport_log_unreadable_total{kind=\"undecodable\"} 1");
        }
        parked && counted
    };
    assert!(eventually(told).await, "{}", crm.get("/ready").await.text);
    let doctor = crm.cli(&["doctor"]);
    let text = said(&doctor);
    assert!(
        !doctor.status.success() && text.contains(position),
        "{text}"
    );
    assert!(
        text.contains("rapport events verify"),
        "it says what to do: {text}"
    );
    let verified = crm.cli(&["events", "verify"]);
    let text = said(&verified);
    assert!(
        !verified.status.success() && text.contains(position),
        "{text}"
    );
    // What is there can be taken elsewhere, byte for byte.
    let exported = crm.cli_good(&["events", "export", "-"]);
    assert!(exported.contains("\"unreadable\":{"), "{exported}");
    let timeline = crm
        .get(&format!("/api/v1/leads/{lead}/timeline"))
        .await
        .good();
    let last = timeline.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["event"], &last["position"]),
        (&json!("unreadable"), &json!(position))
    );
}

#[tokio::test]
async fn junk_in_the_file_stops_one_lead() {
    let mut crm = Crm::embedded().await;
    let lead = crm.given_a_lead_in(&["contacted"]).await;
    let position = spoil_the_file(&mut crm, lead).await;
    let spoilt = Spoilt { lead, position };
    everything_else_goes_on(&mut crm, &spoilt).await;
    it_is_put_into_quarantine(&mut crm, &spoilt).await;
}

#[tokio::test]
async fn junk_in_nats_stops_one_lead() {
    let mut crm = Crm::cluster().await;
    let lead = crm.given_a_lead_in(&["contacted"]).await;
    let position = spoil_nats(&mut crm, lead).await;
    let spoilt = Spoilt { lead, position };
    everything_else_goes_on(&mut crm, &spoilt).await;
    it_is_put_into_quarantine(&mut crm, &spoilt).await;
}

/// Behind a repair, the record goes on without what nobody can read, and nothing complains any more.
async fn it_is_put_into_quarantine(crm: &mut Crm, spoilt: &Spoilt) {
    let Spoilt { lead, position } = spoilt;
    let readable = crm.cli(&["events", "quarantine", "0:1"]);
    assert!(!readable.status.success(), "what can be read stays");
    crm.cli_good(&["events", "quarantine", position]);
    let verified = crm.cli_good(&["events", "verify"]);
    assert!(
        verified.contains(position) && verified.contains("quarantine"),
        "{verified}"
    );
    for process in crm.processes() {
        assert!(process.stop());
        process.restart().await;
    }
    for screen in ["leads", "funnel", "reports"] {
        crm.cli_good(&["projections", "rebuild", screen]);
    }
    let path = format!("/api/v1/leads/{lead}/messages");
    crm.post(&path, json!({ "increment": 1 })).await.good();
    let shown = crm.get(&format!("/api/v1/leads/{lead}")).await.good();
    assert_eq!(shown["message_count"], 1, "{shown}");
    // Policies come back to the lead by themselves.
    let well = eventually(async || crm.cli(&["doctor"]).status.success());
    assert!(well.await, "{:?}", crm.cli(&["doctor"]));
}
