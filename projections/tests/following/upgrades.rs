//! A newer program starts on a log that has history: what it has of its own is built beside the
//! screens that there are, and nobody who reads those notices.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use journal::position::Position;
use journal::token::StreamId;
use projections::change::{Change, Followed};
use projections::dashboard;
use projections::db::{Db, DbError, Statement};
use projections::due::Due;
use projections::leads::Leads;
use projections::listing::{Listing, RowChange, listing};
use projections::period::When;
use projections::projection::{Plan, Projection, Screen, Shown, screen};
use projections::registry::{Generation, State};
use projections::views::ScreenName;
use sea_query::Query;
use stories::servers::eventually;
use tokio::sync::Semaphore;

use crate::kept::{Kept, main_workspace, open};

/// Leads that there are before the newer program starts.
const HISTORY: u64 = 600;

/// A screen that is built only once a test lets it, or never.
struct Held {
    screen: Box<dyn Screen>,
    gate: Arc<Semaphore>,
    fails: bool,
}

fn held(screen: Box<dyn Screen>, gate: &Arc<Semaphore>) -> Box<dyn Screen> {
    let gate = Arc::clone(gate);
    Box::new(Held {
        screen,
        gate,
        fails: false,
    })
}

impl Screen for Held {
    fn name(&self) -> &'static str {
        self.screen.name()
    }

    fn version(&self) -> u32 {
        self.screen.version()
    }

    fn create(&self, db: &Db, generation: u32) -> Vec<Statement> {
        self.screen.create(db, generation)
    }

    fn tables(&self, generation: u32) -> Vec<String> {
        self.screen.tables(generation)
    }

    fn plan<'a>(
        &'a self,
        db: &'a Db,
        generation: u32,
        changes: &'a [Followed],
        parked: &'a HashSet<StreamId>,
    ) -> BoxFuture<'a, Result<Plan, DbError>> {
        async move {
            if self.fails {
                return Err(DbError::Unavailable("a test wants it so".into()));
            }
            drop(self.gate.acquire().await.unwrap());
            self.screen.plan(db, generation, changes, parked).await
        }
        .boxed()
    }
}

/// A screen that no program had before.
struct Novel;

impl Projection for Novel {
    const NAME: &'static str = "novel";
    const VERSION: u32 = 1;
    const CATEGORY: &'static str = Leads::CATEGORY;
    type Record = <Leads as Projection>::Record;

    fn apply(record: Self::Record, change: &Change) -> Self::Record {
        Leads::apply(record, change)
    }

    fn shown(id: u64, record: &Self::Record) -> Shown {
        Shown {
            columns: Vec::new(),
            ..Leads::shown(id, record)
        }
    }
}

/// The leads as a newer program shows them, which can also read those of the program before.
struct Newer;

const LATER: u32 = Leads::VERSION + 1;

impl Projection for Newer {
    const NAME: &'static str = Leads::NAME;
    const VERSION: u32 = LATER;
    const READ_SINCE: u32 = Leads::VERSION;
    const CATEGORY: &'static str = Leads::CATEGORY;
    type Record = <Leads as Projection>::Record;

    fn apply(record: Self::Record, change: &Change) -> Self::Record {
        Leads::apply(record, change)
    }

