//! The tables of reports, and their rows.

use journal::token::Token;
use sea_query::{Expr, ExprTrait as _, Index, Query, Table};

use super::{COUNTED_BY, Key, NAME, SUMS, VERSION, WORDS};
use crate::db::{Clash, Column, Db, DbError, Put, Statement, Value, signed};
use crate::reports::journey::{Journey, KnownFact};
use crate::table::{COUNTS, FACTS, SALES, Tables, definition, named};

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

/// As `reports_facts` holds that there are none.
const NO_TAGS: &str = "[]";
/// Where rows of counts say how many.
const COUNT_AT: usize = 1 + COUNTED_BY.len() + WORDS.len();

/// The tables of one generation.
pub(super) struct ReportTables {
    pub(super) journeys: Tables,
    pub(super) sales: Tables,
    pub(super) counts: String,
    pub(super) facts: String,
}

impl ReportTables {
    pub(super) fn of(generation: u32) -> Self {
        let journeys = Tables::new(NAME, VERSION, generation, Vec::new(), &[]);
        let sales = format!("{NAME}{SALES}");
        Self {
            sales: Tables::new(&sales, VERSION, generation, Vec::new(), &[]),
            counts: journeys.part(COUNTS),
            facts: journeys.part(FACTS),
            journeys,
        }
    }

    pub(super) fn create(&self, db: &Db) -> Vec<Statement> {
        let mut statements = self.journeys.create(db);
        statements.extend(self.sales.create(db));
        let key = std::iter::once("workspace").chain(COUNTED_BY);
        let key: Vec<_> = key.map(Column::Text).collect();
        let words = WORDS.map(Column::Text).into_iter();
        let rest: Vec<_> = words.chain(SUMS.map(Column::Int)).collect();
        statements.push(table(db, &self.counts, &key, &rest));
        // What comes to nothing is found at once, to be deleted.
        statements.push(plain(format!(
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

    pub(super) fn put_facts(&self, db: &Db, rows: Vec<Vec<Value>>) -> Vec<Statement> {
        let columns: Vec<_> = FACT_KEY.into_iter().chain(FACT_ROW).collect();
        let put = Put {
            table: &self.facts,
            columns: &columns,
            key: FACT_KEY.len(),
            clash: Clash::Replace,
        };
        put.statements(db, rows)
    }

    /// Adds to counts; those that come to nothing go.
    pub(super) fn add_counts(&self, db: &Db, rows: Vec<Vec<Value>>) -> Vec<Statement> {
        let key = std::iter::once("workspace").chain(COUNTED_BY);
        let texts = key.chain(WORDS).map(Column::Text);
        let columns: Vec<_> = texts.chain(SUMS.map(Column::Int)).collect();
        let add = Put {
            table: &self.counts,
            columns: &columns,
            key: 1 + COUNTED_BY.len(),
            clash: Clash::Add,
        };
        let less = rows
            .iter()
            .any(|row| matches!(row.get(COUNT_AT), Some(Value::Int(..0))));
        let mut statements = add.statements(db, rows);
        if less {
            // Written out: an index of what is 0 serves no 0 that is bound.
            let none = format!("DELETE FROM \"{}\" WHERE \"n\" = 0", self.counts);
            statements.push(plain(none));
        }
        statements
    }

    /// Takes the words from all rows of a lead and its sales.
    pub(super) fn forget(&self, db: &Db, (workspace, lead): &Key) -> Statement {
        let mut update = Query::update();
        update.table(named(&self.facts));
        update.value("owner", "").value("reason", "");
        update.value("tags", NO_TAGS);
        update.and_where(Expr::col("workspace").eq(workspace.as_str()));
        update.and_where(Expr::col("lead").eq(signed(*lead)));
        db.statement(&update)
    }
}

pub(super) fn row_of_sale((workspace, lead): &Key, sale: u64) -> Vec<Value> {
    vec![
        workspace.as_str().into(),
        sale.into(),
        Value::Null,
        lead.to_string().into(),
    ]
}

pub(super) fn row_of_journey(
    ((workspace, lead), journey): (&Key, &Journey),
) -> Result<Vec<Value>, DbError> {
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
pub(super) type FactKey = (Token, &'static str, i64, u64, i64);

pub(super) fn fact_key((workspace, _): &Key, KnownFact { fact, since, .. }: &KnownFact) -> FactKey {
    let kind = fact.kind.as_str();
    (workspace.clone(), kind, fact.at, fact.id, *since)
}

pub(super) fn fact_row((workspace, lead): &Key, known: &KnownFact) -> Vec<Value> {
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

fn table(db: &Db, name: &str, key: &[Column], rest: &[Column]) -> Statement {
    let mut table = Table::create();
    table.table(named(name)).if_not_exists();
    let mut primary = Index::create();
    for column in key.iter().chain(rest) {
        table.col(definition(db, *column).not_null());
    }
    for column in key {
        primary.col(column.name());
    }
    table.primary_key(&mut primary);
    db.create_table(&table)
}

fn plain(sql: String) -> Statement {
    Statement::new(sql, Vec::new())
}
