//! What a screen is made of: a record per aggregate, and counts over all records.
//!
//! A [`Projection`] only says what a change means for its screen. [`Screen`] does the rest the
//! same way for all: it loads the records that a batch touches, lets the projection change
//! them, and writes rows and differences of counts. The follower puts those and the checkpoint
//! into one transaction, so each event counts once.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::marker::PhantomData;

use futures::future::{BoxFuture, FutureExt as _};
use journal::entry::Unreadable;
use journal::token::{StreamId, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::change::{Change, Followed};
use crate::columns::Kept;
use crate::db::{Db, DbError, Statement, Value};
use crate::table::Tables;

/// A screen, kept as events come.
pub trait Projection: Send + Sync + 'static {
    /// Its name, as ops see it and as its tables begin.
    const NAME: &'static str;
    /// Raise it when the meaning changes: the tables are rebuilt, never migrated.
    const VERSION: u32;
    /// The oldest version whose tables today's reads understand: they answer from there while this
    /// one is built. Whatever keeps each of those stands in [`crate::screens`].
    const READ_SINCE: u32 = Self::VERSION;
    /// The category of the aggregates it shows.
    const CATEGORY: &'static str;
    /// What it remembers of one aggregate.
    type Record: Default + Clone + Serialize + DeserializeOwned + Send + Sync;
    /// Columns by which its records are counted; none where they are not.
    const COUNTED_BY: &'static [&'static str] = &[];

    /// Columns by which its rows can be listed.
    #[must_use]
    fn columns() -> Vec<Kept> {
        Vec::new()
    }

    /// Whether its records are found by words in rows of their own.
    const LABELLED: bool = false;

    /// The words that a record is found by, each with its kind.
    #[must_use]
    fn labels(_record: &Self::Record) -> BTreeSet<(&'static str, String)> {
        BTreeSet::new()
    }

    /// The record after a change.
    fn apply(record: Self::Record, change: &Change) -> Self::Record;

    /// What a person sees of the record.
    fn shown(_id: u64, _record: &Self::Record) -> Shown {
        Shown::default()
    }

    /// What the record adds to the counts, each by the values of [`Self::COUNTED_BY`].
    fn counts(_record: &Self::Record) -> Vec<(Vec<String>, i64)> {
        Vec::new()
    }
}

/// A row as a person sees it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The values of [`Projection::columns`]; none where nothing is shown.
    pub columns: Vec<Value>,
    /// The answer, as JSON; `None` where there is nothing to see (any more).
    pub body: Option<String>,
}

impl Shown {
    /// A row that shows this.
    #[must_use]
    pub fn new(view: &impl Serialize, columns: Vec<Value>) -> Self {
        Self {
            columns,
            body: serde_json::to_string(view).ok(),
        }
    }
}

/// What a batch of changes means for one generation of a projection.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is to be written.
    pub statements: Vec<Statement>,
    /// Aggregates that cannot be followed any more, and why; with where it began.
    pub poisoned: Vec<Poison>,
}

/// An aggregate that a projection cannot follow.
#[derive(Debug, Clone)]
pub struct Poison {
    /// Which.
    pub stream: StreamId,
    /// The commit that cannot be applied.
    pub position: journal::position::Position,
    /// Why.
    pub reason: String,
}

impl Poison {
    /// A stream goes on without what is passed over; behind what cannot be read nothing of it is shown.
    pub(crate) fn of(unreadable: &Unreadable) -> Option<Self> {
        if unreadable.fault.is_passed_over() {
            return None;
        }
        Some(Self {
            stream: unreadable.stream.clone()?,
            position: unreadable.position,
            reason: unreadable.fault.to_string(),
        })
    }
}

/// Any projection, without its types.
pub trait Screen: Send + Sync {
    /// See [`Projection::NAME`].
    fn name(&self) -> &'static str;
    /// See [`Projection::VERSION`].
    fn version(&self) -> u32;
    /// What makes its tables of a generation.
    fn create(&self, db: &Db, generation: u32) -> Vec<Statement>;
    /// Its tables that may name people, in a generation.
    fn tables(&self, generation: u32) -> Vec<String>;
    /// What these changes mean for a generation.
    fn plan<'a>(
        &'a self,
        db: &'a Db,
        generation: u32,
        changes: &'a [Followed],
        parked: &'a HashSet<StreamId>,
    ) -> BoxFuture<'a, Result<Plan, DbError>>;
}

