//! Keeps the facts of all leads and sales: as counts, and as rows that say when each was known.
//!
//! Four tables of each generation: `reports` has a [`Journey`] per lead, `reports_sales` the lead of each
//! sale, `reports_counts` sums by slot and by all that describes a fact, `reports_facts` each fact with
//! the time in which it was known.
//!
//! A count that comes to nothing is deleted, with what somebody wrote in it. Where a person is forgotten,
//! all rows of the lead lose their words in the same transaction. No word stands in an index: PostgreSQL
//! keeps parts of keys there that are deleted.

use std::collections::{BTreeMap, HashMap, HashSet};

use cqrs_es::Aggregate as _;
use domain::lead::aggregate::Lead;
use domain::sale::aggregate::Sale;
use domain::sale::event::SaleEvent;
use futures::future::{BoxFuture, FutureExt as _};
use journal::token::{StreamId, Token};
use sea_query::{ColumnDef, Expr, ExprTrait as _, Index, Query, Table};
use uuid::Uuid;

use super::facts::{Dimension, Fact};
use super::journey::{Journey, KnownFact};
use crate::change::{Change, Followed};
use crate::db::{Clash, Column, Db, DbError, Put, Statement, Value, signed};
use crate::histogram;
use crate::projection::{Plan, Poison, Screen};
use crate::slots;
use crate::table::{COUNTS, FACTS, SALES, Tables, named};
use crate::total;
use crate::views::ScreenName;

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

/// Columns of `reports_facts` that are its key.
const FACT_KEY: [Column; 5] = [
    Column::Text("workspace"),
    Column::Text("fact"),
    Column::Int("at"),
    Column::Int("id"),
    Column::Int("since"),
];
/// The others.
const FACT_ROW: [Column; 13] = [
    Column::Int("until"),
    Column::Int("lead"),
    Column::Text("currency"),
    Column::Text("pipeline"),
    Column::Text("stage"),
    Column::Text("outcome"),
    Column::Text("source"),
    Column::Text("business_domain"),
    Column::Text("owner"),
    Column::Text("reason"),
    Column::Text("tags"),
    Column::Int("minor"),
    Column::Int("milliseconds"),
];

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

/// The tables of one generation.
struct ReportTables {
    journeys: Tables,
    sales: Tables,
    counts: String,
    facts: String,
}

impl ReportTables {
    fn of(generation: u32) -> Self {
        let journeys = Tables::new(NAME, VERSION, generation, Vec::new(), &[]);
        let sales = format!("{NAME}{SALES}");
        Self {
            sales: Tables::new(&sales, VERSION, generation, Vec::new(), &[]),
            counts: journeys.part(COUNTS),
            facts: journeys.part(FACTS),
            journeys,
        }
    }

    fn create(&self, db: &Db) -> Vec<Statement> {
        let mut statements = self.journeys.create(db);
        statements.extend(self.sales.create(db));
        let key = std::iter::once("workspace").chain(COUNTED_BY);
        let key: Vec<_> = key.map(Column::Text).collect();
        let words = WORDS.map(Column::Text).into_iter();
        let rest: Vec<_> = words.chain(SUMS.map(Column::Int)).collect();
        statements.push(table(db, &self.counts, &key, &rest));
        // What comes to nothing is found at once, to be deleted.
        statements.push(bare(format!(
            "CREATE INDEX IF NOT EXISTS \"{0}_of_none\" ON \"{0}\" (\"workspace\") WHERE \"n\" = 0",
            self.counts
        )));
        statements.push(table(db, &self.facts, &FACT_KEY, &FACT_ROW));
        let mut index = Index::create();
        index
            .name(format!("{}_by_lead", self.facts))
            .if_not_exists();
        index.table(named(&self.facts)).col("workspace").col("lead");
        statements.push(db.create_index(&index));
        statements
    }

