//! What the follower promises, on SQLite and on PostgreSQL: nothing counts twice, nothing goes
//! back, a poisoned record stops itself and nothing else, and a rebuild is not noticed.

mod kept;
mod modelled;
mod periods;
mod timers;
mod upgrades;

use std::sync::Arc;
use std::time::Duration;

use commands::clock::Clock;
use commands::desk::Desk;
use commands::origin::Origin;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::stage::{LeadSource, LeadStage};
use journal::Journal;
use journal::entry::Entry;
use journal::envelope::{Commit, Sealed};
use journal::memory::MemoryJournal;
use journal::position::Position;
use journal::token::{StreamId, Token};
use kept::Kept;
use periods::{
    a_period_holds_what_came_in_in_it, tables_of_the_version_before_answer_what_they_can,
};
use projections::change::Change;
use projections::dashboard;
use projections::follower::FollowError;
use projections::leads::Leads;
use projections::period::When;
use projections::projection::{Projection, Screen, Shown, newest, screen};
use projections::registry::Registry;
use stories::servers::eventually;
use timers::a_clock_that_was_years_ahead_keeps_no_timer_from_coming_due;
use upgrades::{
    a_build_that_cannot_go_on_disturbs_nobody, a_new_screen_is_built_beside_the_others,
    a_raised_version_answers_from_the_one_before_until_it_is_built,
    nothing_is_left_of_a_generation_that_was_replaced, what_reads_see_does_not_go_back_with_a_flip,
};

macro_rules! on_both_databases {
    ($($story:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() { super::$story(super::Kept::in_sqlite().await).await; })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() { super::$story(super::Kept::in_postgres().await).await; })+
        }
    };
}

on_both_databases!(
    every_event_counts_once_whoever_follows,
    a_rebuild_under_load_is_not_noticed,
    a_new_version_takes_over_and_an_old_program_does_not_take_it_back,
    a_poisoned_record_stops_itself_and_nothing_else,
    a_parked_record_forgets_who_was_erased,
    a_change_that_the_database_refuses_is_parked,
    another_log_is_refused,
    a_checkpoint_ahead_of_the_log_is_refused,
    a_check_under_load_finds_nothing_wrong,
    a_read_that_asks_for_the_future_is_told_to_wait,
    a_keeper_that_died_with_its_clock_an_hour_ahead_is_replaced,
    a_clock_that_was_years_ahead_keeps_no_timer_from_coming_due,
    a_period_holds_what_came_in_in_it,
    tables_of_the_version_before_answer_what_they_can,
    a_new_screen_is_built_beside_the_others,
    a_raised_version_answers_from_the_one_before_until_it_is_built,
    what_reads_see_does_not_go_back_with_a_flip,
    a_build_that_cannot_go_on_disturbs_nobody,
    nothing_is_left_of_a_generation_that_was_replaced,
);

fn main_workspace() -> Token {
    Token::try_new("main").unwrap()
}

async fn open(desk: &Desk, lead: u64) -> Position {
    let origin = Origin::new(main_workspace(), "test");
    let command = LeadCommand::Open {
        source: LeadSource::Manual,
        business_domain: None,
        contact: None,
    };
    desk.send::<Lead>(LeadId(lead), command, &origin)
        .await
        .unwrap()
        .position()
}

async fn contact(desk: &Desk, lead: u64) -> Position {
    let origin = Origin::new(main_workspace(), "test");
    let command = LeadCommand::ChangeStage {
        to: LeadStage::Contacted,
        seen: None,
        reason: None,
    };
    desk.send::<Lead>(LeadId(lead), command, &origin)
        .await
        .unwrap()
        .position()
}

/// Two processes follow one log into one database; one of them dies and comes back all the time.
async fn every_event_counts_once_whoever_follows(kept: Kept) {
    let steady = kept.follow("steady", projections::screens());
    let mut last = open(&kept.desk, 1).await;
    for lead in 2..=200 {
        let restless = kept.follow("restless", projections::screens());
        last = open(&kept.desk, lead).await;
        if lead % 2 == 0 {
            last = contact(&kept.desk, lead).await;
        }
        // Not with the last one: whoever takes it then dies with it, and its lease has to run out.
        if lead % 50 == 0 && lead < 200 {
            kept.let_go("steady").await;
        }
        drop(restless);
    }
    let reader = kept.views.reader(main_workspace(), last);
    let leads = dashboard::leads_by_stage(&reader, &When::default())
        .await
        .unwrap();
    let counts: Vec<_> = leads.iter().map(|stage| stage.count).collect();
    assert_eq!(counts, [100, 100, 0, 0, 0]);
    drop(steady);
}

