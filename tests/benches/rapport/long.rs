//! What a step costs on a stream of a million commits, and in a workspace whose first shards of reservations
//! are all full, beside the same step on what is small. The ratio is what matters: it should be near 1.

use std::path::Path;
use std::time::{Duration, Instant};

use commands::clock::{Clock, fresh_id};
use commands::contacts::Contacts;
use commands::desk::Desk;
use commands::numbers::Allocator;
use commands::origin::Origin;
use domain::contact::address::Phone;
use domain::contact::command::Card;
use domain::id::{ContactId, LeadId};
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::event::LeadEvent;
use domain::unique::{CAPACITY, SHARDS, ShardId, UniqueEvent, UniqueKind};
use journal::envelope::{Commit, Sealed};
use journal::sqlite::SqliteJournal;
use journal::token::Token;
use journal::{Backend, Journal};
use rusqlite::{Connection, params};
use stories::servers::Folder;

use crate::fill::{commit, opened};
use crate::load::{Measured, head, measured, row};

const COMMITS: u64 = 1_000_000;
const SHORT: LeadId = LeadId(1);
const LONG: LeadId = LeadId(2);
/// How often each step is taken.
const TIMES: usize = 300;
/// Commits in one transaction while a log is filled.
const AT_ONCE: u64 = 10_000;
/// Reservations in one commit.
const RESERVED_AT_ONCE: usize = 100;

/// Measures and prints.
pub async fn measure() {
    let folder = Folder::new("long");
    let path = folder.path().join("log.db");
    let open = || -> Journal { Backend::Sqlite(SqliteJournal::open(&path).expect("a log")).into() };
    drop(open());
    let begun = Instant::now();
    lengthen(&path, SHORT, 200);
    lengthen(&path, LONG, COMMITS);
    told(
        &format!("a stream of {COMMITS} commits was made within"),
        begun,
    );
    let journal = open();
    let desk = Desk::local(journal.clone(), Clock::System);
    let begun = Instant::now();
    change(&desk, LONG, origin()).await;
    told("read whole, because it has no snapshot yet, within", begun);
    for lead in [SHORT, LONG] {
        for _ in 0..120 {
            change(&desk, lead, origin()).await;
        }
    }
    head("A short and a long stream");
    compare("change", async |lead| change(&desk, lead, origin()).await).await;
    compare("change, as a policy", async |lead| {
        let workspace = origin().workspace;
        let cause = fresh_id();
        let origin = Origin::because_of(workspace, "policy:bench", cause, cause);
        change(&desk, lead, origin).await;
    })
    .await;
    compare("change by a process that has just begun", async |lead| {
        let desk = Desk::local(journal.clone(), Clock::System);
        change(&desk, lead, origin()).await;
    })
    .await;
    compare("the state as of now", async |lead| {
        let (workspace, now) = (origin().workspace, Clock::System.now());
        let then = desk.load_as_of::<Lead>(&workspace, lead, now).await;
        assert!(then.expect("a lead").version > 0);
    })
    .await;
    compare_shards(&journal).await;
}

/// Times a step on both streams, turn by turn.
async fn compare(what: &str, step: impl AsyncFn(LeadId)) {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        for (lead, took) in [(SHORT, &mut short), (LONG, &mut long)] {
            let begun = Instant::now();
            step(lead).await;
            took.push(begun.elapsed());
        }
    }
    print(what, ["short", "long"], summed(short), summed(long));
}

fn summed(took: Vec<Duration>) -> Measured {
    let all = took.iter().sum();
    measured(took, all)
}

fn print(what: &str, sizes: [&str; 2], small: Measured, large: Measured) {
    row(&format!("{what}: {}", sizes[0]), small, None);
    row(&format!("{what}: {}", sizes[1]), large, Some(small));
}

async fn change(desk: &Desk, lead: LeadId, origin: Origin) {
    let command = LeadCommand::RecordMessages { increment: 1 };
    let changed = desk.send::<Lead>(lead, command, &origin).await;
    changed.expect("a message is counted");
}

