use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cqrs_es::Aggregate as _;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::details::Edit;
use domain::lead::event::LeadEvent;
use domain::lead::source::LeadSource;
use domain::pipeline::table::Place;
use domain::policy::{Mark, PolicyId, Start};
use journal::claim::ClaimKey;
use journal::cursor::name_of;
use journal::envelope::{Commit, Recorded, Sealed};
use journal::memory::MemoryJournal;
use journal::position::Position;
use journal::token::Token;
use journal::{Journal, JournalError};
use schemas::any::DomainEvent;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use super::cursor::State;
use super::{Fact, Policy, run, status};
use crate::clock::{Clock, fresh_id};
use crate::desk::Desk;
use crate::origin::Origin;

/// Whom a policy met, in order.
type Met = Arc<Mutex<Vec<(u64, &'static str)>>>;

/// Notes what happens to leads; `fails` says for which, and how.
#[derive(Clone)]
struct Notes {
    met: Met,
    starts: Start,
    fails: Arc<Mutex<HashMap<u64, Fault>>>,
}

#[derive(Clone, Copy)]
enum Fault {
    Fails,
    Panics,
    Takes(Duration),
}

impl Notes {
    fn new(starts: Start) -> Self {
        Self {
            met: Met::default(),
            starts,
            fails: Arc::default(),
        }
    }

    fn let_fail(&self, lead: u64, fault: Option<Fault>) {
        let mut fails = self.fails.lock().unwrap();
        fails.remove(&lead);
        fails.extend(fault.map(|fault| (lead, fault)));
    }

    fn met(&self) -> Vec<(u64, &'static str)> {
        self.met.lock().unwrap().clone()
    }

    fn run(&self, desk: &Desk) -> JoinHandle<()> {
        tokio::spawn(run(self.clone(), desk.clone(), Clock::System))
    }

    async fn meets(&self, expected: &[(u64, &'static str)]) {
        soon(
            async || self.met() == expected,
            || format!("{:?}", self.met()),
        )
        .await;
    }
}

impl Policy for Notes {
    fn id(&self) -> PolicyId {
        PolicyId::Transfer
    }

    fn starts(&self) -> Start {
        self.starts
    }

    fn concerns(&self, category: &str) -> bool {
        category == Lead::TYPE
    }

    async fn react(&self, fact: &Fact<'_>) -> Result<(), JournalError> {
        let lead = fact.recorded.commit.id.as_str().parse().unwrap();
        let fault = self.fails.lock().unwrap().get(&lead).copied();
        match fault {
            Some(Fault::Fails) => return Err(JournalError::unavailable("no answer")),
            Some(Fault::Panics) => panic!("on purpose"),
            Some(Fault::Takes(time)) => tokio::time::sleep(time).await,
            None => {}
        }
        self.met
            .lock()
            .unwrap()
            .push((lead, fact.event.kind().name));
        Ok(())
    }
}

async fn soon(mut holds: impl AsyncFnMut() -> bool, told: impl Fn() -> String) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let held = tokio::time::timeout(Duration::from_secs(30), wait).await;
    assert!(held.is_ok(), "{}", told());
}

fn desk() -> Desk {
    Desk::local(Journal::from(MemoryJournal::new()), Clock::System)
}

fn main_workspace() -> Token {
    Token::try_new("main").unwrap()
}

async fn opened(desk: &Desk, lead: u64) {
    let open = LeadCommand::Open {
        source: LeadSource::Partner,
        business_domain: None,
        contact: None,
        edit: Edit::default(),
        begins: Place::of_a_lead(),
    };
    let origin = Origin::new(main_workspace(), "test");
    desk.send::<Lead>(LeadId(lead), open, &origin)
        .await
        .unwrap();
}

async fn messaged(desk: &Desk, lead: u64) {
    let command = LeadCommand::RecordMessages { increment: 1 };
    let origin = Origin::new(main_workspace(), "test");
    desk.send::<Lead>(LeadId(lead), command, &origin)
        .await
        .unwrap();
}

const OPENED: &str = "lead.opened";
const MESSAGED: &str = "lead.messages_recorded";

async fn parked(desk: &Desk) -> Vec<(String, String)> {
    let all = status::all(desk).await.unwrap().into_iter();
    all.flat_map(|one| one.parked)
        .map(|one| (one.stream, one.reason))
        .collect()
}

async fn standing(desk: &Desk) -> status::Standing {
    let all = status::all(desk).await.unwrap();
    let of_ours = all.iter().find(|one| one.policy == PolicyId::Transfer);
    of_ours.unwrap().standing
}

#[tokio::test]
async fn a_reaction_that_fails_leaves_its_aggregate_aside_and_stops_nobody_else() {
    for fault in [Fault::Fails, Fault::Panics] {
        let (desk, notes) = (desk(), Notes::new(Start::Beginning));
        notes.let_fail(1, Some(fault));
        opened(&desk, 1).await;
        messaged(&desk, 1).await;
        opened(&desk, 2).await;
        let running = notes.run(&desk);
        notes.meets(&[(2, OPENED)]).await;
        let is_named = async || {
            parked(&desk)
                .await
                .iter()
                .any(|(stream, _)| stream == "main.lead.1")
        };
        soon(is_named, || "the aggregate is not named".into()).await;
        let health = desk.journal().health().clone();
        assert_eq!(health.parked()[0].what, "main.lead.1");
        assert!(health.parked()[0].task.starts_with("policy-transfer"));

        notes.let_fail(1, None);
        notes
            .meets(&[(2, OPENED), (1, OPENED), (1, MESSAGED)])
            .await;
        let none = async || parked(&desk).await.is_empty();
        soon(none, || "it is still left aside".into()).await;
        running.abort();
    }
}

#[tokio::test]
async fn what_is_left_aside_outlives_the_process() {
    let (desk, notes) = (desk(), Notes::new(Start::Beginning));
    notes.let_fail(1, Some(Fault::Fails));
    opened(&desk, 1).await;
    opened(&desk, 2).await;
    let running = notes.run(&desk);
    soon(
        async || !parked(&desk).await.is_empty(),
        || "nothing is left aside".into(),
    )
    .await;
    running.abort();
    notes.let_fail(1, None);
    let running = notes.run(&desk);
    notes.meets(&[(2, OPENED), (1, OPENED)]).await;
    running.abort();
}

#[tokio::test]
async fn an_event_of_a_newer_program_leaves_its_aggregate_aside() {
    let (desk, notes) = (desk(), Notes::new(Start::Beginning));
    let stream = ("main", "lead", "7");
    append(
        desk.journal(),
        stream,
        r#"{"version":1,"type":"lead.teleported","payload":{"phone":"+380441112233"}}"#,
    )
    .await;
    opened(&desk, 2).await;
    let running = notes.run(&desk);
    notes.meets(&[(2, OPENED)]).await;
    soon(
        async || !parked(&desk).await.is_empty(),
        || "nothing is left aside".into(),
    )
    .await;
    let reason = "the commit at 0:1 cannot be read: newer_program";
    assert_eq!(parked(&desk).await, [("main.lead.7".into(), reason.into())]);
    running.abort();
}

async fn append(journal: &Journal, id: (&str, &str, &str), event: &str) {
    let event = RawValue::from_string(event.to_owned()).unwrap();
    let sealed = Sealed::try_new(&commit(id, vec![event])).unwrap();
    journal.append(sealed, 0).await.unwrap();
}

fn commit((workspace, category, id): (&str, &str, &str), events: Vec<Box<RawValue>>) -> Commit {
    let token = |text: &str| Token::try_new(text).unwrap();
    Commit {
        commit_id: fresh_id(),
        workspace: token(workspace),
        category: token(category),
        id: token(id),
        first_version: 1,
        events,
        actor: "test".into(),
        command: "test".into(),
        correlation: fresh_id(),
        causation: None,
        undoes: None,
        asked: None,
        traceparent: None,
        at: Clock::System.now(),
        prev_hash: None,
        keys: Vec::new(),
    }
}

#[tokio::test]
async fn each_policy_starts_where_it_says() {
    for (starts, first) in [(Start::Beginning, vec![(1, OPENED)]), (Start::Now, vec![])] {
        let (desk, notes) = (desk(), Notes::new(starts));
        opened(&desk, 1).await;
        let running = notes.run(&desk);
        soon(
            async || standing(&desk).await == status::Standing::Follows,
            || "it has not begun".into(),
        )
        .await;
        opened(&desk, 2).await;
        let all: Vec<_> = first.into_iter().chain([(2, OPENED)]).collect();
        notes.meets(&all).await;
        running.abort();
    }
}

#[tokio::test]
async fn a_policy_whose_cursor_is_lost_does_nothing_until_a_person_says_from_where() {
    let notes = Notes::new(Start::Beginning);
    let whole = desk();
    opened(&whole, 1).await;
    let running = notes.run(&whole);
    notes.meets(&[(1, OPENED)]).await;
    running.abort();

    // The same log without what is kept beside it.
    let restored = desk();
    for recorded in whole.journal().read(0, 0, 100).await.unwrap() {
        let sealed = Sealed::try_new(&recorded.commit().unwrap().commit).unwrap();
        restored.journal().append(sealed, 0).await.unwrap();
    }
    let running = notes.run(&restored);
    let health = restored.journal().health().clone();
    let named = async || {
        let all = health.standing_still();
        all.iter().any(|one| {
            one.task == "policy-transfer 0"
                && one.reason.contains("rapport policies start transfer")
        })
    };
    soon(named, || format!("{:?}", health.standing_still())).await;
    assert_eq!(standing(&restored).await, status::Standing::Lost);
    opened(&restored, 2).await;
    assert_eq!(notes.met(), [(1, OPENED)], "history is not news");

    let head = restored.journal().head(0).await.unwrap();
    let at = vec![Mark {
        partition: 0,
        sequence: head.sequence,
    }];
    let origin = Origin::new(main_workspace(), "cli");
    status::place(&restored, PolicyId::Transfer, at, &origin)
        .await
        .unwrap();
    opened(&restored, 3).await;
    notes.meets(&[(1, OPENED), (3, OPENED)]).await;
    soon(
        async || health.standing_still().is_empty(),
        || "it stands still".into(),
    )
    .await;
    running.abort();
}

#[tokio::test]
async fn the_cursor_of_an_older_program_is_taken_over() {
    let (desk, notes) = (desk(), Notes::new(Start::Beginning));
    opened(&desk, 1).await;
    opened(&desk, 2).await;
    let claim = ClaimKey {
        workspace: Token::try_new("_system").unwrap(),
        key: Token::try_new("policy-transfer-0").unwrap(),
    };
    let body = r#"{"sequence":1,"holder":"00000000-0000-0000-0000-000000000000","until":"1970-01-01T00:00:00Z"}"#;
    let put = desk
        .journal()
        .put_claim(&claim, 0, body.into(), Clock::System.now());
    put.await.unwrap();
    let running = notes.run(&desk);
    notes.meets(&[(2, OPENED)]).await;
    running.abort();
}

#[tokio::test]
async fn a_reaction_that_outlasts_its_lease_is_not_done_by_another() {
    let desk = desk();
    let (slow, other) = (Notes::new(Start::Beginning), Notes::new(Start::Beginning));
    slow.let_fail(1, Some(Fault::Takes(Duration::from_secs(7))));
    opened(&desk, 1).await;
    let first = slow.run(&desk);
    soon(
        async || {
            let cursor = name_of(PolicyId::Transfer, 0).unwrap();
            let kept = desk.journal().cursor(&cursor).await.unwrap();
            kept.is_some_and(|kept| kept.revision > 1 && State::from_bytes(&kept.body).is_ok())
        },
        || "nobody holds the cursor".into(),
    )
    .await;
    let second = other.run(&desk);
    slow.meets(&[(1, OPENED)]).await;
    assert_eq!(other.met(), []);
    first.abort();
    second.abort();
}

#[test]
fn two_equal_commands_from_one_commit_have_ids_of_their_own() {
    let event = r#"{"version":1,"type":"lead.analysis_withdrawn","payload":{}}"#;
    let event = RawValue::from_string(event.to_owned()).unwrap();
    let commit = commit(("main", "lead", "1"), vec![event]);
    let bytes = serde_json::to_vec(&commit).unwrap();
    let position = Position {
        partition: 0,
        sequence: 1,
    };
    let recorded = Recorded::read(position, &bytes).unwrap();
    let fact = |index| Fact {
        recorded: &recorded,
        index,
        event: DomainEvent::Lead(LeadEvent::AnalysisWithdrawn {}),
    };
    let id = |index, command| {
        let origin = fact(index).origin("policy:test", command);
        origin.commit_id(&"main.sale.1", "open")
    };
    let (one, again, second, next) = (id(0, 0), id(0, 0), id(0, 1), id(1, 0));
    assert_eq!(one, again, "whoever reacts again finds it");
    assert!(one != second && one != next && second != next);
}