    fn put_facts(&self, db: &Db, rows: Vec<Vec<Value>>) -> Vec<Statement> {
        let columns: Vec<_> = FACT_KEY.into_iter().chain(FACT_ROW).collect();
        let put = Put {
            table: &self.facts,
            columns: &columns,
            key: FACT_KEY.len(),
            clash: Clash::Replace,
        };
        put.statements(db, rows)
    }

    fn add_counts(&self, db: &Db, rows: Vec<Vec<Value>>) -> Vec<Statement> {
        let key = std::iter::once("workspace").chain(COUNTED_BY);
        let texts = key.chain(WORDS).map(Column::Text);
        let columns: Vec<_> = texts.chain(SUMS.map(Column::Int)).collect();
        let add = Put {
            table: &self.counts,
            columns: &columns,
            key: 1 + COUNTED_BY.len(),
            clash: Clash::Add,
        };
        add.statements(db, rows)
    }

    /// Takes the words from all rows of a lead and its sales.
    fn forget(&self, db: &Db, (workspace, lead): &Key) -> Statement {
        let mut update = Query::update();
        update.table(named(&self.facts));
        update.value("owner", "").value("reason", "");
        update.value("tags", NO_TAGS);
        update.and_where(Expr::col("workspace").eq(workspace.as_str()));
        update.and_where(Expr::col("lead").eq(signed(*lead)));
        db.statement(&update)
    }
}

const NO_TAGS: &str = "[]";

/// Workspace and number of a lead.
type Key = (Token, u64);

/// What a change means for a lead and its sales.
enum Touch<'a> {
    Lead(&'a Change),
    Sale(u64, &'a Change),
    Forget(&'a Change),
}

struct Routed<'a> {
    touched: Vec<(Key, Touch<'a>)>,
    poisoned: Vec<Poison>,
}

/// Which leads these changes touch. Sales go by their lead.
async fn route<'a>(
    db: &Db,
    tables: &ReportTables,
    changes: &'a [Followed],
    parked: &HashSet<StreamId>,
) -> Result<Routed<'a>, DbError> {
    let mut poisoned: Vec<Poison> = Vec::new();
    let mut followed = Vec::new();
    for change in changes {
        let Some(stream) = change.stream().filter(is_followed) else {
            continue;
        };
        let stands = parked.contains(&stream) || poisoned.iter().any(|one| one.stream == stream);
        match change {
            // It does not follow the record any more, but it must not show for ever what was erased.
            Followed::Change(change) if stands && !change.erases() => {}
            Followed::Change(change) => match (&change.events, change.number()) {
                (Err(reason), _) if !change.erases() => {
                    poisoned.push(poison(stream, change, reason));
                }
                (_, None) => poisoned.push(poison(stream, change, "its id is no number")),
                (_, Some(id)) => followed.push((stream, id, change)),
            },
            Followed::Unreadable(_) if stands => {}
            Followed::Unreadable(unreadable) => poisoned.extend(Poison::of(unreadable)),
        }
    }
    let leads = leads_of_sales(db, tables, &followed).await?;
    let touch = |(stream, id, change): (StreamId, u64, &'a Change)| {
        let workspace = stream.workspace;
        if stream.category.as_str() == Sale::TYPE {
            let lead = *leads.get(&(workspace.clone(), id))?;
            return Some(((workspace, lead), Touch::Sale(id, change)));
        }
        let touch = if change.erases() {
            Touch::Forget(change)
        } else {
            Touch::Lead(change)
        };
        Some(((workspace, id), touch))
    };
    let touched = followed.into_iter().filter_map(touch).collect();
    Ok(Routed { touched, poisoned })
}

fn is_followed(stream: &StreamId) -> bool {
    [Lead::TYPE, Sale::TYPE].contains(&stream.category.as_str())
}

fn poison(stream: StreamId, change: &Change, reason: &str) -> Poison {
    Poison {
        stream,
        position: change.position(),
        reason: reason.to_owned(),
    }
}

