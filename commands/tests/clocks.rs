//! A clock that jumps an hour, back or forward, changes no order, no number and no claim.

use std::collections::HashSet;

use commands::clock::Clock;
use commands::desk::Desk;
use commands::idempotency::{Claiming, KeptAnswer, claim};
use commands::numbers::Allocator;
use commands::origin::Origin;
use domain::id::{LeadId, NumberKind};
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::details::Edit;
use domain::lead::source::LeadSource;
use domain::pipeline::table::Place;
use jiff::SignedDuration;
use journal::Journal;
use journal::entry::readable;
use journal::memory::MemoryJournal;
use journal::token::Token;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn jumps() -> [SignedDuration; 4] {
    [-HOUR, HOUR * 2, -HOUR * 3, HOUR]
}

fn main_workspace() -> Token {
    Token::try_new("main").unwrap()
}

#[tokio::test]
async fn streams_go_on_and_time_never_runs_backwards_in_them() {
    let (journal, clock) = (
        Journal::from(MemoryJournal::new()),
        Clock::manual(Clock::System.now()),
    );
    let desk = Desk::local(journal.clone(), clock.clone());
    let origin = Origin::new(main_workspace(), "test");
    let open = LeadCommand::Open {
        source: LeadSource::Manual,
        business_domain: None,
        contact: None,
        edit: Edit::default(),
        begins: Place::of_a_lead(),
    };
    desk.send::<Lead>(LeadId(1), open, &origin).await.unwrap();
    for (version, jump) in (2..).zip(jumps()) {
        clock.turn(jump);
        let count = LeadCommand::RecordMessages { increment: 1 };
        let lead = desk.send::<Lead>(LeadId(1), count, &origin).await.unwrap();
        assert_eq!(lead.version, version);
    }
    let commits = readable(&journal.read(0, 0, 10).await.unwrap()).unwrap();
    let times: Vec<_> = commits.iter().map(|recorded| recorded.commit.at).collect();
    assert!(times.is_sorted(), "{times:?}");
    let workspace = main_workspace();
    let last = desk.load_as_of::<Lead>(&workspace, LeadId(1), *times.last().unwrap());
    assert_eq!(last.await.unwrap().version, 5, "the past is still found");
}

#[tokio::test]
async fn numbers_are_never_given_twice() {
    let clock = Clock::manual(Clock::System.now());
    let desk = Desk::local(Journal::from(MemoryJournal::new()), clock.clone());
    let numbers = [Allocator::new(desk.clone()), Allocator::new(desk)];
    let (origin, mut seen) = (Origin::new(main_workspace(), "test"), HashSet::new());
    for jump in jumps() {
        clock.turn(jump);
        for allocator in numbers.iter().cycle().take(20) {
            assert!(seen.insert(allocator.next(NumberKind::Lead, &origin).await.unwrap()));
        }
    }
}

#[tokio::test]
async fn a_claim_is_found_again() {
    let (journal, clock) = (
        Journal::from(MemoryJournal::new()),
        Clock::manual(Clock::System.now()),
    );
    let workspace = main_workspace();
    let ask = || claim(&journal, &clock, &workspace, &[b"key"], "same".into());
    let Ok(Claiming::Go(first)) = ask().await else {
        panic!("nobody has claimed it")
    };
    for jump in jumps() {
        clock.turn(jump);
        let Ok(Claiming::Go(again)) = ask().await else {
            panic!("it has no answer yet")
        };
        assert_eq!((again.seed(), again.retried()), (first.seed(), true));
    }
    let answer = KeptAnswer {
        status: 201,
        headers: Vec::new(),
        body: "{}".into(),
        sealed: false,
        about: None,
    };
    first.answered(answer.clone()).await.unwrap();
    for jump in jumps() {
        clock.turn(jump);
        assert!(matches!(ask().await, Ok(Claiming::Answered(kept)) if kept == answer));
    }
}
