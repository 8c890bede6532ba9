//! Keeps the facts of all leads and sales: as counts, and as rows that say when each was known.
//!
//! Four tables of each generation: `reports` has a [`Journey`] per lead, `reports_sales` the lead of each
//! sale, `reports_counts` sums by slot and by all that describes a fact, `reports_facts` each fact with
//! the time in which it was known.
//!
//! A count that comes to nothing is deleted, with what somebody wrote in it. Where a person is forgotten,
//! all rows of the lead lose their words in the same transaction. No word stands in an index: PostgreSQL
//! keeps parts of keys there that are deleted.
//!
//! - `route`: which leads a batch of changes touches
//! - `counts`: what facts are counted for
//! - `tables`: the four tables, and their rows

mod counts;
mod route;
mod tables;

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::future::{BoxFuture, FutureExt as _};
use journal::token::{StreamId, Token};

use super::journey::Journey;
use crate::change::Followed;
use crate::db::{Db, DbError, Statement, Value};
use crate::projection::{Plan, Screen};
use crate::views::ScreenName;
use route::{Routed, Touch, opens, route};
use tables::{FactKey, ReportTables, fact_key, fact_row};

/// Its name, as ops see it and as its tables begin.
pub const NAME: &str = "reports";
/// Raise it when facts of the same events would come out otherwise: the tables are rebuilt.
pub const VERSION: u32 = 1;

/// What rows of `reports_counts` are keyed by, behind the workspace: `words` is made of [`WORDS`].
pub const COUNTED_BY: [&str; 10] = [
    "fact",
    "slot",
    "currency",
    "pipeline",
    "stage",
    "outcome",
    "source",
    "business_domain",
    "lasted",
    "words",
];
/// What people wrote.
pub const WORDS: [&str; 3] = ["owner", "reason", "tag"];
/// What they add up: how many, amounts in the two parts of [`total::parts`], milliseconds.
pub const SUMS: [&str; 4] = ["n", "minor_high", "minor_low", "milliseconds"];
/// Behind the name of a fact that is counted under each of its tags.
pub const PER_TAG: &str = "/tag";

/// The screen of reports.
pub struct Reports;

impl Reports {
    /// As reads know it.
    #[must_use]
    pub const fn screen() -> ScreenName {
        ScreenName {
            name: NAME,
            since: VERSION,
            until: VERSION,
        }
    }
}

impl Screen for Reports {
    fn name(&self) -> &'static str {
        NAME
    }

    fn version(&self) -> u32 {
        VERSION
    }

    fn create(&self, db: &Db, generation: u32) -> Vec<Statement> {
        ReportTables::of(generation).create(db)
    }

    fn tables(&self, generation: u32) -> Vec<String> {
        let tables = ReportTables::of(generation);
        let journeys = tables.journeys.name().to_owned();
        vec![journeys, tables.counts, tables.facts]
    }

    fn plan<'a>(
        &'a self,
        db: &'a Db,
        generation: u32,
        changes: &'a [Followed],
        parked: &'a HashSet<StreamId>,
    ) -> BoxFuture<'a, Result<Plan, DbError>> {
        async move {
            let tables = ReportTables::of(generation);
            let Routed { touched, poisoned } = route(db, &tables, changes, parked).await?;
            let statements = write(db, &tables, touched).await?;
            Ok(Plan {
                statements,
                poisoned,
            })
        }
        .boxed()
    }
}

/// Workspace and number of a lead.
type Key = (Token, u64);

/// What is written for these changes.
async fn write(
    db: &Db,
    tables: &ReportTables,
    touched: Vec<(Key, Touch<'_>)>,
) -> Result<Vec<Statement>, DbError> {
    let begins = |touch: &Touch<'_>| matches!(touch, Touch::Lead(change) if change.begins());
    let begun: HashSet<&Key> = touched
        .iter()
        .filter(|(_, touch)| begins(touch))
        .map(|(key, _)| key)
        .collect();
    let known = touched.iter().map(|(key, _)| key);
    let known = known.filter(|key| !begun.contains(key));
    let before: HashMap<Key, Journey> = tables.journeys.load(db, known).await?;
    let mut after: HashMap<Key, Journey> = HashMap::new();
    let mut sales: Vec<Vec<Value>> = Vec::new();
    let mut statements = Vec::new();
    let mut rows: BTreeMap<FactKey, Vec<Value>> = BTreeMap::new();
    for (key, touch) in touched {
        let loaded = || before.get(&key).cloned();
        let mut journey = after
            .remove(&key)
            .or_else(loaded)
            .unwrap_or_else(|| Journey::of(key.1));
        let changed = match touch {
            Touch::Lead(change) => journey.lead_changed(change),
            Touch::Sale(id, change) => {
                if opens(change).is_some() {
                    sales.push(tables::row_of_sale(&key, id));
                }
                journey.sale_changed(id, change)
            }
            Touch::Forget(change) => journey.forgot(change),
        };
        let erases = matches!(touch, Touch::Forget(_));
        rows.extend(
            changed
                .iter()
                .map(|known| (fact_key(&key, known), fact_row(&key, known))),
        );
        if erases {
            // What was known before loses its words, what is known later has those of somebody else.
            let known = std::mem::take(&mut rows).into_values().collect();
            statements.extend(tables.put_facts(db, known));
            statements.push(tables.forget(db, &key));
        }
        after.insert(key, journey);
    }
    statements.extend(tables.put_facts(db, rows.into_values().collect()));
    let journeys = after.iter().map(tables::row_of_journey);
    let journeys = journeys.collect::<Result<_, _>>()?;
    statements.extend(tables.journeys.put(db, journeys));
    statements.extend(tables.sales.put(db, sales));
    statements.extend(tables.add_counts(db, counts::differences(&before, &after)));
    Ok(statements)
}