/// The lead of each sale: as it says when it is opened, and as it said before.
async fn leads_of_sales(
    db: &Db,
    tables: &ReportTables,
    followed: &[(StreamId, u64, &Change)],
) -> Result<HashMap<Key, u64>, DbError> {
    let sales = followed
        .iter()
        .filter(|(stream, ..)| stream.category.as_str() == Sale::TYPE);
    let mut opened = HashMap::new();
    let mut before = Vec::new();
    for (stream, id, change) in sales {
        let key = (stream.workspace.clone(), *id);
        match opens(change) {
            Some(lead) => drop(opened.insert(key, lead)),
            None => before.push(key),
        }
    }
    before.retain(|key| !opened.contains_key(key));
    let mut leads: HashMap<Key, u64> = tables.sales.load(db, before.iter()).await?;
    leads.extend(opened);
    Ok(leads)
}

/// The lead of a sale that a change opens.
fn opens(change: &Change) -> Option<u64> {
    let mut events = change.events_of::<SaleEvent>();
    events.find_map(|event| match event {
        SaleEvent::Opened { lead, .. } => Some(lead.0),
        SaleEvent::StageChanged { .. } | SaleEvent::AmountChanged { .. } => None,
    })
}

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
                    sales.push(row_of_sale(&key, id));
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
    let journeys = after.iter().map(row_of_journey);
    let journeys = journeys.collect::<Result<_, _>>()?;
    statements.extend(tables.journeys.put(db, journeys));
    statements.extend(tables.sales.put(db, sales));
    let counts = differences(&before, &after);
    let less = counts
        .iter()
        .any(|row| matches!(row.get(COUNT_AT), Some(Value::Int(..0))));
    statements.extend(tables.add_counts(db, counts));
    if less {
        // Written out: an index of what is 0 serves no 0 that is bound.
        let none = format!("DELETE FROM \"{}\" WHERE \"n\" = 0", tables.counts);
        statements.push(bare(none));
    }
    Ok(statements)
}

/// Where rows of counts say how many.
const COUNT_AT: usize = 1 + COUNTED_BY.len() + WORDS.len();

fn row_of_sale((workspace, lead): &Key, sale: u64) -> Vec<Value> {
    vec![
        workspace.as_str().into(),
        sale.into(),
        Value::Null,
        lead.to_string().into(),
    ]
}

fn row_of_journey(((workspace, lead), journey): (&Key, &Journey)) -> Result<Vec<Value>, DbError> {
    let record =
        serde_json::to_string(journey).map_err(|error| DbError::Refused(error.to_string()))?;
    Ok(vec![
        workspace.as_str().into(),
        (*lead).into(),
        Value::Null,
        record.into(),
    ])
}

