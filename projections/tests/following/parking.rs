//! A record that cannot be shown is parked with its screen, and nothing else stands still.

use std::sync::Arc;

use projections::change::Change;
use projections::leads::Leads;
use projections::projection::{Projection, Shown, screen};

use crate::kept::{Kept, contact, main_workspace, open};

pub async fn a_parked_record_forgets_who_was_erased(kept: Kept) {
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
    assert_eq!(parked.len(), 3, "it stays parked");
    for parked in parked {
        assert_eq!(parked.reason, "parked before the person was erased");
    }
}

pub async fn a_poisoned_record_stops_itself_and_nothing_else(kept: Kept) {
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
            ("leads", "main.lead.1", "0:2"),
            ("reports", "main.lead.1", "0:2")
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
            columns: Vec::new(),
            body,
        }
    }

    fn counts(record: &Self::Record) -> Vec<(Vec<String>, i64)> {
        // Beyond what the column holds once it is counted twice.
        let count = if record.version == 2 { i64::MAX } else { 1 };
        vec![(vec!["all".into()], count)]
    }
}

pub async fn a_change_that_the_database_refuses_is_parked(kept: Kept) {
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
