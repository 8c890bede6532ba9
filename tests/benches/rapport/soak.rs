//! A million leads and five million events in one embedded process: memory, dashboards under load,
//! and how soon it serves after a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::lead::event::LeadEvent;
use domain::pipeline::built_in;
use journal::sqlite::SqliteJournal;
use journal::{Backend, Journal};
use stories::crm::Crm;

use crate::fill::{fill, moved, opened};
use crate::http::{connect, request};
use crate::load::{Measured, clients, head, measured, row};

const LEADS: u64 = 1_000_000;
/// How long dashboards are asked for while leads come in.
const UNDER_LOAD: Duration = Duration::from_secs(20);
/// Far more than it may take to read the log once.
const WITHIN: Duration = Duration::from_mins(10);

/// Measures and prints.
pub async fn measure() {
    println!("Soak: {LEADS} leads, five events each");
    let mut crm = Crm::embedded().await;
    crm.last().kill_hard();
    let begun = Instant::now();
    filled(&crm).await;
    told("the log was filled within", begun.elapsed());
    let begun = Instant::now();
    crm.last().restart().await;
    until_caught_up(&crm).await;
    told("the process has caught up within", begun.elapsed());
    let (asked, changed) = asked_under_load(&mut crm).await;
    head("");
    row("dashboard, 1 client", asked, None);
    row("change any lead, 4 clients beside it", changed, None);
    println!(
        "{:<58} {:>10}",
        "most memory since the start",
        held(&mut crm, "VmHWM")
    );
    crm.last().kill_hard();
    let begun = Instant::now();
    crm.last().restart().await;
    assert_eq!(crm.get("/api/v1/leads/1").await.status, 200);
    told(
        "killed and started again, a card is read after",
        begun.elapsed(),
    );
    println!("{:<58} {:>10}\n", "memory then", held(&mut crm, "VmRSS"));
}

/// Five events of each lead, in three commits.
async fn filled(crm: &Crm) {
    let log = SqliteJournal::open(&crm.folder().join("data/log.db")).expect("a log");
    let journal = Journal::from(Backend::Sqlite(log));
    let messages = |total| LeadEvent::MessagesRecorded {
        increment: 1,
        total,
    };
    let story = [
        vec![opened()],
        vec![moved(built_in::NEW, built_in::CONTACTED), messages(1)],
        vec![moved(built_in::CONTACTED, built_in::QUALIFIED), messages(2)],
    ];
    fill(&journal, 1..=LEADS, |_| &story).await;
}

async fn until_caught_up(crm: &Crm) {
    let begun = Instant::now();
    loop {
        let shown = crm.get("/api/v1/dashboard").await.body;
        let messages = shown["total_messages"].as_u64();
        if messages.is_some_and(|messages| messages >= 2 * LEADS) {
            return;
        }
        assert!(begun.elapsed() < WITHIN, "it catches up: {shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn asked_under_load(crm: &mut Crm) -> (Measured, Measured) {
    let key = crm.key().to_owned();
    let address = crm.last().url().replace("http://", "");
    let (talkers, screens) = (connect(&address, 4).await, connect(&address, 1).await);
    let ask = request(&key, "GET", "/api/v1/dashboard", "");
    let lead = Arc::new(AtomicU64::new(0));
    let changed = tokio::spawn(clients(4, UNDER_LOAD, move |client| {
        // One lead after another, far from each other.
        let lead = lead.fetch_add(7919, Ordering::Relaxed) % LEADS + 1;
        let path = format!("/api/v1/leads/{lead}/messages");
        let (talkers, change) = (
            Arc::clone(&talkers),
            request(&key, "POST", &path, r#"{"increment":1}"#),
        );
        async move {
            assert_eq!(
                talkers[client].lock().await.ask(change.as_bytes()).await,
                200
            );
        }
    }));
    let mut took = Vec::new();
    while !changed.is_finished() {
        let at = Instant::now();
        assert_eq!(screens[0].lock().await.ask(ask.as_bytes()).await, 200);
        took.push(at.elapsed());
    }
    (measured(took, UNDER_LOAD), changed.await.expect("the load"))
}

fn told(what: &str, took: Duration) {
    println!("{what:<58} {took:>10.2?}");
}

fn held(crm: &mut Crm, what: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", crm.last().id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    line.map_or_else(String::new, |held| {
        held.trim_start_matches(':').trim().to_owned()
    })
}
