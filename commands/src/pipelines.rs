//! The pipelines of a workspace, as its log has them or as they are built in.

use std::sync::Arc;
use std::time::Duration;

use domain::pipeline::aggregate::Pipeline;
use domain::pipeline::table::{Kind, Place, Table};
use domain::pipeline::{PipelineId, built_in};
use journal::JournalError;
use journal::token::Token;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::desk::Desk;

/// For how long another process's change of a pipeline may be unknown to whoever opens a lead in it.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Pipelines that are remembered; a table takes about two kilobytes.
const REMEMBERED: usize = 4096;

type Known = Cache<(Token, PipelineId, Kind), (Instant, Place)>;

/// The pipelines of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct Pipelines {
    desk: Desk,
    beginnings: Arc<Known>,
}

/// Why nothing begins in a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum NoBeginning {
    /// There is none, or it is of the other kind, or it is retired.
    #[error(
        "there is no pipeline '{0}' that takes {1}s; GET /api/v1/pipelines lists those that are not retired"
    )]
    NotThere(PipelineId, Kind),
    /// The log does not answer.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Pipelines {
    /// Over this desk.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self {
            desk,
            beginnings: Arc::new(Cache::new(REMEMBERED)),
        }
    }

    /// How a pipeline stands now, where there is one.
    pub async fn table(
        &self,
        workspace: &Token,
        key: PipelineId,
    ) -> Result<Option<Table>, JournalError> {
        let loaded = self.desk.load::<Pipeline>(workspace, key).await?;
        Ok(loaded.state.table(key))
    }

    /// How a pipeline stands now that something follows; one that cannot be found leads nowhere.
    pub async fn followed(
        &self,
        workspace: &Token,
        key: PipelineId,
    ) -> Result<Table, JournalError> {
        let table = self.table(workspace, key).await?;
        Ok(table.unwrap_or_else(|| Table {
            key,
            stages: Vec::new(),
            ..built_in::programs()
        }))
    }

    /// Where something new of this kind begins.
    pub async fn beginning(
        &self,
        workspace: &Token,
        key: PipelineId,
        kind: Kind,
    ) -> Result<Place, NoBeginning> {
        let of = (workspace.clone(), key, kind);
        let known = self.beginnings.get(&of);
        let known = known.filter(|(at, _)| at.elapsed() < KNOWN_FOR);
        if let Some((_, place)) = known {
            return Ok(place);
        }
        let table = self.table(workspace, key).await?;
        let table = table.filter(|table| table.kind == kind && !table.retired);
        let table = table.ok_or(NoBeginning::NotThere(key, kind))?;
        let place = table.beginning();
        self.beginnings.insert(of, (Instant::now(), place));
        Ok(place)
    }

    /// Forgets where a pipeline begins, because this process has changed it.
    pub fn changed(&self, workspace: &Token, key: PipelineId) {
        for kind in Kind::ALL {
            self.beginnings.remove(&(workspace.clone(), key, *kind));
        }
    }
}
