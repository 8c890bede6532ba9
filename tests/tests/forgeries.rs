//! Who may ask may not append: a reply subject, a consumer or an ask that points at the log makes no
//! key, stops no reader, and fails no check.
//!
//! Once on the accounts of `ops/deploy/nats.conf`, where nothing of it lands in the log, and once in a
//! single account, where all of it lands and nothing is believed.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap};
use journal::envelope::CommitHash;
use reqwest::Method;
use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::{NatsServer, eventually};

/// A single account, with the permissions that each role needs there.
const ONE_ACCOUNT: &str = r#"
READS = ["$JS.API.STREAM.INFO.*", "$JS.API.DIRECT.GET.*", "$JS.API.DIRECT.GET.*.>", "$JS.API.STREAM.MSG.GET.*", "$JS.API.CONSUMER.CREATE.>", "$JS.FC.>"]
authorization {
  users: [
    { user: commands, password: commands, permissions {
        publish { allow: ["rapport.ev.>", "rapport.snap.>", "rapport.claim._system.*", "$JS.API.>"] }
        allow_responses: { max: 1, expires: "1m" }
        subscribe { allow: ["rapport.cmd.* desks", "_INBOX.>"] } } }
    { user: api, password: api, permissions {
        publish { allow: ["rapport.cmd.*", "rapport.claim.*.*", "$JS.API.STREAM.INFO.*", "$JS.API.DIRECT.GET.>", "$JS.API.STREAM.MSG.GET.*"] }
        subscribe { allow: ["_INBOX.>"] } } }
    { user: projections, password: projections, permissions {
        publish { allow: $READS }
        subscribe { allow: ["_INBOX.>"] } } }
  ]
}
"#;
const ROLES: &[(&str, &str)] = &[
    ("commands", "commands"),
    ("projections", "projections"),
    ("api", "api"),
];
/// What JetStream's services start with, in one account and behind the wall.
const SERVICES: [&str; 2] = ["$JS.API", "rapport.js"];
const SECRET: &str = "rk_main_80_00000000000000000000000000000000000000000000000000000000000000ff";

async fn connected(nats: &NatsServer, user: &str) -> Client {
    let options = ConnectOptions::with_user_and_password(user.into(), user.into());
    options.connect(nats.url()).await.unwrap()
}

/// The last sequence of the log.
async fn last(nats: &NatsServer) -> u64 {
    let commands = connected(nats, "commands").await;
    let info = commands.request("$JS.API.STREAM.INFO.RAPPORT_EVENTS_0", "".into());
    let info: Value = serde_json::from_slice(&info.await.unwrap().payload).unwrap();
    info["state"]["last_seq"].as_u64().unwrap()
}

/// A commit that makes an owner's key.
fn forged_key() -> String {
    let length = (SECRET.len() as u64).to_le_bytes();
    let hash = CommitHash::of(&[&length[..], SECRET.as_bytes()].concat()).to_string();
    let payload = json!({ "name": "forged", "role": "owner", "hash": hash });
    json!({
        "commit_id": "018f0000-0000-7000-8000-000000000001", "workspace": "main", "category": "key", "id": "80",
        "first_version": 1, "events": [{ "version": 1, "type": "key.issued", "payload": payload }],
        "actor": "cli", "command": "issue", "correlation": "018f0000-0000-7000-8000-000000000001",
        "at": "2026-01-01T00:00:00Z"
    })
    .to_string()
}

/// A claim that `DIRECT.GET` answers with, as a commit for the subject that the reply names.
async fn through_a_claim(nats: &NatsServer) {
    let (api, claim) = (connected(nats, "api").await, "rapport.claim.main.forged");
    let target = "rapport.ev.0.main.key.80";
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("Nats-Stream", "RAPPORT_EVENTS_0".to_owned()),
        ("Nats-Subject", target.to_owned()),
        ("Nats-Sequence", (last(nats).await + 1).to_string()),
        ("Nats-Last-Sequence", "1".to_owned()),
    ] {
        headers.insert(name, value);
    }
    let body = forged_key().into();
    api.request_with_headers(claim, headers, body)
        .await
        .unwrap();
    let ask = json!({ "last_by_subj": claim }).to_string();
    for services in SERVICES {
        let get = format!("{services}.DIRECT.GET.RAPPORT_CLAIMS");
        api.publish_with_reply(get, target, ask.clone().into())
            .await
            .unwrap();
    }
    api.flush().await.unwrap();
}

