//! By what the records of a screen can be listed: declared once, a line for each column.
//!
//! A [`Listed`] screen says for each [`Column`] how it is kept ([`Role`]), how callers ask for it and
//! what a record has there. Tables, indexes, the parameters of its list route and their description
//! follow from that; [`crate::question`] makes the queries.
//!
//! Invariant: in the row of a record that is shown, choices and orders hold a value, and in any other
//! row they are empty. So whatever looks for a value, or for any, finds shown records only.

use domain::pipeline::table::Kind;
use domain::text::BadText;
use serde::Serialize;

use crate::db::{self, Value};
use crate::projection::{Projection, Shown};

/// A screen whose records can be listed by these columns.
pub trait Listed: Projection {
    /// What is shown of a record.
    type View: Serialize + 'static;
    /// Its columns, in the order of the table.
    const LISTED_BY: &'static [Column<Self::View>];
    /// Since which of its versions the tables have the indexes of these.
    const LISTED_SINCE: u32;
    /// What any number of its records share, and one record may have several of.
    const LABELLED_BY: &'static [Label] = &[];
    /// Since which of its versions there is the table of those.
    const LABELLED_SINCE: u32 = Self::VERSION;
    /// Kinds of addresses that its records are looked up by, in [`crate::addresses`].
    const LOOKED_UP_BY: &'static [&'static str] = &[];
    /// The parameters that show other records with its own.
    const EXPANDED_BY: &'static [&'static str] = &[];
}

/// How a column is kept.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// Of texts that are looked up by equality, with an index of its own.
    Filter,
    /// Of ids that few records share, with an index of its own.
    Key,
    /// One of these words. All choices together stand before every order in an index, so whatever
    /// is chosen is read in order.
    Choice(Words),
    /// What records are in the order of, or in a range of.
    Order(Measure),
}

/// The words of a choice.
#[derive(Debug, Clone, Copy)]
pub enum Words {
    /// Always these.
    Fixed(fn() -> Vec<&'static str>),
    /// The places of the workspace's pipelines of this kind, as [`crate::pipelines::word`] names them.
    Places(Kind),
}

/// What is measured, and how its texts are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Moments and days; kept as [`crate::slots::came`] makes them.
    Moment,
    /// Money in whole units; kept in minor ones.
    Amount,
    /// From 0 to 1; kept in thousandths, -1 where there is none.
    Fraction,
    /// Texts that are asked for by how they begin; kept as [`folded`] makes them.
    Beginning,
}

/// A column as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The column's name.
    pub name: &'static str,
    /// How it is kept.
    pub role: Role,
}

/// A kind of words that records are found by: a tag, an owner. Each word of a record has a row of its own,
/// so a list of them is in the order of ids.
pub struct Label {
    /// The parameter that asks for it, and the kind under which it is kept.
    pub name: &'static str,
    /// Whose records are asked for, for the description of the parameter.
    pub description: &'static str,
    /// The form in which a word is kept.
    pub read: fn(&str) -> Result<String, BadText>,
}

/// A column as it is kept, asked for and filled.
pub struct Column<V> {
    /// How it is kept.
    pub kept: Kept,
    /// Its name for callers.
    pub name: &'static str,
    /// The parameters that ask for it: one, or those of the ends of a range.
    pub parameters: &'static [&'static str],
    /// What it holds, for the description of its parameters.
    pub description: &'static str,
    /// What a record has there.
    pub value: fn(&V) -> Value,
    /// Since which version of the screen it is kept; columns come behind those of earlier versions.
    pub since: u32,
}

impl Kept {
    pub(crate) const fn column(&self) -> db::Column {
        if self.is_integer() {
            db::Column::Int(self.name)
        } else {
            db::Column::Text(self.name)
        }
    }

    /// Whether it holds integers.
    pub(crate) const fn is_integer(&self) -> bool {
        match self.role {
            Role::Key => true,
            Role::Filter | Role::Choice(_) => false,
            Role::Order(measure) => match measure {
                Measure::Amount | Measure::Fraction => true,
                Measure::Moment | Measure::Beginning => false,
            },
        }
    }
}

