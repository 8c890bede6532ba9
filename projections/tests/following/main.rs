//! What the follower promises, on SQLite and on PostgreSQL: nothing counts twice, nothing goes
//! back, a poisoned record stops itself and nothing else, and a rebuild is not noticed.

mod deliveries;
mod kept;
mod modelled;
mod parking;
mod periods;
mod plans;
mod reported;
mod timers;
mod upgrades;

use std::time::Duration;

use commands::clock::Clock;
use journal::Journal;
use journal::memory::MemoryJournal;
use journal::position::Position;
use projections::dashboard;
use projections::follower::FollowError;
use projections::leads::Leads;
use projections::period::When;
use projections::projection::{Projection, newest};
use stories::servers::eventually;

use deliveries::what_ended_long_ago_is_forgotten_and_nothing_else;
use kept::{Kept, contact, main_workspace, open};
use parking::{
    a_change_that_the_database_refuses_is_parked, a_parked_record_forgets_who_was_erased,
    a_poisoned_record_stops_itself_and_nothing_else,
};
use periods::{
    a_period_holds_what_came_in_in_it, tables_of_the_version_before_answer_what_they_can,
};
use plans::{every_list_is_read_from_an_index, every_report_is_read_from_an_index};
use reported::reports_are_what_all_events_say;
use timers::a_clock_that_was_years_ahead_keeps_no_timer_from_coming_due;
use upgrades::{
    a_build_that_cannot_go_on_disturbs_nobody, a_new_screen_is_built_beside_the_others,
    a_new_version_takes_over_and_an_old_program_does_not_take_it_back,
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
    what_ended_long_ago_is_forgotten_and_nothing_else,
    a_period_holds_what_came_in_in_it,
    every_list_is_read_from_an_index,
    every_report_is_read_from_an_index,
    reports_are_what_all_events_say,
    tables_of_the_version_before_answer_what_they_can,
    a_new_screen_is_built_beside_the_others,
    a_raised_version_answers_from_the_one_before_until_it_is_built,
    what_reads_see_does_not_go_back_with_a_flip,
    a_build_that_cannot_go_on_disturbs_nobody,
    nothing_is_left_of_a_generation_that_was_replaced,
);

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
    let leads = dashboard::leads_by_stage(
        &reader,
        &When::default(),
        &domain::pipeline::built_in::sales_team(),
    )
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
            let counted =
                dashboard::read(&reader, &When::default(), &crate::kept::built_in_tables())
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
