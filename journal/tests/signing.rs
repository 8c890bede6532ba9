//! A log that is signed from some moment on: who is believed, who may append, and what is passed over.

use async_nats::Client;
use domain::number::{Numbers, NumbersEvent};
use jiff::Timestamp;
use journal::entry::{Entry, Fault};
use journal::nats::{NatsJournal, NatsOptions, SigningKey};
use journal::store::{Loaded, Meta, Store};
use journal::token::StreamId;
use journal::{Backend, Journal, JournalError};
use stories::servers::{NatsServer, eventually};
use uuid::Uuid;

async fn open(server: &NatsServer, seed: Option<u8>) -> Journal {
    let signing_key = seed.map(|seed| SigningKey::try_new(&[seed; 32]).unwrap());
    let options = NatsOptions {
        monitor_url: Some(server.monitor_url()),
        signing_key,
        ..NatsOptions::new(server.url())
    };
    Journal::from(Backend::Nats(NatsJournal::connect(options).await.unwrap()))
}

fn stream() -> StreamId {
    StreamId::try_new("main", "number", "lead").unwrap()
}

/// Takes the next number.
async fn take(journal: &Journal, id: u128) -> Result<Loaded<Numbers>, JournalError> {
    let store: Store<Numbers> = Store::try_new(journal.clone(), 1 << 20).unwrap();
    let seen = store.reload(&stream()).await?;
    let event = NumbersEvent::Taken {
        first: seen.state.used + 1,
        count: 1,
    };
    let meta = Meta {
        commit_id: Uuid::from_u128(id),
        actor: "test".into(),
        command: "take".into(),
        correlation: Uuid::from_u128(id),
        causation: None,
        undoes: None,
        asked: None,
        person: None,
        traceparent: None,
        at: Timestamp::UNIX_EPOCH,
        retried: false,
    };
    let taken = store.append(&stream(), seen, &[event], meta).await?;
    Ok(Loaded::clone(&taken))
}

async fn used(journal: &Journal) -> u64 {
    let store: Store<Numbers> = Store::try_new(journal.clone(), 1 << 20).unwrap();
    store.load(&stream()).await.unwrap().state.used
}

/// Somebody who may publish, and has no key: the stream's last commit once more, or anything.
async fn publish(client: &Client, body: impl Into<bytes::Bytes>) {
    let subject = "rapport.ev.0.main.number.lead";
    client.request(subject, body.into()).await.unwrap();
}

fn kinds(entries: &[Entry]) -> String {
    let kind = |entry: &Entry| match entry {
        Entry::Commit(_) => 'c',
        Entry::Unreadable(unreadable) => match unreadable.fault {
            Fault::NotAuthentic(_) => 'n',
            Fault::Undecodable(_)
            | Fault::Changed(_)
            | Fault::Quarantined
            | Fault::Unsealable(_)
            | Fault::KeyMissing(_)
            | Fault::NewerProgram(_) => 'u',
        },
    };
    entries.iter().map(kind).collect()
}

#[tokio::test]
async fn what_was_there_before_the_first_signature_is_believed_and_nothing_unsigned_after_it() {
    let server = NatsServer::start().await;
    let (unsigned, reader) = (open(&server, None).await, open(&server, None).await);
    take(&unsigned, 1).await.unwrap();
    let signed = open(&server, Some(1)).await;
    take(&signed, 2).await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    publish(&client, "junk").await;
    let last = signed.load(&stream(), 0).await.unwrap();
    let copy = last[1].commit().unwrap();
    publish(&client, serde_json::to_vec(&copy.commit).unwrap()).await;
    assert_eq!(take(&signed, 3).await.unwrap().state.used, 3);
    // A reader that was there before anything was signed learns of it by the first signature.
    let learnt = eventually(async || kinds(&reader.read(0, 0, 10).await.unwrap()) == "ccnnc");
    assert!(
        learnt.await,
        "{}",
        kinds(&reader.read(0, 0, 10).await.unwrap())
    );
    let fresh = open(&server, None).await;
    assert_eq!(kinds(&fresh.read(0, 0, 10).await.unwrap()), "ccnnc");
    assert_eq!(used(&fresh).await, 3);
    let refused = take(&fresh, 4).await.unwrap_err();
    assert!(
        refused.to_string().contains("RAPPORT_SIGNING_KEY"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_new_key_is_trusted_by_those_who_read_already() {
    let server = NatsServer::start().await;
    let (first, reader) = (open(&server, Some(1)).await, open(&server, None).await);
    take(&first, 1).await.unwrap();
    let second = open(&server, Some(2)).await;
    take(&second, 2).await.unwrap();
    take(&first, 3).await.unwrap();
    let all = eventually(async || kinds(&reader.read(0, 0, 10).await.unwrap()) == "ccc");
    assert!(
        all.await,
        "{}",
        kinds(&reader.read(0, 0, 10).await.unwrap())
    );
}

#[tokio::test]
async fn a_snapshot_that_nobody_signed_is_no_state() {
    let server = NatsServer::start().await;
    let journal = open(&server, Some(1)).await;
    for id in 1..=100 {
        take(&journal, id).await.unwrap();
    }
    let kept = eventually(async || journal.snapshot(&stream()).await.unwrap().is_some());
    assert!(kept.await, "a snapshot is kept");
    let snapshot = journal.snapshot(&stream()).await.unwrap().unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    let subject = "rapport.snap.main.number.lead";
    client.request(subject, snapshot.into()).await.unwrap();
    assert!(journal.snapshot(&stream()).await.unwrap().is_none());
    assert_eq!(used(&journal).await, 100);
}
