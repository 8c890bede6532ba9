//! `kill -9` at any moment loses nothing that was acknowledged, and doubles nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::{Crm, with};
use tokio::sync::RwLock;

stories::on_both_profiles!(thirty_kills_under_load_lose_nothing_and_double_nothing);

const KILLS: u64 = 30;
const CLIENTS: u64 = 8;
/// A client that gets no answer asks again after this long.
const PAUSE: Duration = Duration::from_millis(20);

/// What clients were told, and when they may stop.
#[derive(Default)]
struct Told {
    answers: AtomicU64,
    done: AtomicBool,
}

async fn thirty_kills_under_load_lose_nothing_and_double_nothing(crm: Crm) {
    let (crm, told) = (Arc::new(RwLock::new(crm)), Arc::new(Told::default()));
    let clients =
        (0..CLIENTS).map(|client| tokio::spawn(work(client, Arc::clone(&crm), Arc::clone(&told))));
    let clients: Vec<_> = clients.collect();
    for kill in 0..KILLS {
        // A different moment each time: after so many answers, in the middle of the next ones.
        let goal = told.answers.load(Ordering::SeqCst) + 5 + kill * 7 % 23;
        let reached =
            stories::servers::eventually(async || told.answers.load(Ordering::SeqCst) >= goal)
                .await;
        assert!(reached, "no progress before kill {kill}");
        let mut crm = crm.write().await;
        let count = crm.count();
        let process = &mut crm.processes()[usize::try_from(kill).unwrap() % count];
        process.kill_hard();
        process.restart().await;
    }
    told.done.store(true, Ordering::SeqCst);
    let leads: HashMap<u64, u64> = join_all(clients)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    let crm = crm.read().await;
    compare_with_the_log(&crm, &leads);
    compare_with_the_views(&crm, &leads).await;
}

/// Opens leads and counts messages, each under a key of its own, until each was answered;
/// answers the messages of every lead it was told of.
async fn work(client: u64, crm: Arc<RwLock<Crm>>, told: Arc<Told>) -> Vec<(u64, u64)> {
    let mut leads = Vec::new();
    for round in 0.. {
        if told.done.load(Ordering::SeqCst) {
            break;
        }
        let key = |step: &str| format!("{client}-{round}-{step}");
        let lead = until_answered(
            &crm,
            &key("open"),
            "/api/v1/leads",
            &json!({ "source": "manual" }),
        )
        .await;
        assert_eq!(lead.status, 201, "{}", lead.text);
        let lead = lead.body["id"].as_u64().unwrap();
        let increment = client + round % 5 + 1;
        let path = format!("/api/v1/leads/{lead}/messages");
        let counted = until_answered(
            &crm,
            &key("count"),
            &path,
            &json!({ "increment": increment }),
        )
        .await;
        assert_eq!(
            (counted.status, &counted.body["message_count"]),
            (200, &json!(increment)),
            "{}",
            counted.text
        );
        told.answers.fetch_add(2, Ordering::SeqCst);
        leads.push((lead, increment));
    }
    leads
}

/// Sends the same request until it is answered, over whatever connection there is.
async fn until_answered(crm: &RwLock<Crm>, key: &str, path: &str, body: &Value) -> Answer {
    loop {
        let request =
            with(crm.read().await.request(Method::POST, path), body).header("Idempotency-Key", key);
        if let Ok(response) = request.send().await
            && let Ok(answer) = Answer::read(response).await
            && answer.status < 500
        {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn compare_with_the_log(crm: &Crm, leads: &HashMap<u64, u64>) {
    let verified = crm.cli_good(&["events", "verify"]);
    assert!(
        verified.contains("every one as it was written"),
        "{verified}"
    );
    let mut opened: HashMap<u64, u64> = HashMap::new();
    let mut counted: HashMap<u64, u64> = HashMap::new();
    for line in crm.cli_good(&["events", "export", "-"]).lines() {
        let commit: Value = serde_json::from_str(line).unwrap();
        let (Some("lead"), Ok(id)) = (
            commit["category"].as_str(),
            commit["id"].as_str().unwrap().parse(),
        ) else {
            continue;
        };
        for event in commit["events"].as_array().unwrap() {
            match event["type"].as_str().unwrap() {
                "lead.opened" => *opened.entry(id).or_default() += 1,
                "lead.messages_recorded" => {
                    *counted.entry(id).or_default() +=
                        event["payload"]["increment"].as_u64().unwrap();
                }
                other => panic!("nobody asked for {other}"),
            }
        }
    }
    assert_eq!(opened.len(), leads.len(), "as many leads as were told");
    assert!(opened.values().all(|times| *times == 1), "each opened once");
    assert_eq!(&counted, leads, "each message counted once");
}

async fn compare_with_the_views(crm: &Crm, leads: &HashMap<u64, u64>) {
    let dashboard = crm.get("/api/v1/dashboard").await.good();
    assert_eq!(dashboard["total_leads"], json!(leads.len()));
    assert_eq!(
        dashboard["total_messages"],
        json!(leads.values().sum::<u64>())
    );
    let funnel = crm.get("/api/v1/dashboard/conversion-funnel").await.good();
    assert_eq!(funnel["total"], json!(leads.len()));
    for (lead, messages) in leads {
        let card = crm.get(&format!("/api/v1/leads/{lead}")).await.good();
        assert_eq!(card["message_count"], json!(messages), "lead {lead}");
    }
}