/// The answers of `STREAM.INFO`, garbage and an error's status, on the subject of a lead that is in use.
async fn through_answers(nats: &NatsServer, lead: u64) {
    let projections = connected(nats, "projections").await;
    let target = format!("rapport.ev.0.main.lead.{lead}");
    for services in SERVICES {
        for (service, ask) in [
            ("STREAM.INFO.RAPPORT_SNAPSHOTS", json!(null)),
            (
                "DIRECT.GET.RAPPORT_SNAPSHOTS",
                json!({ "seq": 1, "batch": 3 }),
            ),
            // What was signed, once more: on its own subject and on others.
            (
                "DIRECT.GET.RAPPORT_EVENTS_0",
                json!({ "seq": 1, "batch": 50 }),
            ),
            // An answer that is a status and nothing else.
            (
                "DIRECT.GET.RAPPORT_EVENTS_0",
                json!({ "seq": 1_000_000_000 }),
            ),
            ("STREAM.MSG.GET.RAPPORT_EVENTS_0", json!({ "seq": 1 })),
        ] {
            let subject = format!("{services}.{service}");
            let ask = if ask.is_null() {
                String::new()
            } else {
                ask.to_string()
            };
            let sent = projections.publish_with_reply(subject, target.clone(), ask.into());
            sent.await.unwrap();
        }
    }
    projections.flush().await.unwrap();
}

/// A consumer of the claims that delivers into the log.
async fn through_a_consumer(nats: &NatsServer) {
    let projections = connected(nats, "projections").await;
    let config = json!({
        "deliver_subject": "rapport.ev.0.main.key.81", "deliver_policy": "all", "ack_policy": "none",
    });
    let ask = json!({ "stream_name": "RAPPORT_CLAIMS", "config": config }).to_string();
    for services in SERVICES {
        let create = format!("{services}.CONSUMER.CREATE.RAPPORT_CLAIMS");
        // Refused behind the wall, at once or by silence.
        let asked = projections.request(create, ask.clone().into());
        drop(tokio::time::timeout(Duration::from_secs(1), asked).await);
    }
}

/// The answer of `commands` to an ask.
async fn through_an_ask(nats: &NatsServer) {
    let api = connected(nats, "api").await;
    let sent = api.publish_with_reply("rapport.cmd.lead", "rapport.ev.0.main.key.82", "{}".into());
    sent.await.unwrap();
    api.flush().await.unwrap();
}

async fn attack(crm: &mut Crm, lead: u64) {
    let nats = crm.nats().unwrap();
    through_a_claim(nats).await;
    through_answers(nats, lead).await;
    through_a_consumer(nats).await;
    through_an_ask(nats).await;
}

/// No key, no stop, no complaint, on processes that were there and on new ones.
async fn nothing_came_of_it(crm: &mut Crm, lead: u64) {
    let asked = crm.request_as(2, SECRET, Method::GET, "/api/v1/leads");
    assert_eq!(
        crm.send(asked).await.status,
        401,
        "a forged key opens nothing"
    );
    for round in 0..2 {
        crm.move_along(
            &format!("leads/{lead}"),
            [&["contacted"], &["qualified"]][round],
        )
        .await;
        let other = crm.given_a_lead().await;
        let shown = crm.get(&format!("/api/v1/leads/{other}")).await.good();
        assert_eq!(shown["stage"], "new");
        let asked = crm.request_as(2, SECRET, Method::GET, "/api/v1/leads");
        assert_eq!(crm.send(asked).await.status, 401);
        crm.cli_good(&["events", "verify"]);
        crm.cli_good(&["doctor"]);
        if round == 0 {
            for process in crm.processes() {
                assert!(process.stop());
                process.restart().await;
            }
        }
    }
    // A read model that is built anew reads all of it.
    crm.cli_good(&["projections", "rebuild", "leads"]);
    assert_eq!(
        crm.get(&format!("/api/v1/leads/{lead}")).await.good()["stage"],
        "qualified"
    );
}

#[tokio::test]
async fn nothing_lands_in_the_log_behind_the_wall() {
    let nats = NatsServer::start_deployed().await;
    let mut crm = Crm::cluster_of_users(nats, ROLES).await;
    let lead = crm.given_a_lead().await;
    let before = last(crm.nats().unwrap()).await;
    attack(&mut crm, lead).await;
    // An ask that is answered by now says that the attacks before it have been heard.
    crm.get("/api/v1/leads/1").await.good();
    assert_eq!(last(crm.nats().unwrap()).await, before);
    nothing_came_of_it(&mut crm, lead).await;
}

#[tokio::test]
async fn what_lands_in_the_log_of_one_account_is_not_believed() {
    let nats = NatsServer::start_for(ONE_ACCOUNT).await;
    let mut crm = Crm::cluster_of_users(nats, ROLES).await;
    let lead = crm.given_a_lead().await;
    let before = last(crm.nats().unwrap()).await;
    attack(&mut crm, lead).await;
    let nats = crm.nats().unwrap();
    let landed = eventually(async || last(nats).await >= before + 5).await;
    assert!(landed, "the attack itself works");
    nothing_came_of_it(&mut crm, lead).await;
    let verified = crm.cli_good(&["events", "verify", "--json"]);
    let verified: Value = serde_json::from_str(&verified).unwrap();
    let notes = verified["notes"].as_array().unwrap();
    assert!(notes.len() >= 5, "each is named: {verified}");
    assert!(
        notes[0].as_str().unwrap().contains("passes it over"),
        "{verified}"
    );
}
