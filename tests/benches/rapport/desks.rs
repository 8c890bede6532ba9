//! Commands in process, raw JetStream appends, and the cqrs-es + postgres-es peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::HeaderMap;
use async_nats::jetstream;
use commands::clock::Clock;
use commands::desk::Desk;
use commands::numbers::Allocator;
use commands::origin::Origin;
use domain::id::{LeadId, NumberKind};
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::details::Edit;
use domain::lead::source::LeadSource;
use domain::pipeline::built_in;
use domain::pipeline::table::Place;
use journal::nats::{NatsJournal, NatsOptions};
use journal::sqlite::SqliteJournal;
use journal::token::Token;
use journal::{Backend, Journal};
use stories::servers::{Folder, NatsServer, Postgres};

use crate::FOR;
use crate::load::{Measured, clients, head, row};

const CLIENTS: [usize; 3] = [1, 32, 128];

/// Opens a lead.
pub fn opened() -> LeadCommand {
    LeadCommand::Open {
        source: LeadSource::Partner,
        business_domain: None,
        contact: None,
        edit: Edit::default(),
        begins: Place::of_a_lead(),
    }
}

/// Asked for by this benchmark.
pub fn origin() -> Origin {
    Origin::new(Token::try_new("main").expect("a token"), "bench")
}

/// Measures and prints.
pub async fn measure() {
    let postgres = Postgres::start().await;
    let nats = NatsServer::start().await;
    head("In process");
    let peer = peer(&postgres).await;
    for (count, peer) in CLIENTS.iter().zip(&peer) {
        row(
            &format!("cqrs-es + postgres-es, create, {count} clients"),
            *peer,
            None,
        );
    }
    let raw = raw(&nats).await;
    for (count, raw) in CLIENTS.iter().zip(&raw) {
        row(
            &format!("raw JetStream appends, expected sequence, {count} clients"),
            *raw,
            None,
        );
    }
    let folder = Folder::new("bench");
    let sqlite =
        Backend::Sqlite(SqliteJournal::open(&folder.path().join("log.db")).expect("a log")).into();
    desk("embedded (SQLite, synchronous=FULL)", sqlite, &peer, None).await;
    let options = NatsOptions {
        monitor_url: Some(nats.monitor_url()),
        ..NatsOptions::new(nats.url())
    };
    let journal = Backend::Nats(NatsJournal::connect(options).await.expect("NATS")).into();
    desk("NATS (R1, sync always)", journal, &peer, Some(&raw)).await;
    drop((nats, postgres));
    let lazy = NatsServer::start_lazy().await;
    let raw = self::raw(&lazy).await;
    for (count, raw) in CLIENTS.iter().zip(&raw) {
        row(
            &format!("raw JetStream appends, default sync, {count} clients"),
            *raw,
            None,
        );
    }
    let options = NatsOptions {
        allow_lazy_sync: true,
        ..NatsOptions::new(lazy.url())
    };
    let journal = Backend::Nats(NatsJournal::connect(options).await.expect("NATS")).into();
    desk("NATS (R1, default sync)", journal, &peer, Some(&raw)).await;
    println!(
        "ratio: of NATS create to raw appends; of everything else to cqrs-es + postgres-es at as many clients\n"
    );
}