/// Of several versions of one screen, the one that is built where it is missing; of each name one.
pub fn newest(screens: &[Box<dyn Screen>]) -> impl Iterator<Item = &dyn Screen> {
    let is_newest = |screen: &&dyn Screen| {
        let same = screens.iter().filter(|other| other.name() == screen.name());
        same.map(|other| other.version()).max() == Some(screen.version())
    };
    screens.iter().map(|screen| &**screen).filter(is_newest)
}

/// The screen of a projection.
#[must_use]
pub fn screen<P: Projection>() -> Box<dyn Screen> {
    screen_as::<P>(P::VERSION)
}

/// The screen of an earlier version whose tables and counts today's code keeps just as well.
#[must_use]
pub fn screen_as<P: Projection>(version: u32) -> Box<dyn Screen> {
    Box::new(ScreenOf::<P>(version, PhantomData))
}

struct ScreenOf<P>(u32, PhantomData<P>);

type Key = (Token, u64);

impl<P: Projection> Screen for ScreenOf<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn version(&self) -> u32 {
        self.0
    }

    fn create(&self, db: &Db, generation: u32) -> Vec<Statement> {
        self.of(generation).create(db)
    }

    fn tables(&self, generation: u32) -> Vec<String> {
        let tables = self.of(generation);
        tables.naming().map(ToOwned::to_owned).collect()
    }

    fn plan<'a>(
        &'a self,
        db: &'a Db,
        generation: u32,
        changes: &'a [Followed],
        parked: &'a HashSet<StreamId>,
    ) -> BoxFuture<'a, Result<Plan, DbError>> {
        plan::<P>(db, self.of(generation), changes, parked).boxed()
    }
}

impl<P: Projection> ScreenOf<P> {
    fn of(&self, generation: u32) -> Tables {
        let tables = Tables::new(P::NAME, self.0, generation, P::columns(), P::COUNTED_BY);
        if P::LABELLED {
            tables.labelled()
        } else {
            tables
        }
    }
}

async fn plan<P: Projection>(
    db: &Db,
    tables: Tables,
    changes: &[Followed],
    parked: &HashSet<StreamId>,
) -> Result<Plan, DbError> {
    let mut poisoned: Vec<Poison> = Vec::new();
    let mut touched: Vec<(Key, &Change)> = Vec::new();
    let mut forgotten: Vec<Key> = Vec::new();
    for followed in changes {
        let Some(stream) = followed
            .stream()
            .filter(|stream| stream.category.as_str() == P::CATEGORY)
        else {
            continue;
        };
        if parked.contains(&stream) || poisoned.iter().any(|poison| poison.stream == stream) {
            // It does not follow the record any more, but it must not show for ever what was erased.
            let erased = followed.change().filter(|change| change.erases());
            let erased = erased.and_then(Change::number);
            forgotten.extend(erased.map(|id| (stream.workspace, id)));
            continue;
        }
        let change = match followed {
            Followed::Change(change) => change,
            Followed::Unreadable(unreadable) => {
                poisoned.extend(Poison::of(unreadable));
                continue;
            }
        };
        match (&change.events, change.number()) {
            (Ok(_), Some(id)) => touched.push(((stream.workspace, id), change)),
            (Ok(_), None) => poisoned.push(poison(stream, change, "its id is no number")),
            (Err(reason), _) => poisoned.push(poison(stream, change, reason)),
        }
    }
    // Of those that begin here there is nothing to load.
    let begun = touched.iter().filter(|(_, change)| change.begins());
    let begun: HashSet<&Key> = begun.map(|(key, _)| key).collect();
    let known = touched.iter().map(|(key, _)| key);
    let known = known.filter(|key| !begun.contains(key));
    let before: HashMap<Key, P::Record> = tables.load(db, known).await?;
    let mut after: HashMap<Key, P::Record> = HashMap::with_capacity(touched.len());
    for (key, change) in touched {
        let record = after
            .remove(&key)
            .or_else(|| before.get(&key).cloned())
            .unwrap_or_default();
        after.insert(key, P::apply(record, change));
    }
    let columns_kept = P::columns().len();
    let rows = after.iter().map(|((workspace, id), record)| {
        let mut values = vec![Value::from(workspace.as_str()), (*id).into()];
        let shown = P::shown(*id, record);
        let columns = shown.columns.into_iter();
        values.extend(
            columns
                .chain(std::iter::repeat(Value::Null))
                .take(columns_kept),
        );
        values.push(shown.body.into());
        values.push(
            serde_json::to_string(record)
                .map_err(|error| DbError::Refused(error.to_string()))?
                .into(),
        );
        Ok(values)
    });
    let mut statements = tables.put(db, rows.collect::<Result<_, DbError>>()?);
    if P::LABELLED {
        let labels = relabelled::<P>(&tables, db, &before, &after);
        statements.extend(labels);
        statements.extend(forgotten.iter().map(|key| tables.unlabel(db, key)));
    }
    statements.extend(tables.put(db, emptied::<P>(forgotten)?));
    statements.extend(tables.add(db, differences::<P>(&before, &after)));
    Ok(Plan {
        statements,
        poisoned,
    })
}

