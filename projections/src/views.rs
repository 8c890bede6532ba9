//! Reads, from the generation that is active now.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use commands::http::problem::Problem;
use journal::position::Position;
use journal::token::Token;
use sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use tokio::time::Instant;

use crate::db::{DbError, Row, Statement, Value};
use crate::progress::Progress;
use crate::projection::Projection;
use crate::question::Question;
use crate::registry::Registry;
use crate::table::Tables;

/// How long a read waits for the write it asks for.
const WAIT: Duration = Duration::from_secs(5);
/// How often a process that does not follow the log itself looks how far the views are.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database does not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The write that the read asks for is not shown yet.
    #[error("{projection} does not show {position} yet")]
    Behind {
        /// Which projection.
        projection: &'static str,
        /// What was asked for.
        position: Position,
    },
    /// There is no generation that this program can read.
    #[error("{0} is being built")]
    Building(&'static str),
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Db(error) => {
                tracing::error!(%error, "a read failed");
                Self::unavailable("The read models do not answer; try again")
            }
            ReadError::Behind { .. } => Self::unavailable(
                "Your last change is kept, and not shown yet; read again in a moment",
            ),
            ReadError::Building(_) => {
                Self::unavailable("This screen is being built; read again in a moment")
            }
        }
    }
}

/// Reads of all workspaces. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Views {
    registry: Registry,
    progress: Progress,
    /// The active generation of each projection, as version and number; looked up again where
    /// its tables are gone.
    active: Arc<RwLock<HashMap<&'static str, (u32, u32)>>>,
}

/// Reads of one workspace.
#[derive(Debug, Clone)]
pub struct Reader {
    views: Views,
    workspace: Token,
    /// What every answer must show.
    least: Position,
}

/// A screen as reads know it.
#[derive(Debug, Clone, Copy)]
pub struct ScreenName {
    /// Its name.
    pub name: &'static str,
    /// The oldest version whose tables the read understands.
    pub since: u32,
    /// The newest one.
    pub until: u32,
}

impl ScreenName {
    /// The screen of a projection.
    #[must_use]
    pub const fn of<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            since: P::READ_SINCE,
            until: P::VERSION,
        }
    }

    /// For a question that only its tables of this version and later ones can answer.
    #[must_use]
    pub fn since(self, version: u32) -> Self {
        let since = Ord::max(self.since, version);
        Self { since, ..self }
    }

    /// For what is answered as it is kept, by a newer program too.
    const fn or_later(self) -> Self {
        let until = u32::MAX;
        Self { until, ..self }
    }

    const fn understands(self, version: u32) -> bool {
        self.since <= version && version <= self.until
    }
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The answers, as JSON.
    pub bodies: Vec<String>,
    /// What the last one has in the column of the order, and its id; where there are more.
    pub next: Option<(Value, u64)>,
}

impl Views {
    /// Reads of what this registry holds.
    #[must_use]
    pub fn new(registry: Registry, progress: Progress) -> Self {
        Self {
            registry,
            progress,
            active: Arc::default(),
        }
    }

    /// Reads of one workspace that show at least this position.
    #[must_use]
    pub fn reader(&self, workspace: Token, least: Position) -> Reader {
        Reader {
            views: self.clone(),
            workspace,
            least,
        }
    }

    /// Whether some screen is known to show this position, which therefore is in the log.
    #[must_use]
    pub fn has_shown(&self, position: Position) -> bool {
        self.progress.has_shown(position)
    }

    /// The registry below.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The rows of a query over the tables of a screen, of all workspaces, as they stand.
    pub async fn rows(
        &self,
        screen: ScreenName,
        query: impl Fn(&Tables) -> SelectStatement + Send + Sync,
    ) -> Result<Vec<Row>, ReadError> {
        let db = self.registry.db();
        self.ask(screen, |tables| db.statement(&query(tables)))
            .await
    }

    async fn ask(
        &self,
        screen: ScreenName,
        statement: impl Fn(&Tables) -> Statement + Send + Sync,
    ) -> Result<Vec<Row>, ReadError> {
        let ask = async || {
            let tables = self.tables(screen).await?;
            Ok(self.registry.db().rows(statement(&tables)).await?)
        };
        match ask().await {
            // Another generation took its place between the two.
            Err(ReadError::Db(DbError::Gone(_))) => {
                self.forget(screen.name);
                ask().await
            }
            answer => answer,
        }
    }

    async fn tables(&self, screen: ScreenName) -> Result<Tables, ReadError> {
        let name = screen.name;
        let known = self
            .active
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .copied();
        let (active, number) = match known {
            Some(known) if screen.understands(known.0) => known,
            // None is known, or that of another version, which may have been replaced since.
            Some(_) | None => self.look_up(name).await?,
        };
        if !screen.understands(active) {
            return Err(ReadError::Building(name));
        }
        Ok(Tables::new(name, active, number, Vec::new(), &[]))
    }

