//! The tables of the registry itself. They hold what the log cannot give back soon: how far each
//! generation is.

use sea_query::{ColumnDef, Index, Table, TableCreateStatement};

pub(super) const GENERATIONS: &str = "rapport_generations";
pub(super) const CHECKPOINTS: &str = "rapport_checkpoints";
pub(super) const PARKED: &str = "rapport_parked";

pub(super) fn all() -> [TableCreateStatement; 3] {
    [generations_table(), checkpoints_table(), parked_table()]
}

fn generations_table() -> TableCreateStatement {
    let mut table = Table::create();
    table.table(GENERATIONS).if_not_exists();
    table.col(ColumnDef::new("name").text().not_null());
    table.col(ColumnDef::new("version").big_integer().not_null());
    table.col(ColumnDef::new("generation").big_integer().not_null());
    table.col(ColumnDef::new("state").text().not_null());
    table.col(ColumnDef::new("epoch").big_integer().not_null());
    table.col(ColumnDef::new("keeper").text().not_null());
    table.col(ColumnDef::new("until").big_integer().not_null());
    table.primary_key(Index::create().col("name").col("generation"));
    table
}

fn checkpoints_table() -> TableCreateStatement {
    let mut table = Table::create();
    table.table(CHECKPOINTS).if_not_exists();
    table.col(ColumnDef::new("name").text().not_null());
    table.col(ColumnDef::new("generation").big_integer().not_null());
    table.col(ColumnDef::new("part").big_integer().not_null());
    table.col(ColumnDef::new("sequence").big_integer().not_null());
    table.col(ColumnDef::new("epoch").big_integer().not_null());
    table.col(ColumnDef::new("at").big_integer().not_null());
    table.col(ColumnDef::new("log").text().not_null());
    table.primary_key(Index::create().col("name").col("generation").col("part"));
    table
}

fn parked_table() -> TableCreateStatement {
    let mut table = Table::create();
    table.table(PARKED).if_not_exists();
    table.col(ColumnDef::new("name").text().not_null());
    table.col(ColumnDef::new("generation").big_integer().not_null());
    table.col(ColumnDef::new("stream").text().not_null());
    table.col(ColumnDef::new("position").text().not_null());
    table.col(ColumnDef::new("reason").text().not_null());
    table.primary_key(Index::create().col("name").col("generation").col("stream"));
    table
}
