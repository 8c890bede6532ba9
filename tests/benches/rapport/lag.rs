//! How late a screen shows what a command has done, at a steady load.

use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::clock::Clock;
use commands::desk::Desk;
use commands::numbers::Allocator;
use domain::id::{LeadId, NumberKind};
use domain::lead::aggregate::Lead;
use futures::future::join_all;
use journal::nats::{NatsJournal, NatsOptions};
use journal::sqlite::SqliteJournal;
use journal::{Backend, Journal};
use projections::db::Db;
use projections::follower::Follower;
use projections::progress::Progress;
use projections::registry::Registry;
use stories::servers::{Folder, NatsServer, Postgres};

use crate::desks::{opened, origin};
use crate::load::{head, measured, row};

/// Commands a second.
const RATE: u32 = 2000;
/// Commands are sent in as many handfuls a second.
const HANDFULS: u32 = 200;
/// For how long.
const SECONDS: u32 = 10;
/// Far more than a screen may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Measures and prints.
pub async fn measure() {
    head(&format!("Lag at {RATE} commands a second"));
    let folder = Folder::new("bench");
    let log = SqliteJournal::open(&folder.path().join("log.db")).expect("a log");
    let views = Db::sqlite(&folder.path().join("views.db")).expect("a file");
    lag("embedded", Backend::Sqlite(log).into(), views).await;
    let (nats, postgres) = (NatsServer::start().await, Postgres::start().await);
    let options = NatsOptions {
        monitor_url: Some(nats.monitor_url()),
        ..NatsOptions::new(nats.url())
    };
    let log = NatsJournal::connect(options).await.expect("NATS");
    let views = Db::postgres(&postgres.url()).expect("an address");
    lag(
        "NATS (sync always) + PostgreSQL",
        Backend::Nats(log).into(),
        views,
    )
    .await;
    println!();
}

async fn lag(what: &str, journal: Journal, db: Db) {
    let registry = Registry::open(db).await.expect("a registry");
    let progress = Progress::default();
    let follower = Follower::new(
        journal.clone(),
        registry,
        projections::screens(),
        progress.clone(),
        Clock::System,
        "bench",
    );
    let following = tokio::spawn(async move { follower.run().await });
    let desk = Desk::local(journal, Clock::System);
    let numbers = Allocator::new(desk.clone());
    let lead = Arc::new(async move |asked: Instant| {
        let origin = origin();
        let number = numbers.next(NumberKind::Lead, &origin).await;
        let id = LeadId(number.expect("a number"));
        let lead = desk.open::<Lead>(id, opened(), &origin).await;
        let position = lead.expect("a lead").position();
        let (answered, done) = (asked.elapsed(), Instant::now());
        let shown = progress.wait("leads", position, WITHIN).await;
        assert!(shown, "it is shown");
        (answered, done.elapsed())
    });
    lead(Instant::now()).await;
    let begun = Instant::now();
    let mut every = tokio::time::interval(Duration::from_secs(1) / HANDFULS);
    let mut sent = Vec::new();
    for _ in 0..SECONDS * HANDFULS {
        every.tick().await;
        for _ in 0..RATE / HANDFULS {
            let lead = Arc::clone(&lead);
            sent.push(tokio::spawn(async move { lead(Instant::now()).await }));
        }
    }
    let took = join_all(sent).await;
    let all = begun.elapsed();
    let took = took.into_iter().map(|took| took.expect("a command"));
    let (answered, shown) = took.unzip();
    row(
        &format!("{what}, answered after"),
        measured(answered, all),
        None,
    );
    row(
        &format!("{what}, shown after the answer"),
        measured(shown, all),
        None,
    );
    following.abort();
}