    async fn look_up(&self, name: &'static str) -> Result<(u32, u32), ReadError> {
        let active = self
            .registry
            .active(name)
            .await?
            .ok_or(ReadError::Building(name))?;
        let found = (active.version, active.number);
        self.active
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, found);
        Ok(found)
    }

    fn forget(&self, name: &str) {
        self.active
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    /// Waits until a projection shows a position; in a process that does not follow the log
    /// itself, by looking at the checkpoint.
    pub async fn wait(
        &self,
        projection: &'static str,
        position: Position,
    ) -> Result<(), ReadError> {
        if self.progress.shows(projection, position) {
            return Ok(());
        }
        let deadline = Instant::now() + WAIT;
        while !self.progress.wait(projection, position, LOOK_EVERY).await {
            if Instant::now() > deadline {
                return Err(ReadError::Behind {
                    projection,
                    position,
                });
            }
            if let Some(active) = self.registry.active(projection).await? {
                let checkpoints = self.registry.checkpoints(projection, active.number).await?;
                self.progress.tell(
                    checkpoints
                        .iter()
                        .map(|checkpoint| (projection, checkpoint.position)),
                );
            }
        }
        Ok(())
    }
}

impl Reader {
    /// Whose data it reads.
    #[must_use]
    pub const fn workspace(&self) -> &Token {
        &self.workspace
    }

    /// The rows of a query over a projection's tables.
    pub async fn rows<P: Projection>(
        &self,
        query: impl Fn(&Tables) -> SelectStatement + Send + Sync,
    ) -> Result<Vec<Row>, ReadError> {
        self.rows_of(ScreenName::of::<P>(), query).await
    }

    /// The rows of a query over the tables of a screen.
    pub async fn rows_of(
        &self,
        screen: ScreenName,
        query: impl Fn(&Tables) -> SelectStatement + Send + Sync,
    ) -> Result<Vec<Row>, ReadError> {
        self.once_shown(screen, || self.views.rows(screen, &query))
            .await
    }

    /// Waits for what the answer must show, and for a screen that is being built, as long as a
    /// read may wait.
    async fn once_shown<F>(
        &self,
        screen: ScreenName,
        read: impl Fn() -> F + Send + Sync,
    ) -> Result<Vec<Row>, ReadError>
    where
        F: Future<Output = Result<Vec<Row>, ReadError>> + Send,
    {
        let deadline = Instant::now() + WAIT;
        self.views.wait(screen.name, self.least).await?;
        loop {
            match read().await {
                Err(ReadError::Building(_)) if Instant::now() < deadline => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                answer => return answer,
            }
        }
    }

    /// What is shown of one record, as JSON.
    pub async fn card<P: Projection>(&self, id: u64) -> Result<Option<String>, ReadError> {
        let card = |tables: &Tables| tables.card(&self.workspace, id);
        let screen = ScreenName::of::<P>().or_later();
        let rows = self.once_shown(screen, || self.views.ask(screen, card));
        let rows = rows.await?;
        Ok(rows.first().map(|row| row.text(0).to_owned()))
    }

    /// What is shown of the records that are asked for, in the order that is asked for.
    pub async fn list<P: Projection>(
        &self,
        screen: ScreenName,
        question: &Question,
    ) -> Result<Page, ReadError> {
        let kept = P::columns();
        let db = self.views.registry.db();
        let select = |tables: &Tables| question.select(db, tables, &self.workspace, &kept);
        let rows = self.rows_of(screen.or_later(), select).await?;
        let limit = usize::try_from(question.limit).unwrap_or(usize::MAX);
        let page = &rows[..rows.len().min(limit)];
        let last = page.last().filter(|_| rows.len() > page.len());
        let value = |row: &Row| row.0.get(2).cloned().unwrap_or(Value::Null);
        Ok(Page {
            bodies: page.iter().map(|row| row.text(1).to_owned()).collect(),
            next: last.map(|row| (value(row), row.count(0))),
        })
    }

    /// How many records are asked for, up to one more than [`crate::question::MAX_COUNT`].
    pub async fn count<P: Projection>(
        &self,
        screen: ScreenName,
        question: &Question,
    ) -> Result<u64, ReadError> {
        let kept = P::columns();
        let count = |tables: &Tables| question.count(tables, &self.workspace, &kept);
        let rows = self.rows_of(screen.or_later(), count).await?;
        Ok(rows.first().map_or(0, |row| row.count(0)))
    }

    /// What is shown of these records, by id.
    pub async fn bodies<P: Projection>(
        &self,
        ids: impl IntoIterator<Item = u64>,
    ) -> Result<HashMap<u64, String>, ReadError> {
        let ids: BTreeSet<u64> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let bodies = |tables: &Tables| {
            let mut query = Query::select();
            query.columns(["id", "body"]).from(tables.records());
            query.and_where(Expr::col("workspace").eq(self.workspace.as_str()));
            query.and_where(Expr::col("id").is_in(ids.iter().copied()));
            query.and_where(Expr::col("body").is_not_null());
            query
        };
        let rows = self
            .rows_of(ScreenName::of::<P>().or_later(), bodies)
            .await?;
        let body = |row: &Row| (row.count(0), row.text(1).to_owned());
        Ok(rows.iter().map(body).collect())
    }
}
