//! Any sequence of commands, retries, restarts and rebuilds leaves what one lead after the other
//! would be by a model of a dozen lines.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use commands::clock::Clock;
use commands::desk::Desk;
use commands::origin::Origin;
use cqrs_es::AggregateError;
use domain::id::LeadId;
use domain::lead::aggregate::{Lead, LeadError};
use domain::lead::command::LeadCommand;
use domain::lead::details::Edit;
use domain::lead::source::LeadSource;
use domain::pipeline::table::Place;
use domain::pipeline::{StageKey, built_in};
use journal::entry::readable;
use journal::memory::MemoryJournal;
use journal::position::Position;
use journal::sqlite::SqliteJournal;
use journal::store::Loaded;
use journal::{Backend, Journal};
use projections::db::{Db, DbError};
use projections::leads::Leads;
use projections::projection::Projection as _;
use projections::registry::Registry;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stories::history::lead::{Asked, Heard, Lead as Model};
use stories::servers::Folder;
use uuid::Uuid;

use crate::kept::{Kept, Running, main_workspace};

#[derive(Debug, Clone)]
enum Step {
    /// A command through one of two desks, which know nothing of each other.
    Send(usize, u64, Ask),
    /// The last command again, under the same ids, through one of them.
    Again(usize),
    /// Enough of them for a snapshot.
    CountOften(usize, u64),
    /// A desk forgets everything.
    RestartDesk(usize),
    RestartFollower,
    Rebuild,
}

#[derive(Debug, Clone)]
enum Ask {
    Open,
    Count(u32),
    Move(StageKey, StageKey),
}

const MOVES: [StageKey; 4] = [
    built_in::NEW,
    built_in::CONTACTED,
    built_in::QUALIFIED,
    built_in::LOST,
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let stage = || proptest::sample::select(&MOVES[..]);
    let ask = prop_oneof![
        2 => Just(Ask::Open),
        3 => (1..9_u32).prop_map(Ask::Count),
        4 => (stage(), stage()).prop_map(|(seen, to)| Ask::Move(seen, to)),
    ];
    let step = prop_oneof![
        12 => (0..2_usize, 1..4_u64, ask).prop_map(|(desk, lead, ask)| Step::Send(desk, lead, ask)),
        4 => (0..2_usize).prop_map(Step::Again),
        1 => (0..2_usize, 1..4_u64).prop_map(|(desk, lead)| Step::CountOften(desk, lead)),
        2 => (0..2_usize).prop_map(Step::RestartDesk),
        1 => Just(Step::RestartFollower),
        1 => Just(Step::Rebuild),
    ];
    proptest::collection::vec(step, 1..60)
}

impl Ask {
    fn command(&self) -> LeadCommand {
        match *self {
            Self::Open => LeadCommand::Open {
                source: LeadSource::Manual,
                business_domain: None,
                contact: None,
                edit: Edit::default(),
                begins: Place::of_a_lead(),
            },
            Self::Count(increment) => LeadCommand::RecordMessages { increment },
            Self::Move(seen, to) => LeadCommand::ChangeStage {
                to,
                seen: Some(seen),
                reason: None,
                table: built_in::sales_team(),
            },
        }
    }

    fn of_the_model(&self) -> Asked {
        match self {
            Self::Open => Asked::Open,
            Self::Count(more) => Asked::Count((*more).into()),
            Self::Move(seen, to) => Asked::Move {
                seen: seen.to_string(),
                to: to.to_string(),
            },
        }
    }
}

/// What was asked last, and the answer where it has changed something.
struct Last {
    lead: u64,
    ask: Ask,
    origin: Origin,
    changed: Option<Heard>,
}

struct World {
    kept: Kept,
    desks: [Desk; 2],
    follower: Option<Running>,
    model: BTreeMap<u64, Model>,
    last: Option<Last>,
    sent: u128,
    seen: Position,
}