/// A column of texts with an index of its own.
#[must_use]
pub const fn filter(name: &'static str) -> Kept {
    let role = Role::Filter;
    Kept { name, role }
}

/// A column of ids with an index of its own.
pub const fn key<V>(
    parameters: &'static [&'static str; 1],
    description: &'static str,
    value: fn(&V) -> Value,
) -> Column<V> {
    column(parameters[0], Role::Key, parameters, description, value)
}

/// The place in a pipeline, asked for by stage, by pipeline, or by both.
pub const fn place<V>(kind: Kind, value: fn(&V) -> Value) -> Column<V> {
    let role = Role::Choice(Words::Places(kind));
    let parameters = &["stage", "pipeline"];
    column(
        "stage",
        role,
        parameters,
        "Only in this stage, or of this pipeline.",
        value,
    )
}

/// A column of words out of few; the empty one stands for none.
pub const fn choice<V>(
    parameters: &'static [&'static str; 1],
    description: &'static str,
    words: fn() -> Vec<&'static str>,
    value: fn(&V) -> Value,
) -> Column<V> {
    let role = Role::Choice(Words::Fixed(words));
    column(parameters[0], role, parameters, description, value)
}

/// A column that records are in the order of.
pub const fn order<V>(
    name: &'static str,
    measure: Measure,
    parameters: &'static [&'static str],
    description: &'static str,
    value: fn(&V) -> Value,
) -> Column<V> {
    column(name, Role::Order(measure), parameters, description, value)
}

/// When a record began.
pub const fn created<V>(description: &'static str, value: fn(&V) -> Value) -> Column<V> {
    const PARAMETERS: &[&str] = &["created_from", "created_to"];
    order(
        "created_at",
        Measure::Moment,
        PARAMETERS,
        description,
        value,
    )
}

/// When a record last changed.
pub const fn updated<V>(value: fn(&V) -> Value) -> Column<V> {
    const PARAMETERS: &[&str] = &["updated_from", "updated_to"];
    order(
        "updated_at",
        Measure::Moment,
        PARAMETERS,
        "changed last",
        value,
    )
}

const fn column<V>(
    name: &'static str,
    role: Role,
    parameters: &'static [&'static str],
    description: &'static str,
    value: fn(&V) -> Value,
) -> Column<V> {
    let kept = Kept { name, role };
    Column {
        kept,
        name,
        parameters,
        description,
        value,
        since: 0,
    }
}

/// A column that earlier versions of the screen have not.
#[must_use]
pub const fn since<V>(version: u32, mut column: Column<V>) -> Column<V> {
    column.since = version;
    column
}

/// A column that is kept under another name than callers know it by.
#[must_use]
pub const fn kept_as<V>(name: &'static str, mut column: Column<V>) -> Column<V> {
    column.kept.name = name;
    column
}

/// How the columns of a listed screen are kept.
#[must_use]
pub fn kept<P: Listed>() -> Vec<Kept> {
    kept_until::<P>(P::VERSION)
}

/// How they are kept by this version of the screen.
pub(crate) fn kept_until<P: Listed>(version: u32) -> Vec<Kept> {
    let columns = P::LISTED_BY.iter();
    let columns = columns.filter(|column| column.since <= version);
    columns.map(|column| column.kept).collect()
}

/// What a listed screen shows of a record.
#[must_use]
pub fn shown<P: Listed>(view: Option<P::View>) -> Shown {
    view.map(|view| {
        let values = P::LISTED_BY.iter().map(|column| (column.value)(&view));
        Shown::new(&view, values.collect())
    })
    .unwrap_or_default()
}

/// The words of a closed vocabulary.
pub fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().map(|one| word(*one)).collect()
}

/// A text as it is compared by how it begins: without the difference of large and small letters.
#[must_use]
pub fn folded(text: &str) -> String {
    text.to_lowercase()
}
