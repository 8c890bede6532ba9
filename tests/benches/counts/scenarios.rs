//! What is counted: a command on a new lead, a command on a known one, reading commits, and what
//! they mean for the read models.

use commands::clock::Clock;
use commands::desk::Desk;
use commands::origin::Origin;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::details::Edit;
use domain::lead::source::LeadSource;
use domain::pipeline::table::Place;
use journal::Journal;
use journal::memory::MemoryJournal;
use journal::token::Token;
use projections::change::Followed;
use projections::db::Db;
use tokio::runtime::{Builder, Runtime};

/// Every scenario.
pub const ALL: [&str; 4] = ["create", "change", "read", "project"];
/// Operations in each.
pub const OPERATIONS: u64 = 500;

struct Bench {
    runtime: Runtime,
    journal: Journal,
    desk: Desk,
    origin: Origin,
}

/// Runs a scenario; only what is in [`measured_part`] counts.
pub fn run(scenario: &str) {
    let bench = Bench::new();
    match scenario {
        "create" => measured_part(|| bench.create()),
        "change" => {
            bench.create();
            measured_part(|| bench.change());
        }
        "read" => {
            bench.create();
            measured_part(|| bench.read());
        }
        "project" => {
            bench.create();
            bench.project();
        }
        other => panic!("no scenario is called {other}"),
    }
}

/// Callgrind counts while this is on the stack.
#[inline(never)]
fn measured_part(work: impl FnOnce()) {
    work();
}

impl Bench {
    fn new() -> Self {
        let journal = Journal::from(MemoryJournal::new());
        Self {
            runtime: Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            desk: Desk::local(journal.clone(), Clock::System),
            journal,
            origin: Origin::new(Token::try_new("main").expect("a token"), "bench"),
        }
    }

    fn create(&self) {
        self.runtime.block_on(async {
            for id in 1..=OPERATIONS {
                let command = LeadCommand::Open {
                    source: LeadSource::Partner,
                    business_domain: None,
                    contact: None,
                    edit: Edit::default(),
                    begins: Place::of_a_lead(),
                };
                let opened = self
                    .desk
                    .open::<Lead>(LeadId(id), command, &self.origin)
                    .await;
                opened.expect("a lead is opened");
            }
        });
    }

    fn change(&self) {
        self.runtime.block_on(async {
            for id in 1..=OPERATIONS {
                let command = LeadCommand::RecordMessages { increment: 1 };
                let changed = self
                    .desk
                    .send::<Lead>(LeadId(id), command, &self.origin)
                    .await;
                changed.expect("a message is counted");
            }
        });
    }

    fn read(&self) {
        let read = self.runtime.block_on(self.journal.read(0, 0, usize::MAX));
        assert_eq!(read.expect("commits").len() as u64, OPERATIONS);
    }

    fn project(&self) {
        let read = self.runtime.block_on(self.journal.read(0, 0, usize::MAX));
        let commits = read.expect("commits");
        let folder = stories::servers::Folder::new("counts");
        let db = Db::sqlite(&folder.path().join("views.db")).expect("a database");
        let (screens, none) = (projections::screens(), std::collections::HashSet::new());
        self.runtime.block_on(async {
            for screen in screens.iter() {
                db.transact(screen.create(&db, 1)).await.expect("tables");
            }
        });
        measured_part(|| {
            let changes: Vec<_> = commits.into_iter().map(Followed::from).collect();
            self.runtime.block_on(async {
                for screen in screens.iter() {
                    let plan = screen.plan(&db, 1, &changes, &none).await;
                    assert!(plan.expect("a plan").poisoned.is_empty());
                }
            });
        });
    }
}
