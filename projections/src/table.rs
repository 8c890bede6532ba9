//! The tables of a projection's generation: records, counts over them, and the words that they are found by.

use std::collections::HashMap;

use journal::token::Token;
use sea_query::{
    Alias, ColumnDef, Expr, ExprTrait as _, Index, IntoIden as _, OnConflict, Query, Table,
};
use serde::de::DeserializeOwned;

use crate::columns::{Kept, Role};
use crate::db::{self, Clash, Column, Db, DbError, Put, Statement, Value, signed};

/// In the table of words: the id of the record that has the word.
pub(crate) const LABELLED: &str = "labelled";
/// What the name of a table of counts has behind that of its screen.
pub(crate) const COUNTS: &str = "_counts";
/// The same of a table of words.
const LABELS: &str = "_labels";
/// The same of a table of facts: see [`crate::reports`].
pub(crate) const FACTS: &str = "_facts";
/// The same of the table that says which lead a sale was: see [`crate::reports`].
pub(crate) const SALES: &str = "_sales";

/// The tables of one generation of a projection: `leads_v1_g1`, `leads_counts_v1_g1` and
/// `leads_labels_v1_g1`.
#[derive(Debug, Clone)]
pub struct Tables {
    screen: String,
    version: u32,
    generation: u32,
    records: String,
    counts: String,
    labels: String,
    is_labelled: bool,
    columns: Vec<Kept>,
    counted_by: &'static [&'static str],
}