/// Workspace, kind, moment, number and since when: a row has one.
type FactKey = (Token, &'static str, i64, u64, i64);

fn fact_key((workspace, _): &Key, KnownFact { fact, since, .. }: &KnownFact) -> FactKey {
    let kind = fact.kind.as_str();
    (workspace.clone(), kind, fact.at, fact.id, *since)
}

fn fact_row((workspace, lead): &Key, known: &KnownFact) -> Vec<Value> {
    let KnownFact { fact, since, until } = known;
    let key = [
        workspace.as_str().into(),
        fact.kind.as_str().into(),
        fact.at.into(),
        fact.id.into(),
        (*since).into(),
        (*until).into(),
        (*lead).into(),
    ];
    let described = fact.described.iter().map(|text| text.as_str().into());
    let tags = serde_json::to_string(&fact.tags).unwrap_or_else(|_| NO_TAGS.to_owned());
    let rest = [
        tags.into(),
        fact.minor.into(),
        fact.lasted.unwrap_or(-1).into(),
    ];
    key.into_iter().chain(described).chain(rest).collect()
}

/// What the counts change by.
fn differences(before: &HashMap<Key, Journey>, after: &HashMap<Key, Journey>) -> Vec<Vec<Value>> {
    let mut sums: HashMap<(&Token, Vec<String>), [i64; 4]> = HashMap::new();
    for (key, journey) in after {
        let was = before.get(key).map(Journey::facts).unwrap_or_default();
        let is = journey.facts();
        let gone = was.iter().filter(|fact| !is.contains(fact));
        let come = is.iter().filter(|fact| !was.contains(fact));
        let changed = gone
            .map(|fact| (fact, -1))
            .chain(come.map(|fact| (fact, 1)));
        for (fact, sign) in changed {
            for (by, sum) in counted(fact) {
                let sums = sums.entry((&key.0, by)).or_default();
                for (all, more) in sums.iter_mut().zip(sum) {
                    *all = all.saturating_add(more * sign);
                }
            }
        }
    }
    // In one order everywhere, so that two transactions cannot wait for each other in a ring.
    let mut sums: Vec<_> = sums
        .into_iter()
        .filter(|(_, sums)| *sums != [0; 4])
        .collect();
    sums.sort();
    let row = |((workspace, by), sums): ((&Token, Vec<String>), [i64; 4])| {
        let key = std::iter::once(workspace.as_str().into()).chain(by.into_iter().map(Value::from));
        key.chain(sums.map(Value::Int)).collect()
    };
    sums.into_iter().map(row).collect()
}

/// What a fact is counted for: in each slot once, and once under each of its tags.
fn counted(fact: &Fact) -> Vec<(Vec<String>, [i64; 4])> {
    let [high, low] = total::halves(fact.minor);
    let sums = [1, high, low, fact.lasted.unwrap_or(0)];
    let lasted = fact.lasted.map(histogram::bucket).unwrap_or_default();
    let tags = fact.values(Dimension::Tag).into_iter();
    let tags = tags.map(|tag| (format!("{}{PER_TAG}", fact.kind.as_str()), tag));
    let names: Vec<_> = std::iter::once((fact.kind.as_str().to_owned(), ""))
        .chain(tags)
        .collect();
    let slots = slots::of_microsecond(fact.at);
    let mut all = Vec::with_capacity(slots.len() * names.len());
    let [owner, reason] = [Dimension::Owner, Dimension::Reason].map(|by| fact.values(by)[0]);
    let described = &fact.described[..Dimension::Owner.place()];
    for slot in slots {
        for (name, tag) in &names {
            let words = [owner, reason, tag];
            let key = [name.clone(), slot.clone()].into_iter();
            let key = key.chain(described.iter().cloned());
            let key = key.chain([lasted.clone(), key_of(words)]);
            all.push((key.chain(words.map(ToOwned::to_owned)).collect(), sums));
        }
    }
    all
}

/// Tells words apart without saying them.
fn key_of(words: [&str; 3]) -> String {
    if words == [""; 3] {
        return String::new();
    }
    let words = words.join("\n\0");
    Uuid::new_v5(&Uuid::NAMESPACE_OID, words.as_bytes()).to_string()
}

fn table(db: &Db, name: &str, key: &[Column], rest: &[Column]) -> Statement {
    let mut table = Table::create();
    table.table(named(name)).if_not_exists();
    let mut primary = Index::create();
    for column in key.iter().chain(rest) {
        let mut definition = ColumnDef::new(column.name());
        match (column, db) {
            (Column::Int(_), _) => definition.big_integer(),
            (Column::Text(_), Db::Sqlite(_)) => definition.text(),
            // In the order of their bytes, as in SQLite.
            (Column::Text(_), Db::Postgres(_)) => definition.text().extra("COLLATE \"C\""),
        };
        table.col(definition.not_null());
    }
    for column in key {
        primary.col(column.name());
    }
    table.primary_key(&mut primary);
    db.create_table(&table)
}

fn bare(sql: String) -> Statement {
    Statement {
        sql: sql.into(),
        values: Vec::new(),
        fences: false,
    }
}
