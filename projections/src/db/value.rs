//! What goes into a statement and comes out of a row: integers and texts.

/// A value in a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing; only text columns may hold it.
    Null,
    /// `BIGINT`.
    Int(i64),
    /// `TEXT`.
    Text(String),
    /// A column's values, all integers or all texts or nothing: PostgreSQL's arrays.
    List(Vec<Self>),
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Of texts.
    Text(&'static str),
    /// Of integers.
    Int(&'static str),
}

impl Column {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Text(name) | Self::Int(name) => name,
        }
    }

    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.name())
    }

    pub(super) const fn sql_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Int(_) => "bigint",
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(signed(number))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What `sea-query` took out of a statement.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "its other types are never put in by us"
)]
impl From<sea_query::Value> for Value {
    fn from(value: sea_query::Value) -> Self {
        match value {
            sea_query::Value::BigInt(Some(number)) => Self::Int(number),
            sea_query::Value::BigUnsigned(Some(number)) => number.into(),
            sea_query::Value::Int(Some(number)) => Self::Int(number.into()),
            sea_query::Value::Unsigned(Some(number)) => Self::Int(number.into()),
            sea_query::Value::String(Some(text)) => Self::Text(text),
            _ => Self::Null,
        }
    }
}

impl From<Value> for sea_query::Value {
    fn from(value: Value) -> Self {
        match value {
            // No statement of sea-query has a list.
            Value::Null | Value::List(_) => Self::String(None),
            Value::Int(number) => Self::BigInt(Some(number)),
            Value::Text(text) => Self::String(Some(text)),
        }
    }
}

/// As databases hold it: they have no larger numbers.
#[must_use]
pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(pub Vec<Value>);

impl Row {
    /// The integer in this column; 0 where it holds none.
    #[must_use]
    pub fn int(&self, column: usize) -> i64 {
        match self.0.get(column) {
            Some(Value::Int(number)) => *number,
            Some(Value::Text(_) | Value::List(_) | Value::Null) | None => 0,
        }
    }

    /// The integer in this column, where it counts; 0 where it is negative.
    #[must_use]
    pub fn count(&self, column: usize) -> u64 {
        u64::try_from(self.int(column)).unwrap_or_default()
    }

    /// The text in this column; empty where it holds none.
    #[must_use]
    pub fn text(&self, column: usize) -> &str {
        match self.0.get(column) {
            Some(Value::Text(text)) => text,
            Some(Value::Int(_) | Value::List(_) | Value::Null) | None => "",
        }
    }
}