impl Tables {
    /// The tables of this generation.
    #[must_use]
    pub fn new(
        name: &str,
        version: u32,
        generation: u32,
        columns: Vec<Kept>,
        counted_by: &'static [&'static str],
    ) -> Self {
        let part = |part: &str| format!("{name}{part}_v{version}_g{generation}");
        Self {
            screen: name.to_owned(),
            version,
            generation,
            records: part(""),
            counts: part(COUNTS),
            labels: part(LABELS),
            is_labelled: false,
            columns,
            counted_by,
        }
    }

    /// The same, with a table of words.
    #[must_use]
    pub fn labelled(self) -> Self {
        Self {
            is_labelled: true,
            ..self
        }
    }

    /// What makes them.
    #[must_use]
    pub fn create(&self, db: &Db) -> Vec<Statement> {
        let mut records = Table::create();
        records.table(named(&self.records)).if_not_exists();
        records.col(ColumnDef::new("workspace").text().not_null());
        records.col(ColumnDef::new("id").big_integer().not_null());
        for column in &self.columns {
            records.col(definition(db, column.column()));
        }
        records.col(ColumnDef::new("body").text());
        records.col(ColumnDef::new("record").text().not_null());
        records.primary_key(Index::create().col("workspace").col("id"));
        let mut statements = vec![db.create_table(&records)];
        for (name, columns) in self.indexes() {
            let name = format!("{}_by_{name}", self.records);
            let mut index = Index::create();
            index.name(name).table(named(&self.records)).if_not_exists();
            index.col("workspace");
            for column in columns {
                index.col(column);
            }
            statements.push(db.create_index(index.col("id")));
        }
        if !self.counted_by.is_empty() {
            statements.push(db.create_table(&self.counts_table()));
        }
        if self.is_labelled {
            statements.extend(self.create_labels(db));
        }
        statements
    }

    /// The indexes of the records, each by its name and its columns between workspace and id.
    fn indexes(&self) -> Vec<(String, Vec<&'static str>)> {
        let of = |wanted: fn(&Role) -> bool| {
            let columns = self.columns.iter().filter(move |kept| wanted(&kept.role));
            columns.map(|kept| kept.name)
        };
        let alone = |name: &'static str| (name.to_owned(), vec![name]);
        let orders = || of(|role| matches!(role, Role::Order(_)));
        let choices: Vec<_> = of(|role| matches!(role, Role::Choice(_))).collect();
        let filters = of(|role| matches!(role, Role::Filter | Role::Key));
        let mut indexes: Vec<_> = filters.chain(orders()).map(alone).collect();
        if !choices.is_empty() {
            let chosen = |order: &str| format!("choices_and_{order}");
            indexes.push((chosen("id"), choices.clone()));
            indexes.extend(orders().map(|order| {
                let columns = choices.iter().copied().chain([order]);
                (chosen(order), columns.collect())
            }));
        }
        indexes
    }

    /// A row for each word of each record: by record, so that they go with it, and by word.
    fn create_labels(&self, db: &Db) -> [Statement; 2] {
        let mut labels = Table::create();
        labels.table(named(&self.labels)).if_not_exists();
        labels.col(ColumnDef::new("workspace").text().not_null());
        labels.col(ColumnDef::new(LABELLED).big_integer().not_null());
        labels.col(ColumnDef::new("kind").text().not_null());
        labels.col(ColumnDef::new("label").text().not_null());
        let mut key = Index::create();
        key.col("workspace").col(LABELLED).col("kind").col("label");
        labels.primary_key(&mut key);
        let mut index = Index::create();
        index.name(format!("{}_by_label", self.labels));
        index.table(named(&self.labels)).if_not_exists();
        index
            .col("workspace")
            .col("kind")
            .col("label")
            .col(LABELLED);
        [db.create_table(&labels), db.create_index(&index)]
    }

    /// A record has this word.
    pub(crate) fn put_label(
        &self,
        db: &Db,
        (workspace, id): &(Token, u64),
        (kind, label): &(&str, String),
    ) -> Statement {
        let columns = ["workspace", LABELLED, "kind", "label"];
        let mut there = OnConflict::columns(columns);
        there.do_nothing();
        let mut insert = Query::insert();
        insert.into_table(named(&self.labels)).columns(columns);
        insert.values_panic([
            workspace.as_str().into(),
            signed(*id).into(),
            (*kind).into(),
            label.as_str().into(),
        ]);
        db.statement(insert.on_conflict(there))
    }

    /// A record has this word no more.
    pub(crate) fn take_label(
        &self,
        db: &Db,
        key: &(Token, u64),
        (kind, label): &(&str, String),
    ) -> Statement {
        let mut delete = self.delete_labels(key);
        delete.and_where(Expr::col("kind").eq(*kind));
        delete.and_where(Expr::col("label").eq(label.as_str()));
        db.statement(&delete)
    }

    /// A record has no words any more.
    pub(crate) fn unlabel(&self, db: &Db, key: &(Token, u64)) -> Statement {
        db.statement(&self.delete_labels(key))
    }

    fn delete_labels(&self, (workspace, id): &(Token, u64)) -> sea_query::DeleteStatement {
        let mut delete = Query::delete();
        delete.from_table(named(&self.labels));
        delete.and_where(Expr::col("workspace").eq(workspace.as_str()));
        delete.and_where(Expr::col(LABELLED).eq(signed(*id)));
        delete
    }

    fn counts_table(&self) -> sea_query::TableCreateStatement {
        let mut counts = Table::create();
        counts.table(named(&self.counts)).if_not_exists();
        let mut key = Index::create();
        for column in self.counts_key() {
            counts.col(ColumnDef::new(column).text().not_null());
            key.col(column);
        }
        counts.col(ColumnDef::new("n").big_integer().not_null());
        counts.primary_key(&mut key);
        counts
    }

    fn counts_key(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once("workspace").chain(self.counted_by.iter().copied())
    }

    /// The names of all tables that screens of this name have, of whatever kind they are.
    pub(crate) fn names(&self) -> [String; 5] {
        ["", COUNTS, LABELS, FACTS, SALES].map(|part| self.part(part))
    }

    /// The name of one of them.
    pub(crate) fn part(&self, part: &str) -> String {
        let (screen, version, generation) = (&self.screen, self.version, self.generation);
        format!("{screen}{part}_v{version}_g{generation}")
    }

    /// The names of those that may name people.
    pub(crate) fn naming(&self) -> impl Iterator<Item = &str> {
        let labels = self.is_labelled.then_some(self.labels.as_str());
        std::iter::once(self.records.as_str()).chain(labels)
    }

    /// The version that they are of.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The records with these keys, where there are any.
    pub(crate) async fn load<R: DeserializeOwned>(
        &self,
        db: &Db,
        keys: impl Iterator<Item = &(Token, u64)>,
    ) -> Result<HashMap<(Token, u64), R>, DbError> {
        let mut by_workspace: HashMap<&Token, Vec<i64>> = HashMap::new();
        for (workspace, id) in keys {
            let ids = by_workspace.entry(workspace).or_default();
            ids.push(signed(*id));
        }
        let mut found = HashMap::new();
        for (workspace, mut ids) in by_workspace {
            ids.sort_unstable();
            ids.dedup();
            for query in db::records(db, &self.records, workspace.as_str(), &ids) {
                for row in db.rows(query).await? {
                    let record = serde_json::from_str(row.text(1));
                    let record = record.map_err(|error| {
                        let fault = schemas::codec::without_values(&error);
                        DbError::Refused(format!("a kept record: {fault}"))
                    })?;
                    found.insert((workspace.clone(), row.count(0)), record);
                }
            }
        }
        Ok(found)
    }

    /// What is shown of one record, where anything is.
    pub(crate) fn card(&self, workspace: &Token, id: u64) -> Statement {
        db::card(&self.records, workspace.as_str(), signed(id))
    }

    /// Rows of records in the order workspace, id, columns, body, record; the old ones are replaced.
    #[must_use]
    pub(crate) fn put(&self, db: &Db, mut rows: Vec<Vec<Value>>) -> Vec<Statement> {
        rows.sort_by_key(|row| {
            row.get(1)
                .map(|id| if let Value::Int(id) = id { *id } else { 0 })
        });
        let key = [Column::Text("workspace"), Column::Int("id")];
        let columns = self.columns.iter().map(Kept::column);
        let shown = [Column::Text("body"), Column::Text("record")];
        let columns: Vec<_> = key.into_iter().chain(columns).chain(shown).collect();
        let put = Put {
            table: &self.records,
            columns: &columns,
            key: key.len(),
            clash: Clash::Replace,
        };
        put.statements(db, rows)
    }

    /// Rows of counts in the order workspace, what they are counted by, number; numbers are added.
    #[must_use]
    pub(crate) fn add(&self, db: &Db, rows: Vec<Vec<Value>>) -> Vec<Statement> {
        let key = self.counts_key().map(Column::Text);
        let columns: Vec<_> = key.chain([Column::Int("n")]).collect();
        let add = Put {
            table: &self.counts,
            columns: &columns,
            key: columns.len() - 1,
            clash: Clash::Add,
        };
        add.statements(db, rows)
    }

    /// The name of the table of records.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.records
    }

    /// The table of records, for queries.
    #[must_use]
    pub fn records(&self) -> sea_query::DynIden {
        named(&self.records)
    }

    /// The table of words, for queries.
    #[must_use]
    pub fn labels(&self) -> sea_query::DynIden {
        named(&self.labels)
    }

    /// The table of counts, for queries.
    #[must_use]
    pub fn counts(&self) -> sea_query::DynIden {
        named(&self.counts)
    }
}

/// Texts are in the order of their bytes in both databases.
pub(crate) fn definition(db: &Db, column: Column) -> ColumnDef {
    let mut definition = ColumnDef::new(column.name());
    match (column, db) {
        (Column::Int(_), _) => definition.big_integer(),
        (Column::Text(_), Db::Sqlite(_)) => definition.text(),
        (Column::Text(_), Db::Postgres(_)) => definition.text().extra("COLLATE \"C\""),
    };
    definition
}

pub(crate) fn named(table: &str) -> sea_query::DynIden {
    Alias::new(table).into_iden()
}
