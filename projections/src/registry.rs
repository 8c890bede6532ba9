//! Which generations of which projections there are, how far each is, and who keeps it.
//!
//! A generation is one set of tables. One generation of a projection is `active`: reads use it.
//! Another may be `building` beside it, because its version is newer or somebody asked for a
//! rebuild; when it has caught up it takes the place of the active one, in one transaction.
//!
//! - here: what is kept of each, and who keeps it
//! - [`flip`]: one takes the place of the others
//! - `schema`: the tables of the registry itself
//!
//! Invariant: only the process whose `epoch` a generation carries can move its checkpoint. A
//! lease keeps processes from taking it from each other for no reason, nothing more.

pub mod flip;
mod schema;

use jiff::{SignedDuration, Timestamp};
use journal::position::Position;
use journal::token::StreamId;
use sea_query::{Expr, ExprTrait as _, OnConflict, Query};

use crate::db::{Db, DbError, Row, Statement};
use crate::projection::{Poison, Screen};
use schema::{CHECKPOINTS, GENERATIONS, PARKED};

/// A keeper that has not been heard of for this long has died. Shorter than a read waits, so that
/// a keeper's death costs a pause and no answer.
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(3);

/// Whether reads use a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Reads use it.
    Active,
    /// It catches up.
    Building,
}

/// A generation of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// The projection.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Which one, from 1 up.
    pub number: u32,
    /// Whether reads use it.
    pub state: State,
    /// How often it changed hands.
    pub epoch: i64,
    /// Who keeps it.
    pub keeper: String,
    /// Until when nobody else will.
    pub until: Timestamp,
}

/// How far a generation is in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last commit that is in its tables.
    pub position: Position,
    /// When that commit was made.
    pub at: Timestamp,
    /// The log it belongs to.
    pub log: String,
}

/// An aggregate that a generation could not follow.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Parked {
    /// The projection.
    pub projection: String,
    /// Its generation.
    pub generation: u32,
    /// Which, as `workspace.category.id`.
    pub stream: String,
    /// The commit that could not be applied.
    pub position: String,
    /// Why.
    pub reason: String,
}

/// The registry in a database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    db: Db,
}

impl Registry {
    /// The registry, its tables made where they are missing.
    pub async fn open(db: Db) -> Result<Self, DbError> {
        for table in schema::all() {
            // Two processes that start at once can both find a table missing, and one then fails.
            if db.transact(vec![db.create_table(&table)]).await.is_err() {
                db.transact(vec![db.create_table(&table)]).await?;
            }
        }
        Ok(Self { db })
    }

    /// The database.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// Every generation.
    pub async fn generations(&self) -> Result<Vec<Generation>, DbError> {
        let mut query = Query::select();
        query
            .columns([
                "name",
                "version",
                "generation",
                "state",
                "epoch",
                "keeper",
                "until",
            ])
            .from(GENERATIONS);
        query
            .order_by("name", sea_query::Order::Asc)
            .order_by("generation", sea_query::Order::Asc);
        let rows = self.db.rows(self.db.statement(&query)).await?;
        Ok(rows.iter().map(generation).collect())
    }

    /// The generation that reads use.
    pub async fn active(&self, name: &str) -> Result<Option<Generation>, DbError> {
        let all = self.generations().await?;
        Ok(all
            .into_iter()
            .find(|generation| generation.name == name && generation.state == State::Active))
    }

    /// How far a generation is, per partition.
    pub async fn checkpoints(&self, name: &str, number: u32) -> Result<Vec<Checkpoint>, DbError> {
        let mut query = Query::select();
        query
            .columns(["part", "sequence", "at", "log"])
            .from(CHECKPOINTS);
        query
            .and_where(Expr::col("name").eq(name))
            .and_where(Expr::col("generation").eq(i64::from(number)));
        query.order_by("part", sea_query::Order::Asc);
        let rows = self.db.rows(self.db.statement(&query)).await?;
        Ok(rows.iter().map(checkpoint).collect())
    }