async fn a_keeper_that_died_with_its_clock_an_hour_ahead_is_replaced(kept: Kept) {
    let ahead = Clock::manual(Clock::System.now() + jiff::SignedDuration::from_hours(1));
    let dead = kept.follow_by("ahead", projections::screens(), ahead);
    let first = open(&kept.desk, 1).await;
    let reader = kept.views.reader(main_workspace(), first);
    assert!(reader.card::<Leads>(1).await.unwrap().is_some());
    drop(dead);
    let _alive = kept.follow("alive", projections::screens());
    let second = open(&kept.desk, 2).await;
    let reader = kept.views.reader(main_workspace(), second);
    let shown = async || {
        reader
            .card::<Leads>(2)
            .await
            .is_ok_and(|card| card.is_some())
    };
    assert!(
        eventually(shown).await,
        "nobody keeps the read models for an hour"
    );
}

/// A process starts while others append and follow.
async fn a_check_under_load_finds_nothing_wrong(kept: Kept) {
    let _follower = kept.follow("one", projections::screens());
    let desk = kept.desk.clone();
    let writer = tokio::spawn(async move {
        for lead in 1..=500 {
            open(&desk, lead).await;
        }
    });
    while !writer.is_finished() {
        kept.check("other").await.unwrap();
    }
    writer.await.unwrap();
}

/// Readers look all the time, and every answer must be one that was true.
async fn a_rebuild_under_load_is_not_noticed(kept: Kept) {
    let _follower = kept.follow("one", projections::screens());
    let mut last = open(&kept.desk, 1).await;
    for lead in 2..=50 {
        last = open(&kept.desk, lead).await;
    }
    let reader = kept.views.reader(main_workspace(), last);
    assert!(
        reader.card::<Leads>(50).await.unwrap().is_some(),
        "there is something to rebuild"
    );
    let (views, desk) = (kept.views.clone(), kept.desk.clone());
    let writer = tokio::spawn(async move {
        let mut told = Vec::new();
        for lead in 51..=150 {
            let position = open(&desk, lead).await;
            let reader = views.reader(main_workspace(), position);
            let counted = dashboard::read(&reader, &When::default())
                .await
                .unwrap()
                .total_leads;
            assert!(
                counted >= lead,
                "lead {lead} was told, and {counted} are shown"
            );
            told.push(counted);
        }
        assert!(told.is_sorted(), "what is shown never goes back");
    });
    for generation in 2..=4 {
        let (screens, heads) = (projections::screens(), kept.journal.heads().await.unwrap());
        let leads = screens
            .iter()
            .find(|screen| screen.name() == Leads::NAME)
            .unwrap();
        kept.registry
            .begin(&**leads, &kept.journal.identity(), &heads)
            .await
            .unwrap();
        assert!(
            eventually(async || kept.active("leads").await == (Leads::VERSION, generation)).await
        );
    }
    writer.await.unwrap();
    assert_eq!(
        kept.registry.generations().await.unwrap().len(),
        newest(&projections::screens()).count(),
        "old ones are gone"
    );
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
                filters: Vec::new(),
                body: Some(format!("{{\"later\":{body}}}")),
            })
            .unwrap_or_default()
    }
}