async fn desk(what: &str, journal: Journal, peer: &[Measured], raw: Option<&[Measured]>) {
    let desk = Desk::local(journal, Clock::System);
    let numbers = Allocator::new(desk.clone());
    for (place, count) in CLIENTS.into_iter().enumerate() {
        let (sent, taken) = (desk.clone(), numbers.clone());
        let created = clients(count, FOR, move |_| {
            let (sent, taken) = (sent.clone(), taken.clone());
            async move {
                let origin = origin();
                let id = LeadId(
                    taken
                        .next(NumberKind::Lead, &origin)
                        .await
                        .expect("a number"),
                );
                sent.open::<Lead>(id, opened(), &origin)
                    .await
                    .expect("a lead");
            }
        })
        .await;
        row(
            &format!("{what}, create lead, {count} clients"),
            created,
            Some(raw.map_or(peer[place], |raw| raw[place])),
        );
        let (sent, next) = (desk.clone(), Arc::new(AtomicU64::new(1)));
        let last = sent_until(&numbers).await;
        let moved = clients(count, FOR, move |_| {
            let (sent, next) = (sent.clone(), Arc::clone(&next));
            async move {
                let id = LeadId(next.fetch_add(1, Ordering::Relaxed) % last + 1);
                let command = LeadCommand::RecordMessages { increment: 1 };
                // A number that was never used has no lead; that refusal costs a load as well.
                drop(sent.send::<Lead>(id, command, &origin()).await);
            }
        })
        .await;
        row(
            &format!("{what}, change lead, {count} clients"),
            moved,
            Some(peer[place]),
        );
    }
    let to = LeadCommand::ChangeStage {
        to: built_in::CONTACTED,
        seen: None,
        reason: None,
        table: built_in::sales_team(),
    };
    assert!(
        desk.send::<Lead>(LeadId(1), to, &origin()).await.is_ok(),
        "what was measured was really done"
    );
}

async fn sent_until(numbers: &Allocator) -> u64 {
    numbers
        .next(NumberKind::Lead, &origin())
        .await
        .expect("a number")
        .min(20_000)
}

/// What the server takes at most: messages of a commit's size, one subject each, with the sequence
/// that is expected.
async fn raw(nats: &NatsServer) -> Vec<Measured> {
    let client = async_nats::connect(nats.url()).await.expect("NATS");
    let context = jetstream::new(client);
    let config = jetstream::stream::Config {
        name: "RAW".into(),
        subjects: vec!["raw.>".into()],
        allow_direct: true,
        ..Default::default()
    };
    context.create_stream(config).await.expect("a stream");
    let next = Arc::new(AtomicU64::new(0));
    let body = bytes::Bytes::from(vec![b'x'; 450]);
    let mut all = Vec::new();
    for count in CLIENTS {
        let (context, next, body) = (context.clone(), Arc::clone(&next), body.clone());
        let measured = clients(count, FOR, move |_| {
            let (context, next, body) = (context.clone(), Arc::clone(&next), body.clone());
            async move {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
                headers.insert("Nats-Msg-Id", format!("{number}").as_str());
                let sent = context
                    .publish_with_headers(format!("raw.lead.{number}"), headers, body.clone())
                    .await;
                sent.expect("sent").await.expect("acknowledged");
            }
        })
        .await;
        all.push(measured);
    }
    all
}

/// The same aggregate through cqrs-es and postgres-es, as their guide has it.
async fn peer(postgres: &Postgres) -> Vec<Measured> {
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(32);
    let pool = options.connect(&postgres.url()).await.expect("PostgreSQL");
    let events = "CREATE TABLE events (aggregate_type text NOT NULL, aggregate_id text NOT NULL, \
         sequence bigint CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL, \
         payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))";
    sqlx::query(events)
        .execute(&pool)
        .await
        .expect("the table of postgres-es");
    let cqrs = Arc::new(postgres_es::postgres_cqrs::<Lead>(pool, Vec::new(), ()));
    let next = Arc::new(AtomicU64::new(0));
    let mut all = Vec::new();
    for count in CLIENTS {
        let (cqrs, next) = (Arc::clone(&cqrs), Arc::clone(&next));
        let measured = clients(count, FOR, move |_| {
            let (cqrs, next) = (Arc::clone(&cqrs), Arc::clone(&next));
            async move {
                let number = next.fetch_add(1, Ordering::Relaxed);
                cqrs.execute(&number.to_string(), opened())
                    .await
                    .expect("a lead");
            }
        })
        .await;
        all.push(measured);
    }
    all
}