fn origin() -> Origin {
    Origin::new(token("main"), "bench")
}

fn token(text: &str) -> Token {
    Token::try_new(text).expect("a token")
}

fn told(what: &str, begun: Instant) {
    println!("{what:<58} {:>10.1?}", begun.elapsed());
}

/// Writes a stream into the file, without asking the log for each commit.
fn lengthen(path: &Path, lead: LeadId, commits: u64) {
    let mut file = Connection::open(path).expect("a log");
    let (mut hash, mut number) = (None, 0);
    while number < commits {
        let transaction = file.transaction().expect("a transaction");
        for _ in 0..AT_ONCE.min(commits - number) {
            number += 1;
            let event = if number == 1 {
                opened()
            } else {
                LeadEvent::MessagesRecorded {
                    increment: 1,
                    total: number - 1,
                }
            };
            let commit = Commit {
                prev_hash: hash,
                ..commit(token("main"), "lead", &lead.to_string(), &[event], number)
            };
            let sealed = Sealed::try_new(&commit).expect("a commit");
            let (id, stream) = (sealed.commit_id.as_bytes(), sealed.stream.to_string());
            let values = params![stream, number, id, sealed.bytes, sealed.hash.as_bytes()];
            transaction
                .prepare_cached(
                    "INSERT INTO commits (stream, first_version, commit_id, body, hash) \
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )
                .and_then(|mut insert| insert.execute(values))
                .expect("inserted");
            hash = Some(sealed.hash);
        }
        transaction.commit().expect("committed");
    }
}

async fn compare_shards(journal: &Journal) {
    let begun = Instant::now();
    for shard in 0..SHARDS {
        fill_shard(journal, ShardId::root(UniqueKind::Phone, shard)).await;
    }
    told("every first shard of phones was filled within", begun);
    let desk = Desk::local(journal.clone(), Clock::System);
    let contacts = Contacts::new(desk.clone(), Allocator::new(desk), b"secret");
    let (mut small, mut large) = (Vec::new(), Vec::new());
    head("A small and a large workspace");
    // Each shard is read once before anything is measured.
    for number in 0..3 * TIMES {
        for (workspace, took) in [("little", &mut small), ("full", &mut large)] {
            let begun = Instant::now();
            let card = Card {
                name: "Somebody".into(),
                phones: vec![Phone::try_new(&format!("+7999{number:07}")).expect("a phone")],
                ..Card::default()
            };
            let origin = Origin::new(token(workspace), "bench");
            contacts.create(card, &origin).await.expect("a contact");
            if number >= 2 * TIMES {
                took.push(begun.elapsed());
            }
        }
    }
    let sizes = ["small", "full"];
    print(
        "create a contact with a phone",
        sizes,
        summed(small),
        summed(large),
    );
}

async fn fill_shard(journal: &Journal, shard: ShardId) {
    let (mut last, mut hash, mut version) = (0, None, 1);
    for batch in 0..CAPACITY.div_ceil(RESERVED_AT_ONCE) {
        let reserved = |place| UniqueEvent::Reserved {
            value: format!("{:032x}", (batch * RESERVED_AT_ONCE + place) << 16),
            owner: ContactId(1),
            seen: 0,
            attempt: Some(fresh_id()),
            at: Clock::System.now(),
        };
        let events: Vec<_> = (0..RESERVED_AT_ONCE).map(reserved).collect();
        let commit = Commit {
            prev_hash: hash,
            ..commit(
                token("full"),
                "unique",
                &shard.to_string(),
                &events,
                version,
            )
        };
        let sealed = Sealed::try_new(&commit).expect("a commit");
        hash = Some(sealed.hash);
        version += events.len() as u64;
        last = journal
            .append(sealed, last)
            .await
            .expect("appended")
            .sequence;
    }
}
