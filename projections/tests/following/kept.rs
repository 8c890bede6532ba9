//! A log in memory, and read models of it in a database of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use commands::clock::Clock;
use commands::desk::Desk;
use commands::origin::Origin;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::details::Edit;
use domain::lead::source::LeadSource;
use domain::pipeline::built_in;
use domain::pipeline::table::Place;
use journal::Journal;
use journal::entry::Entry;
use journal::envelope::{Commit, Sealed};
use journal::memory::MemoryJournal;
use journal::position::Position;
use journal::token::{StreamId, Token};
use projections::db::{Db, Statement};
use projections::follower::{FollowError, Follower};
use projections::progress::Progress;
use projections::projection::Screen;
use projections::registry::Registry;
use projections::views::Views;
use sea_query::{Expr, ExprTrait as _, Query};
use stories::servers::{Folder, Postgres};
use tokio::task::AbortHandle;

/// A log in memory, and read models of it in a database of their own.
pub struct Kept {
    pub journal: Journal,
    pub desk: Desk,
    pub registry: Registry,
    pub views: Views,
    followers: Mutex<HashMap<String, Arc<Follower>>>,
    _servers: (Option<Folder>, Option<Postgres>),
}

/// A running follower, which dies when this is dropped.
pub struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Kept {
    pub fn new(journal: Journal, registry: Registry, clock: Clock) -> Self {
        // Reads look at the checkpoints, as in a process that does not follow the log itself.
        let views = Views::new(registry.clone(), Progress::default());
        let desk = Desk::local(journal.clone(), clock);
        Self {
            journal,
            desk,
            registry,
            views,
            followers: Mutex::default(),
            _servers: (None, None),
        }
    }

    pub async fn in_sqlite() -> Self {
        let folder = Folder::new("views");
        let registry = Registry::open(Db::sqlite(&folder.path().join("views.db")).unwrap())
            .await
            .unwrap();
        let kept = Self::new(Journal::from(MemoryJournal::new()), registry, Clock::System);
        Self {
            _servers: (Some(folder), None),
            ..kept
        }
    }

    pub async fn in_postgres() -> Self {
        let postgres = Postgres::start().await;
        let registry = Registry::open(Db::postgres(&postgres.url()).unwrap())
            .await
            .unwrap();
        let kept = Self::new(Journal::from(MemoryJournal::new()), registry, Clock::System);
        Self {
            _servers: (None, Some(postgres)),
            ..kept
        }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.registry.db(), Db::Sqlite(_))
    }

    fn follower(&self, me: &str, screens: Arc<[Box<dyn Screen>]>, clock: Clock) -> Follower {
        let (journal, registry) = (self.journal.clone(), self.registry.clone());
        Follower::new(journal, registry, screens, Progress::default(), clock, me)
    }

    /// Follows as this process until the handle is dropped.
    pub fn follow(&self, me: &str, screens: Arc<[Box<dyn Screen>]>) -> Running {
        self.follow_by(me, screens, Clock::System)
    }

    /// The same by another clock.
    pub fn follow_by(&self, me: &str, screens: Arc<[Box<dyn Screen>]>, clock: Clock) -> Running {
        let follower = Arc::new(self.follower(me, screens, clock));
        self.followers
            .lock()
            .unwrap()
            .insert(me.to_owned(), Arc::clone(&follower));
        Running(tokio::spawn(async move { follower.run().await }).abort_handle())
    }

    /// Lets others take what this process keeps, at once.
    pub async fn let_go(&self, me: &str) {
        let follower = self.followers.lock().unwrap().get(me).cloned();
        follower.unwrap().give_back().await;
    }

    pub async fn check(&self, me: &str) -> Result<(), FollowError> {
        let follower = self.follower(me, projections::screens(), Clock::System);
        follower.check().await
    }

    pub async fn pretend_to_have_seen(&self, position: Position) {
        let mut update = Query::update();
        update
            .table("rapport_checkpoints")
            .value("sequence", i64::try_from(position.sequence).unwrap());
        update.and_where(Expr::col("part").eq(i64::from(position.partition)));
        let db = self.registry.db();
        db.transact(vec![db.statement(&update)]).await.unwrap();
    }

    /// The names of all tables.
    pub async fn tables(&self) -> Vec<String> {
        let sql = if self.is_sqlite() {
            "SELECT name FROM sqlite_master"
        } else {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
        };
        let query = Statement {
            sql: sql.into(),
            values: Vec::new(),
            fences: false,
        };
        let rows = self.registry.db().rows(query).await.unwrap();
        rows.iter().map(|row| row.text(0).to_owned()).collect()
    }

    /// Appends an event that only a newer program could read.
    pub async fn append_unreadable(&self, category: &str, id: &str) {
        let event = r#"{"version":1,"type":"lead.flew","payload":{}}"#;
        self.append_raw(category, id, event).await;
    }

    /// Appends an event as it is stored.
    pub async fn append_raw(&self, category: &str, id: &str, event: &str) -> Position {
        let stream = StreamId::try_new("main", category, id).unwrap();
        // As it is stored: what stands there already may be unreadable too.
        let before = self.journal.read_sealed(0, 0, 1000).await.unwrap();
        let mut commits = before.iter().filter_map(Entry::commit);
        let last = commits
            .rfind(|held| held.commit.stream() == stream)
            .unwrap();
        let commit = Commit {
            commit_id: commands::clock::fresh_id(),
            first_version: last.commit.last_version() + 1,
            events: vec![serde_json::value::RawValue::from_string(event.to_owned()).unwrap()],
            prev_hash: Some(last.hash),
            ..last.commit.clone()
        };
        self.journal
            .append(Sealed::try_new(&commit).unwrap(), last.position.sequence)
            .await
            .unwrap()
    }

    pub async fn active(&self, name: &str) -> (u32, u32) {
        let active = self.registry.active(name).await.unwrap().unwrap();
        (active.version, active.number)
    }

    pub async fn over(&self, journal: Journal) -> Self {
        let registry = Registry::open(self.registry.db().clone()).await.unwrap();
        Self::new(journal, registry, Clock::System)
    }
}

pub fn main_workspace() -> Token {
    Token::try_new("main").unwrap()
}

pub async fn open(desk: &Desk, lead: u64) -> Position {
    let origin = Origin::new(main_workspace(), "test");
    let command = LeadCommand::Open {
        source: LeadSource::Manual,
        business_domain: None,
        contact: None,
        edit: Edit::default(),
        begins: Place::of_a_lead(),
    };
    desk.send::<Lead>(LeadId(lead), command, &origin)
        .await
        .unwrap()
        .position()
}

pub async fn contact(desk: &Desk, lead: u64) -> Position {
    let origin = Origin::new(main_workspace(), "test");
    let command = LeadCommand::ChangeStage {
        to: built_in::CONTACTED,
        seen: None,
        reason: None,
        table: built_in::sales_team(),
    };
    desk.send::<Lead>(LeadId(lead), command, &origin)
        .await
        .unwrap()
        .position()
}

/// The pipelines that every workspace has.
pub fn built_in_tables() -> Vec<domain::pipeline::table::Table> {
    built_in::ALL
        .into_iter()
        .filter_map(built_in::table)
        .collect()
}