    /// What every generation could not follow.
    pub async fn parked(&self) -> Result<Vec<Parked>, DbError> {
        let mut query = Query::select();
        query
            .columns(["name", "generation", "stream", "position", "reason"])
            .from(PARKED);
        query
            .order_by("name", sea_query::Order::Asc)
            .order_by("stream", sea_query::Order::Asc);
        let rows = self.db.rows(self.db.statement(&query)).await?;
        Ok(rows.iter().map(parked).collect())
    }

    /// Makes a generation at the beginning of the log, which ends there: building, unless the log
    /// is empty and the projection has none yet, so that nothing is to be caught up with. Fails
    /// with [`DbError::Refused`] where somebody else just made it.
    pub async fn begin(
        &self,
        screen: &dyn Screen,
        log: &str,
        heads: &[Position],
    ) -> Result<Generation, DbError> {
        let of_name: Vec<_> = self
            .generations()
            .await?
            .into_iter()
            .filter(|known| known.name == screen.name())
            .collect();
        let number = of_name.iter().map(|known| known.number).max().unwrap_or(0) + 1;
        let has_active = of_name.iter().any(|known| known.state == State::Active);
        let is_empty = heads.iter().all(|head| head.sequence == 0);
        let state = if is_empty && !has_active {
            State::Active
        } else {
            State::Building
        };
        let mut statements = screen.create(&self.db, number);
        let mut insert = Query::insert();
        insert.into_table(GENERATIONS).columns([
            "name",
            "version",
            "generation",
            "state",
            "epoch",
            "keeper",
            "until",
        ]);
        insert.values_panic([
            screen.name().into(),
            i64::from(screen.version()).into(),
            i64::from(number).into(),
            state.as_str().into(),
            0_i64.into(),
            "".into(),
            0_i64.into(),
        ]);
        statements.push(self.db.statement(&insert));
        for head in heads {
            let mut insert = Query::insert();
            insert.into_table(CHECKPOINTS).columns([
                "name",
                "generation",
                "part",
                "sequence",
                "epoch",
                "at",
                "log",
            ]);
            let (name, part) = (screen.name(), i64::from(head.partition));
            insert.values_panic([
                name.into(),
                i64::from(number).into(),
                part.into(),
                0_i64.into(),
                0_i64.into(),
                0_i64.into(),
                log.into(),
            ]);
            statements.push(self.db.statement(&insert));
        }
        self.db.transact(statements).await?;
        Ok(Generation {
            name: screen.name().to_owned(),
            version: screen.version(),
            number,
            state,
            epoch: 0,
            keeper: String::new(),
            until: Timestamp::UNIX_EPOCH,
        })
    }

    /// Takes a generation whose lease nobody else holds: its epoch rises, and nobody with an
    /// older one can move its checkpoint any more. `None` where somebody else holds it.
    pub async fn take(
        &self,
        known: &Generation,
        me: &str,
        now: Timestamp,
    ) -> Result<Option<Generation>, DbError> {
        if known.keeper != me && known.until > now {
            return Ok(None);
        }
        self.hold(known, known.epoch + 1, me, now).await
    }

    /// Renews the lease of a generation that we hold. `None` where somebody took it.
    pub async fn keep(
        &self,
        held: &Generation,
        now: Timestamp,
    ) -> Result<Option<Generation>, DbError> {
        self.hold(held, held.epoch, &held.keeper, now).await
    }

