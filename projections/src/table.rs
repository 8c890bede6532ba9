//! The two tables of a projection's generation: records, and counts over them.

use std::collections::HashMap;

use journal::token::Token;
use sea_query::{Alias, ColumnDef, Index, IntoIden as _, Table};
use serde::de::DeserializeOwned;

use crate::db::{self, Clash, Column, Db, DbError, Put, Statement, Value, signed};

/// The tables of one generation of a projection: `leads_v1_g1` and `leads_counts_v1_g1`.
#[derive(Debug, Clone)]
pub struct Tables {
    version: u32,
    records: String,
    counts: String,
    filters: &'static [&'static str],
    counted_by: &'static [&'static str],
}

impl Tables {
    /// The tables of this generation.
    #[must_use]
    pub fn new(
        name: &str,
        version: u32,
        generation: u32,
        filters: &'static [&'static str],
        counted_by: &'static [&'static str],
    ) -> Self {
        Self {
            version,
            records: format!("{name}_v{version}_g{generation}"),
            counts: format!("{name}_counts_v{version}_g{generation}"),
            filters,
            counted_by,
        }
    }

    /// What makes them.
    #[must_use]
    pub fn create(&self, db: &Db) -> Vec<Statement> {
        let mut records = Table::create();
        records.table(named(&self.records)).if_not_exists();
        records.col(ColumnDef::new("workspace").text().not_null());
        records.col(ColumnDef::new("id").big_integer().not_null());
        for filter in self.filters {
            records.col(ColumnDef::new(*filter).text());
        }
        records.col(ColumnDef::new("body").text());
        records.col(ColumnDef::new("record").text().not_null());
        records.primary_key(Index::create().col("workspace").col("id"));
        let mut statements = vec![db.create_table(&records)];
        for filter in self.filters {
            let name = format!("{}_by_{filter}", self.records);
            let mut index = Index::create();
            index.name(name).table(named(&self.records)).if_not_exists();
            statements.push(db.create_index(index.col("workspace").col(*filter).col("id")));
        }
        if !self.counted_by.is_empty() {
            statements.push(db.create_table(&self.counts_table()));
        }
        statements
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

    /// Their names; that of the counts also where there are none.
    pub(crate) fn names(&self) -> [&str; 2] {
        [&self.records, &self.counts]
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

    /// Rows of records in the order workspace, id, filters, body, record; the old ones are replaced.
    #[must_use]
    pub(crate) fn put(&self, db: &Db, mut rows: Vec<Vec<Value>>) -> Vec<Statement> {
        rows.sort_by_key(|row| {
            row.get(1)
                .map(|id| if let Value::Int(id) = id { *id } else { 0 })
        });
        let key = [Column::Text("workspace"), Column::Int("id")];
        let filters = self.filters.iter().map(|filter| Column::Text(filter));
        let shown = [Column::Text("body"), Column::Text("record")];
        let columns: Vec<_> = key.into_iter().chain(filters).chain(shown).collect();
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

    /// The table of counts, for queries.
    #[must_use]
    pub fn counts(&self) -> sea_query::DynIden {
        named(&self.counts)
    }
}

pub(crate) fn named(table: &str) -> sea_query::DynIden {
    Alias::new(table).into_iden()
}