    fn shown(id: u64, record: &Self::Record) -> Shown {
        let body = Leads::shown(id, record).body;
        Shown {
            columns: Vec::new(),
            body: body.map(|body| format!(r#"{{"newer":{body}}}"#)),
        }
    }
}

/// The leads, as a later version might show them.
struct LaterLeads;

impl Projection for LaterLeads {
    const NAME: &'static str = Leads::NAME;
    const VERSION: u32 = Leads::VERSION + 1;
    const CATEGORY: &'static str = Leads::CATEGORY;
    type Record = <Leads as Projection>::Record;

    fn apply(record: Self::Record, change: &Change) -> Self::Record {
        Leads::apply(record, change)
    }

    fn shown(id: u64, record: &Self::Record) -> Shown {
        Leads::shown(id, record)
            .body
            .map(|body| Shown {
                columns: Vec::new(),
                body: Some(format!("{{\"later\":{body}}}")),
            })
            .unwrap_or_default()
    }
}

/// What is due, as a newer program lists it.
struct NewerDue;

impl Listing for NewerDue {
    const NAME: &'static str = Due::NAME;
    const VERSION: u32 = Due::VERSION + 1;
    const READ_SINCE: u32 = Due::VERSION;
    const COLUMNS: &'static [projections::db::Column] = Due::COLUMNS;
    const KEY: usize = Due::KEY;
    const INDEXED: &'static [&'static [&'static str]] = Due::INDEXED;

    fn rows(change: &Change) -> Vec<RowChange> {
        Due::rows(change)
    }
}

impl Kept {
    /// History, shown by the program of today, which then stops.
    async fn with_history(&self) -> Position {
        let follower = self.follow("old", projections::screens());
        let mut last = open(&self.desk, 1).await;
        for lead in 2..=HISTORY {
            last = open(&self.desk, lead).await;
        }
        let reader = self.views.reader(main_workspace(), last);
        assert!(reader.card::<Leads>(HISTORY).await.unwrap().is_some());
        assert_eq!(
            dashboard::read(&reader, &When::default(), &crate::kept::built_in_tables())
                .await
                .unwrap()
                .total_leads,
            HISTORY
        );
        drop(follower);
        self.let_go("old").await;
        last
    }

    async fn generation(&self, name: &str, number: u32) -> Option<Generation> {
        let all = self.registry.generations().await.unwrap();
        all.into_iter()
            .find(|known| known.name == name && known.number == number)
    }
}

fn with(more: impl IntoIterator<Item = Box<dyn Screen>>) -> Arc<[Box<dyn Screen>]> {
    let today = [
        screen::<Leads>(),
        screen::<projections::sales::Sales>(),
        screen::<projections::funnel::Funnel>(),
        listing::<Due>(),
    ];
    more.into_iter().chain(today).collect()
}

pub async fn a_new_version_takes_over_and_an_old_program_does_not_take_it_back(kept: Kept) {
    let old = kept.follow("old", projections::screens());
    let last = open(&kept.desk, 1).await;
    let reader = kept.views.reader(main_workspace(), last);
    assert!(reader.card::<Leads>(1).await.unwrap().is_some());
    let later: Arc<[Box<dyn Screen>]> = Arc::new([screen::<LaterLeads>()]);
    let new = kept.follow("new", later);
    assert!(
        eventually(async || kept.active("leads").await == (LaterLeads::VERSION, 2)).await,
        "beside the old program it takes over"
    );
    let last = open(&kept.desk, 2).await;
    let reader = kept.views.reader(main_workspace(), last);
    assert!(
        reader
            .card::<LaterLeads>(2)
            .await
            .unwrap()
            .unwrap()
            .starts_with(r#"{"later""#)
    );
    drop((old, new));
    kept.let_go("old").await;
    kept.let_go("new").await;
    // Only the old program is left: it must not rebuild what the newer one made.
    let _old = kept.follow("old again", projections::screens());
    let last = open(&kept.desk, 3).await;
    let sales = kept.views.reader(main_workspace(), last);
    assert!(
        sales
            .card::<projections::funnel::Funnel>(3)
            .await
            .unwrap()
            .is_none(),
        "the others go on"
    );
    assert_eq!(kept.active("leads").await, (LaterLeads::VERSION, 2));
}

pub async fn a_new_screen_is_built_beside_the_others(kept: Kept) {
    kept.with_history().await;
    let gate = Arc::new(Semaphore::new(0));
    let _newer = kept.follow("newer", with([held(screen::<Novel>(), &gate)]));
    for lead in HISTORY + 1..HISTORY + 20 {
        let told = open(&kept.desk, lead).await;
        let reader = kept.views.reader(main_workspace(), told);
        let card = reader.card::<Leads>(lead).await.unwrap();
        assert!(card.is_some(), "the others do not wait for it");
    }
    let novel = kept.generation("novel", 1).await.unwrap();
    assert_eq!(novel.state, State::Building, "it shows nothing half done");
    gate.add_permits(1);
    let last = open(&kept.desk, HISTORY + 20).await;
    let reader = kept.views.reader(main_workspace(), last);
    let built = async || {
        let card = reader.card::<Novel>(HISTORY + 20).await;
        card.is_ok_and(|card| card.is_some())
    };
    assert!(eventually(built).await, "then it shows everything");
    assert!(reader.card::<Novel>(1).await.unwrap().is_some());
}

pub async fn a_raised_version_answers_from_the_one_before_until_it_is_built(kept: Kept) {
    kept.with_history().await;
    let gate = Arc::new(Semaphore::new(0));
    let raised = [
        held(screen::<Newer>(), &gate),
        held(listing::<NewerDue>(), &gate),
    ];
    let _newer = kept.follow("newer", with(raised));
    let begun = async || kept.generation("leads", 2).await.is_some();
    assert!(eventually(begun).await);
    for lead in HISTORY + 1..HISTORY + 20 {
        let told = open(&kept.desk, lead).await;
        let reader = kept.views.reader(main_workspace(), told);
        let card = reader.card::<Newer>(lead).await.unwrap().unwrap();
        assert!(!card.contains("newer"), "from the version before: {card}");
        let rows = reader.rows::<Newer>(|tables| {
            let mut query = Query::select();
            query.column("id").from(tables.records());
            query
        });
        assert_eq!(rows.await.unwrap().len() as u64, lead, "and up to date");
    }
    let timers = |tables: &projections::table::Tables| {
        let mut query = Query::select();
        query.column("id").from(tables.records());
        query
    };
    let due = kept.views.rows(ScreenName::listing::<NewerDue>(), timers);
    due.await.expect("timers are read, and tick");
    gate.add_permits(1);
    let last = open(&kept.desk, HISTORY + 20).await;
    let reader = kept.views.reader(main_workspace(), last);
    let built = async || {
        let card = reader.card::<Newer>(1).await.unwrap().unwrap();
        card.contains("newer")
    };
    assert!(eventually(built).await, "then from the new one");
    let card = reader.card::<Newer>(HISTORY + 20).await.unwrap();
    assert!(card.is_some(), "which is not behind");
}

pub async fn what_reads_see_does_not_go_back_with_a_flip(kept: Kept) {
    let last = kept.with_history().await;
    let (log, heads) = (kept.journal.identity(), kept.journal.heads().await.unwrap());
    let next = screen::<Newer>();
    let next = kept.registry.begin(&*next, &log, &heads).await.unwrap();
    let nothing = Position {
        sequence: 0,
        ..last
    };
    let behind = Position {
        sequence: last.sequence - 1,
        ..last
    };
    for seen in [nothing, behind] {
        assert!(!kept.registry.flip(&next, &[seen]).await.unwrap());
    }
    let reader = kept.views.reader(main_workspace(), last);
    assert!(reader.card::<Leads>(HISTORY).await.unwrap().is_some());
    assert!(kept.registry.flip(&next, &[last]).await.unwrap());
    let other = Generation {
        epoch: next.epoch + 1,
        ..next
    };
    assert!(
        !kept.registry.flip(&other, &[last]).await.unwrap(),
        "only its keeper flips it"
    );
}

pub async fn a_build_that_cannot_go_on_disturbs_nobody(kept: Kept) {
    kept.with_history().await;
    let broken = Box::new(Held {
        screen: screen::<Novel>(),
        gate: Arc::new(Semaphore::new(0)),
        fails: true,
    });
    let _newer = kept.follow("newer", with([broken as Box<dyn Screen>]));
    let begun = async || kept.generation("novel", 1).await.is_some();
    assert!(eventually(begun).await);
    let before = kept.generation("leads", 1).await.unwrap().epoch;
    for lead in HISTORY + 1..HISTORY + 20 {
        let told = open(&kept.desk, lead).await;
        let reader = kept.views.reader(main_workspace(), told);
        assert!(reader.card::<Leads>(lead).await.unwrap().is_some());
    }
    let after = kept.generation("leads", 1).await.unwrap().epoch;
    assert!(
        after <= before + 1,
        "they did not begin again: {before} {after}"
    );
}

pub async fn nothing_is_left_of_a_generation_that_was_replaced(kept: Kept) {
    kept.with_history().await;
    let _newer = kept.follow("newer", with([screen::<Newer>()]));
    let gone = async || {
        let tables = kept.tables().await;
        let old = |table: &String| table.contains("leads") && table.contains("_g1");
        tables
            .iter()
            .any(|table| table.contains("leads") && table.contains("_g2"))
            && !tables.iter().any(old)
    };
    assert!(eventually(gone).await, "{:?}", kept.tables().await);
}