    async fn hold(
        &self,
        known: &Generation,
        epoch: i64,
        me: &str,
        now: Timestamp,
    ) -> Result<Option<Generation>, DbError> {
        let until = now + LEASE;
        let mut update = Query::update();
        update
            .table(GENERATIONS)
            .value("epoch", epoch)
            .value("keeper", me);
        update.value("until", until.as_microsecond());
        update.and_where(Expr::col("name").eq(known.name.as_str()));
        update.and_where(Expr::col("generation").eq(i64::from(known.number)));
        update.and_where(Expr::col("epoch").eq(known.epoch));
        let mut fence = Query::update();
        fence.table(CHECKPOINTS).value("epoch", epoch);
        fence.and_where(Expr::col("name").eq(known.name.as_str()));
        fence.and_where(Expr::col("generation").eq(i64::from(known.number)));
        let statements = vec![
            self.db.statement(&update).or_undo(),
            self.db.statement(&fence),
        ];
        match self.db.transact(statements).await {
            Ok(()) => Ok(Some(Generation {
                epoch,
                keeper: me.to_owned(),
                until,
                ..known.clone()
            })),
            Err(DbError::Fenced) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a generation back, so that another process need not wait for the lease.
    pub async fn give_back(&self, held: &Generation) -> Result<(), DbError> {
        let mut update = Query::update();
        update.table(GENERATIONS).value("until", 0_i64);
        update.and_where(Expr::col("name").eq(held.name.as_str()));
        update.and_where(Expr::col("generation").eq(i64::from(held.number)));
        update.and_where(Expr::col("epoch").eq(held.epoch));
        self.db.transact(vec![self.db.statement(&update)]).await
    }

    /// Moves a generation's checkpoint in a partition, if we still keep it.
    #[must_use]
    pub fn advance(
        &self,
        held: &Generation,
        from: Position,
        to: Position,
        at: Timestamp,
    ) -> Statement {
        let mut update = Query::update();
        update
            .table(CHECKPOINTS)
            .value("sequence", to.sequence)
            .value("at", at.as_microsecond());
        update.and_where(Expr::col("name").eq(held.name.as_str()));
        update.and_where(Expr::col("generation").eq(i64::from(held.number)));
        update.and_where(Expr::col("part").eq(i64::from(to.partition)));
        update.and_where(Expr::col("epoch").eq(held.epoch));
        update.and_where(Expr::col("sequence").eq(from.sequence));
        self.db.statement(&update).or_undo()
    }

    /// Parks an aggregate: its later events are passed over.
    #[must_use]
    pub fn park(&self, held: &Generation, poison: &Poison) -> Statement {
        let mut insert = Query::insert();
        insert
            .into_table(PARKED)
            .columns(["name", "generation", "stream", "position", "reason"]);
        insert.on_conflict(
            OnConflict::columns(["name", "generation", "stream"])
                .do_nothing()
                .to_owned(),
        );
        insert.values_panic([
            held.name.as_str().into(),
            i64::from(held.number).into(),
            poison.stream.to_string().into(),
            poison.position.to_string().into(),
            poison.reason.replace('\0', "\u{fffd}").into(),
        ]);
        self.db.statement(&insert)
    }

    /// Takes back why a record is parked: a database may have said what it could not take, and its person
    /// was erased since.
    #[must_use]
    pub fn hush(&self, held: &Generation, stream: &StreamId) -> Statement {
        let mut update = Query::update();
        update
            .table(PARKED)
            .value("reason", "parked before the person was erased")
            .and_where(Expr::col("name").eq(held.name.as_str()))
            .and_where(Expr::col("generation").eq(i64::from(held.number)))
            .and_where(Expr::col("stream").eq(stream.to_string()));
        self.db.statement(&update)
    }

    /// The table of what is parked.
    #[must_use]
    pub fn parked_table() -> String {
        PARKED.to_owned()
    }
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Building => "building",
        }
    }
}

fn generation(row: &Row) -> Generation {
    Generation {
        name: row.text(0).to_owned(),
        version: small(row.int(1)),
        number: small(row.int(2)),
        state: if row.text(3) == State::Active.as_str() {
            State::Active
        } else {
            State::Building
        },
        epoch: row.int(4),
        keeper: row.text(5).to_owned(),
        until: moment(row.int(6)),
    }
}

fn checkpoint(row: &Row) -> Checkpoint {
    let partition = u16::try_from(row.int(0)).unwrap_or_default();
    Checkpoint {
        position: Position {
            partition,
            sequence: row.count(1),
        },
        at: moment(row.int(2)),
        log: row.text(3).to_owned(),
    }
}

fn parked(row: &Row) -> Parked {
    Parked {
        projection: row.text(0).to_owned(),
        generation: small(row.int(1)),
        stream: row.text(2).to_owned(),
        position: row.text(3).to_owned(),
        reason: row.text(4).to_owned(),
    }
}

fn small(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

fn moment(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or_default()
}