async fn a_new_version_takes_over_and_an_old_program_does_not_take_it_back(kept: Kept) {
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

async fn a_parked_record_forgets_who_was_erased(kept: Kept) {
    let _follower = kept.follow("one", projections::screens());
    open(&kept.desk, 1).await;
    kept.append_unreadable("lead", "1").await;
    let position = open(&kept.desk, 2).await;
    let reader = kept.views.reader(main_workspace(), position);
    assert!(reader.card::<Leads>(1).await.unwrap().is_some());
    let forgotten = r#"{"version":1,"type":"lead.forgotten","payload":{}}"#;
    let position = kept.append_raw("lead", "1", forgotten).await;
    let reader = kept.views.reader(main_workspace(), position);
    assert!(reader.card::<Leads>(1).await.unwrap().is_none());
    assert!(reader.card::<Leads>(2).await.unwrap().is_some());
    let parked = kept.registry.parked().await.unwrap();
    assert_eq!(parked.len(), 2, "it stays parked");
    for parked in parked {
        assert_eq!(parked.reason, "parked before the person was erased");
    }
}

async fn a_poisoned_record_stops_itself_and_nothing_else(kept: Kept) {
    let _follower = kept.follow("one", projections::screens());
    open(&kept.desk, 1).await;
    kept.append_unreadable("lead", "1").await;
    let last = open(&kept.desk, 2).await;
    let reader = kept.views.reader(main_workspace(), last);
    assert!(reader.card::<Leads>(2).await.unwrap().is_some());
    assert!(
        reader.card::<Leads>(1).await.unwrap().is_some(),
        "it is shown as it was before"
    );
    let funnel = reader.card::<projections::funnel::Funnel>(2).await;
    funnel.expect("the other screen of leads has seen it too");
    let parked = kept.registry.parked().await.unwrap();
    let told: Vec<_> = parked
        .iter()
        .map(|parked| {
            (
                parked.projection.as_str(),
                parked.stream.as_str(),
                parked.position.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("funnel", "main.lead.1", "0:2"),
            ("leads", "main.lead.1", "0:2")
        ]
    );
    assert!(
        parked[0]
            .reason
            .contains("a newer program wrote it: lead.flew"),
        "{}",
        parked[0].reason
    );
}

/// Shows what no database takes for lead 1: a row whose answer is a NUL, or is too large.
struct Unkeepable;

impl Projection for Unkeepable {
    const NAME: &'static str = "unkeepable";
    const VERSION: u32 = 1;
    const CATEGORY: &'static str = Leads::CATEGORY;
    type Record = <Leads as Projection>::Record;
    const COUNTED_BY: &'static [&'static str] = &["what"];

    fn apply(record: Self::Record, change: &Change) -> Self::Record {
        Leads::apply(record, change)
    }

    fn shown(id: u64, record: &Self::Record) -> Shown {
        let body = if id == 1 {
            None
        } else {
            Leads::shown(id, record).body
        };
        Shown {
            filters: Vec::new(),
            body,
        }
    }

    fn counts(record: &Self::Record) -> Vec<(Vec<String>, i64)> {
        // Beyond what the column holds once it is counted twice.
        let count = if record.version == 2 { i64::MAX } else { 1 };
        vec![(vec!["all".into()], count)]
    }
}

async fn a_change_that_the_database_refuses_is_parked(kept: Kept) {
    if kept.is_sqlite() {
        // SQLite turns a sum that is too large into a real number instead of refusing it.
        return;
    }
    let _follower = kept.follow("one", Arc::new([screen::<Unkeepable>()]));
    open(&kept.desk, 1).await;
    let last = open(&kept.desk, 2).await;
    kept.views
        .reader(main_workspace(), last)
        .card::<Unkeepable>(2)
        .await
        .unwrap();
    contact(&kept.desk, 1).await;
    contact(&kept.desk, 2).await;
    let last = open(&kept.desk, 3).await;
    let reader = kept.views.reader(main_workspace(), last);
    assert!(
        reader.card::<Unkeepable>(3).await.unwrap().is_some(),
        "the rest goes on"
    );
    let parked = kept.registry.parked().await.unwrap();
    assert!(
        !parked.is_empty()
            && parked
                .iter()
                .all(|parked| parked.reason.contains("out of range")),
        "{parked:?}"
    );
}

async fn another_log_is_refused(kept: Kept) {
    let follower = kept.follow("one", projections::screens());
    let last = open(&kept.desk, 1).await;
    kept.views
        .reader(main_workspace(), last)
        .card::<Leads>(1)
        .await
        .unwrap();
    drop(follower);
    let other = kept.over(Journal::from(MemoryJournal::new())).await;
    let refusal = other.check("one").await.unwrap_err();
    assert!(
        matches!(&refusal, FollowError::OtherLog { .. }),
        "{refusal}"
    );
    assert!(
        refusal.to_string().contains("DATABASE_URL"),
        "it says what to do: {refusal}"
    );
}

async fn a_checkpoint_ahead_of_the_log_is_refused(kept: Kept) {
    let follower = kept.follow("one", projections::screens());
    let last = open(&kept.desk, 1).await;
    kept.views
        .reader(main_workspace(), last)
        .card::<Leads>(1)
        .await
        .unwrap();
    drop(follower);
    kept.pretend_to_have_seen(Position {
        partition: 0,
        sequence: 1_000_000,
    })
    .await;
    let refusal = kept.check("one").await.unwrap_err();
    assert!(
        matches!(&refusal, FollowError::LostData { .. }),
        "{refusal}"
    );
}

async fn a_read_that_asks_for_the_future_is_told_to_wait(kept: Kept) {
    let _follower = kept.follow("one", projections::screens());
    let last = open(&kept.desk, 1).await;
    let future = Position {
        sequence: last.sequence + 1,
        ..last
    };
    let reader = kept.views.reader(main_workspace(), future);
    let asked = tokio::spawn(async move { reader.card::<Leads>(2).await });
    tokio::task::yield_now().await;
    assert!(!asked.is_finished(), "it waits");
    open(&kept.desk, 2).await;
    let shown = tokio::time::timeout(Duration::from_secs(30), asked)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(shown.is_some(), "until it can answer");
}

impl Kept {
    /// Appends an event that only a newer program could read.
    async fn append_unreadable(&self, category: &str, id: &str) {
        let event = r#"{"version":1,"type":"lead.flew","payload":{}}"#;
        self.append_raw(category, id, event).await;
    }

    /// Appends an event as it is stored.
    async fn append_raw(&self, category: &str, id: &str, event: &str) -> Position {
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

    async fn active(&self, name: &str) -> (u32, u32) {
        let active = self.registry.active(name).await.unwrap().unwrap();
        (active.version, active.number)
    }

    async fn over(&self, journal: Journal) -> Self {
        let registry = Registry::open(self.registry.db().clone()).await.unwrap();
        Self::new(journal, registry, Clock::System)
    }
}