/// Rows that show nothing, and records that know nothing.
fn emptied<P: Projection>(mut keys: Vec<Key>) -> Result<Vec<Vec<Value>>, DbError> {
    keys.sort();
    keys.dedup();
    let nothing = serde_json::to_string(&P::Record::default())
        .map_err(|error| DbError::Refused(error.to_string()))?;
    let row = |(workspace, id): Key| {
        let mut values = vec![Value::from(workspace.as_str()), id.into()];
        values.extend(std::iter::repeat_n(Value::Null, P::columns().len() + 1));
        values.push(nothing.as_str().into());
        values
    };
    Ok(keys.into_iter().map(row).collect())
}

/// That a change of an aggregate cannot be followed.
pub(crate) fn poison(stream: StreamId, change: &Change, reason: &str) -> Poison {
    Poison {
        stream,
        position: change.position(),
        reason: reason.to_owned(),
    }
}

/// What makes the rows of words those of the records as they are now.
fn relabelled<P: Projection>(
    tables: &Tables,
    db: &Db,
    before: &HashMap<Key, P::Record>,
    after: &HashMap<Key, P::Record>,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    for (key, record) in after {
        let old = before.get(key).map(P::labels).unwrap_or_default();
        let new = P::labels(record);
        let gone = old.difference(&new);
        statements.extend(gone.map(|label| tables.take_label(db, key, label)));
        let come = new.difference(&old);
        statements.extend(come.map(|label| tables.put_label(db, key, label)));
    }
    statements
}

/// What the counts change by.
fn differences<P: Projection>(
    before: &HashMap<Key, P::Record>,
    after: &HashMap<Key, P::Record>,
) -> Vec<Vec<Value>> {
    if P::COUNTED_BY.is_empty() {
        return Vec::new();
    }
    let mut sums: HashMap<(&Token, Vec<String>), i64> = HashMap::new();
    for (key, record) in after {
        for (by, count) in P::counts(record) {
            let sum: &mut i64 = sums.entry((&key.0, by)).or_default();
            *sum = sum.saturating_add(count);
        }
        for (by, count) in before.get(key).map(P::counts).unwrap_or_default() {
            let sum: &mut i64 = sums.entry((&key.0, by)).or_default();
            *sum = sum.saturating_sub(count);
        }
    }
    // In one order everywhere, so that two transactions cannot wait for each other in a ring.
    let mut sums: Vec<_> = sums.into_iter().filter(|(_, sum)| *sum != 0).collect();
    sums.sort();
    let row = |((workspace, by), sum): ((&Token, Vec<String>), i64)| {
        let key =
            std::iter::once(Value::from(workspace.as_str())).chain(by.into_iter().map(Value::from));
        key.chain([Value::Int(sum)]).collect()
    };
    sums.into_iter().map(row).collect()
}
