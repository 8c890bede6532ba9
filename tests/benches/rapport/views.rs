//! Rebuild rate, dashboard latency, idle memory, time until ready.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::clock::Clock;
use domain::pipeline::built_in;
use journal::sqlite::SqliteJournal;
use journal::token::Token;
use journal::{Backend, Journal};
use projections::dashboard;
use projections::db::Db;
use projections::follower::Follower;
use projections::funnel;
use projections::period::When;
use projections::progress::Progress;
use projections::registry::Registry;
use projections::views::Views;
use stories::crm::Crm;
use stories::servers::{Folder, Postgres};

use crate::fill::{fill, moved, opened};
use crate::load::{Measured, measured};

/// Leads that the dashboard is measured with; the second is thirty times the first.
const LEADS: [u64; 2] = [10_000, 300_000];
const QUESTIONS: usize = 1000;

/// Measures and prints.
pub async fn measure() {
    let folder = Folder::new("bench");
    let journal = Journal::from(Backend::Sqlite(
        SqliteJournal::open(&folder.path().join("log.db")).expect("a log"),
    ));
    println!("Read models");
    let mut from = 0;
    for leads in LEADS {
        filled(&journal, from + 1..=leads).await;
        from = leads;
        let postgres = Postgres::start().await;
        let path = folder.path().join(format!("views-{leads}.db"));
        let sqlite = Db::sqlite(&path).expect("a file");
        let databases = [
            ("SQLite", sqlite),
            (
                "PostgreSQL",
                Db::postgres(&postgres.url()).expect("an address"),
            ),
        ];
        for (name, db) in databases {
            built_and_asked(&journal, db, &format!("{leads} leads, {name}")).await;
        }
    }
    process().await;
    println!();
}

/// Three events for every other lead, one for the rest.
async fn filled(journal: &Journal, leads: RangeInclusive<u64>) {
    let story = [
        vec![opened()],
        vec![moved(built_in::NEW, built_in::CONTACTED)],
        vec![moved(built_in::CONTACTED, built_in::QUALIFIED)],
    ];
    let commits = |lead| if lead % 2 == 0 { 3 } else { 1 };
    fill(journal, leads, |lead| &story[..commits(lead)]).await;
}

async fn built_and_asked(journal: &Journal, db: Db, what: &str) {
    let registry = Registry::open(db).await.expect("a registry");
    let progress = Progress::default();
    let follower = Follower::new(
        journal.clone(),
        registry.clone(),
        projections::screens(),
        progress.clone(),
        Clock::System,
        "bench",
    );
    let head = journal.heads().await.expect("heads")[0];
    let (follower, begun) = (Arc::new(follower), Instant::now());
    let running = {
        let follower = Arc::clone(&follower);
        tokio::spawn(async move { follower.run().await })
    };
    assert!(
        progress.wait("funnel", head, Duration::from_mins(10)).await,
        "it is built"
    );
    assert!(
        progress.wait("leads", head, Duration::from_mins(10)).await,
        "it is built"
    );
    let took = begun.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = head.sequence as f64 / took.as_secs_f64();
    println!(
        "{:<58} {rate:>10.0} events a second, all screens at once",
        format!("{what}, rebuild of {} events", head.sequence)
    );
    let reader =
        Views::new(registry, progress).reader(Token::try_new("main").expect("a token"), head);
    let tables: Vec<_> = built_in::ALL
        .into_iter()
        .filter_map(built_in::table)
        .collect();
    let which = funnel::Which {
        pipeline: built_in::sales_team(),
        when: When::default(),
        source: None,
        business_domain: None,
    };
    let (mut dashboards, mut funnels) = (Vec::new(), Vec::new());
    for _ in 0..QUESTIONS {
        let at = Instant::now();
        dashboard::read(&reader, &When::default(), &tables)
            .await
            .expect("a dashboard");
        dashboards.push(at.elapsed());
        let at = Instant::now();
        funnel::read(&reader, &which).await.expect("a funnel");
        funnels.push(at.elapsed());
    }
    told(&format!("{what}, dashboard"), &dashboards);
    told(&format!("{what}, conversion funnel"), &funnels);
    running.abort();
}

fn told(what: &str, took: &[Duration]) {
    let Measured { p50, p99, .. } = measured(took.to_vec(), took.iter().sum());
    println!("{what:<58} {:>10} {p50:>9.2?} {p99:>9.2?}", "p50, p99");
}

/// The embedded process: until it is ready, and what it holds when nothing happens.
async fn process() {
    let begun = Instant::now();
    let mut crm = Crm::demo().await;
    println!("{:<58} {:>10.2?}", "embedded, ready after", begun.elapsed());
    crm.given_a_lead().await;
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", crm.last().id())).unwrap_or_default();
    let resident = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or("VmRSS unknown");
    println!(
        "{:<58} {:>10}",
        "embedded, idle memory",
        resident.trim_start_matches("VmRSS:").trim()
    );
}
