//! The pipelines of a workspace, for whatever counts and lists by them.
//!
//! The screen knows which there are; how each stands is asked of the log, so that a board never shows less
//! than what was changed.

use commands::http::problem::Problem;
use commands::pipelines::Pipelines;
use domain::pipeline::event::PipelineEvent;
use domain::pipeline::table::{Kind, Table};
use domain::pipeline::{PipelineId, StageKey, built_in};
use sea_query::{Expr, ExprTrait as _, Query};

use crate::change::Change;
use crate::db::{Column, Value};
use crate::listing::{Listing, RowChange};
use crate::views::{ReadError, Reader, ScreenName};

/// Which pipelines a workspace has declared or changed.
pub struct Declared;

impl Listing for Declared {
    const NAME: &'static str = "pipelines";
    const VERSION: u32 = 1;
    const COLUMNS: &'static [Column] = &[Column::Text("workspace"), Column::Text("key")];
    const KEY: usize = 2;
    const INDEXED: &'static [&'static [&'static str]] = &[];

    fn rows(change: &Change) -> Vec<RowChange> {
        let workspace = change.recorded.commit.workspace.as_str();
        let opened = change
            .events_of::<PipelineEvent>()
            .filter_map(|event| match event {
                PipelineEvent::Opened { key, .. } => Some(key),
                PipelineEvent::Renamed { .. }
                | PipelineEvent::StageAdded { .. }
                | PipelineEvent::StageRenamed { .. }
                | PipelineEvent::StepsChanged { .. }
                | PipelineEvent::Reordered { .. }
                | PipelineEvent::StageRetired { .. }
                | PipelineEvent::StageRestored { .. }
                | PipelineEvent::Retired {}
                | PipelineEvent::Restored {} => None,
            });
        opened
            .map(|key| RowChange::Put(vec![Value::from(workspace), key.as_str().into()]))
            .collect()
    }
}

/// The keys of all pipelines of a workspace: those that are built in, then its own by their names.
pub async fn keys(reader: &Reader) -> Result<Vec<PipelineId>, ReadError> {
    let rows = reader.rows_of(ScreenName::listing::<Declared>(), |tables| {
        let mut query = Query::select();
        query.column("key").from(tables.records());
        query.and_where(Expr::col("workspace").eq(reader.workspace().as_str()));
        query
    });
    let rows = rows.await?;
    let declared = rows.iter().filter_map(|row| row.text(0).parse().ok());
    let mut own: Vec<PipelineId> = declared
        .filter(|key| !built_in::ALL.contains(key))
        .collect();
    own.sort_unstable();
    Ok(built_in::ALL.into_iter().chain(own).collect())
}

/// How all pipelines stand.
pub async fn all(reader: &Reader, pipelines: &Pipelines) -> Result<Vec<Table>, Problem> {
    let mut tables = Vec::new();
    for key in keys(reader).await? {
        tables.extend(pipelines.table(reader.workspace(), key).await?);
    }
    Ok(tables)
}

/// How all pipelines of one kind stand.
pub async fn tables(
    reader: &Reader,
    pipelines: &Pipelines,
    kind: Kind,
) -> Result<Vec<Table>, Problem> {
    let mut tables = all(reader, pipelines).await?;
    tables.retain(|table| table.kind == kind);
    Ok(tables)
}

/// The one of these that is asked for.
pub fn named<'a>(tables: &'a [Table], wanted: &str) -> Result<&'a Table, Problem> {
    let found = tables.iter().find(|table| table.key.as_str() == wanted);
    found.ok_or_else(|| {
        let known: Vec<_> = tables.iter().map(|table| table.key.as_str()).collect();
        let known = known.join(", ");
        Problem::invalid("pipeline", format!("pipeline must be one of {known}"))
    })
}

/// Under which word a place is counted and listed: its stage, behind the pipeline unless that is the usual
/// one. So what was counted before there were others still counts.
#[must_use]
pub fn word(pipeline: PipelineId, stage: StageKey) -> String {
    match pipeline {
        built_in::SALES_TEAM | built_in::SALES => stage.to_string(),
        pipeline => format!("{pipeline}/{stage}"),
    }
}

/// The words of all stages of a pipeline, retired ones too.
pub fn words(table: &Table) -> impl Iterator<Item = String> {
    let stages = table.stages.iter();
    stages.map(|stage| word(table.key, stage.key))
}