impl World {
    async fn of(journal: Journal, folder: &Folder) -> Self {
        let db = Db::sqlite(&folder.path().join("views.db")).unwrap();
        let kept = Kept::new(journal, Registry::open(db).await.unwrap(), Clock::System);
        Self {
            desks: [
                kept.desk.clone(),
                Desk::local(kept.journal.clone(), Clock::System),
            ],
            follower: Some(kept.follow("follower", projections::screens())),
            kept,
            model: BTreeMap::new(),
            last: None,
            sent: 0,
            seen: Position {
                partition: 0,
                sequence: 0,
            },
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Send(desk, lead, ask) => self.send(desk, lead, ask).await,
            Step::Again(desk) => self.again(desk).await,
            Step::CountOften(desk, lead) => {
                for _ in 0..101 {
                    self.send(desk, lead, Ask::Count(1)).await;
                }
            }
            Step::RestartDesk(desk) => {
                self.desks[desk] = Desk::local(self.kept.journal.clone(), Clock::System);
            }
            Step::RestartFollower => {
                self.follower = None;
                self.follower = Some(self.kept.follow("follower", projections::screens()));
            }
            Step::Rebuild => {
                let screens = projections::screens();
                let leads = screens.iter().find(|screen| screen.name() == Leads::NAME);
                let log = self.kept.journal.identity();
                let heads = self.kept.journal.heads().await.unwrap();
                let begun = self.kept.registry.begin(&**leads.unwrap(), &log, &heads);
                // The one before may still be in the making, or the follower may be at it.
                match begun.await {
                    Ok(_) | Err(DbError::Refused(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    async fn send(&mut self, desk: usize, lead: u64, ask: Ask) {
        self.sent += 1;
        let origin = Origin {
            seed: Some(Uuid::from_u128(self.sent)),
            ..Origin::new(main_workspace(), "model")
        };
        self.ask(desk, lead, ask, origin).await;
    }

    async fn again(&mut self, desk: usize) {
        let Some(last) = self.last.take() else { return };
        let origin = Origin {
            retried: true,
            ..last.origin
        };
        let Some(first) = last.changed else {
            // Nothing was done: then it is decided again.
            return self.ask(desk, last.lead, last.ask, origin).await;
        };
        let heard = self.heard(desk, last.lead, &last.ask, &origin).await;
        assert_eq!(heard, first, "a retry hears what the first try did");
    }

    async fn ask(&mut self, desk: usize, lead: u64, ask: Ask, origin: Origin) {
        let before = self.model.get(&lead).cloned();
        let (after, expected) = ask.of_the_model().of(before.as_ref());
        let heard = self.heard(desk, lead, &ask, &origin).await;
        assert_eq!(
            heard, expected,
            "{ask:?} of lead {lead}, which was {before:?}"
        );
        let changed = (after != before).then_some(heard);
        if let Some(after) = after {
            self.model.insert(lead, after);
        }
        self.last = Some(Last {
            lead,
            ask,
            origin,
            changed,
        });
    }

    async fn heard(&mut self, desk: usize, lead: u64, ask: &Ask, origin: &Origin) -> Heard {
        let sent = self.desks[desk].send::<Lead>(LeadId(lead), ask.command(), origin);
        match sent.await {
            Ok(loaded) => {
                if loaded.last > self.seen.sequence {
                    self.seen = loaded.position();
                }
                Heard::Stands(shown(&loaded))
            }
            Err(AggregateError::UserError(LeadError::NotOpen)) => Heard::Missing,
            Err(AggregateError::UserError(_)) => Heard::Refused,
            Err(error) => panic!("{error}"),
        }
    }

    /// The log is whole, and the views show what the model says.
    async fn judge(&self) {
        let mut tails = HashMap::new();
        for recorded in
            readable(&self.kept.journal.read(0, 0, usize::MAX >> 1).await.unwrap()).unwrap()
        {
            let commit = &recorded.commit;
            let (version, hash) = tails.remove(&commit.stream()).unwrap_or((0, None));
            assert_eq!(
                (commit.first_version, commit.prev_hash),
                (version + 1, hash)
            );
            tails.insert(
                commit.stream(),
                (commit.last_version(), Some(recorded.hash)),
            );
        }
        assert_eq!(tails.len(), self.model.len());
        let reader = self.kept.views.reader(main_workspace(), self.seen);
        for (lead, model) in &self.model {
            let card = reader.card::<Leads>(*lead).await.unwrap().unwrap();
            let card = serde_json::from_str(&card).unwrap();
            assert_eq!(Model::shown(&card).as_ref(), Some(model), "lead {lead}");
        }
    }
}

fn shown(loaded: &Arc<Loaded<Lead>>) -> Model {
    let lead = loaded.state.open.as_ref().unwrap();
    Model {
        version: loaded.version,
        messages: lead.message_count,
        stage: lead.stage.to_string(),
    }
}

fn holds_for_every_sequence(journal: impl Fn(&Folder) -> Journal) {
    let config = Config {
        cases: 40,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // What fails is printed as the shortest sequence that still does.
    TestRunner::new(config)
        .run(&steps(), |steps| {
            let folder = Folder::new("modelled");
            let journal = journal(&folder);
            runtime.block_on(async {
                let mut world = World::of(journal, &folder).await;
                for step in steps {
                    world.take(step).await;
                }
                world.judge().await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn the_log_in_memory_is_what_the_model_says() {
    holds_for_every_sequence(|_| Journal::from(MemoryJournal::new()));
}

#[test]
fn the_log_in_a_file_is_what_the_model_says() {
    holds_for_every_sequence(|folder| {
        let journal = SqliteJournal::open(&folder.path().join("log.db")).unwrap();
        Journal::from(Backend::Sqlite(journal))
    });
}
