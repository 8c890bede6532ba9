//! An answer as a table: JSON rows, and the same as CSV.

use serde::Serialize;
use serde::ser::{Error as _, SerializeMap as _, Serializer};
use serde_json::value::RawValue;

use super::csv::{Field, line};
use super::facts::Dimension;
use super::read::ReportRow;
use super::sums::Figure;

/// Rows of a report, with the names of their columns.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportTable {
    /// Whether the period is divided.
    pub divided: bool,
    /// What it is grouped by.
    pub by: Vec<Dimension>,
    /// The rows, in the order of their periods and groups.
    pub rows: Vec<ReportRow>,
}

/// One row as JSON: its columns by their names.
struct JsonRow<'a>(&'a ReportTable, &'a ReportRow);

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(table, row) = self;
        let mut map = serializer.serialize_map(None)?;
        if table.divided {
            map.serialize_entry("period", &row.period.map(|day| day.to_string()))?;
        }
        for (dimension, value) in table.by.iter().zip(&row.group) {
            let value = Some(value).filter(|value| !value.is_empty());
            map.serialize_entry(dimension.as_str(), &value)?;
        }
        let value = row.figure.text().unwrap_or_else(|| "null".to_owned());
        let value = RawValue::from_string(value).map_err(S::Error::custom)?;
        map.serialize_entry("value", &value)?;
        map.end()
    }
}

impl Figure {
    /// Its digits, where it has any.
    fn text(&self) -> Option<String> {
        match self {
            Self::Count(number) => Some(number.to_string()),
            Self::Money(total) => Some(total.to_string()),
            Self::Real(number) => serde_json::to_string(number).ok(),
            Self::None => None,
        }
    }
}

impl Serialize for ReportTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| JsonRow(self, row)))
    }
}

impl ReportTable {
    /// As CSV with a line of names.
    #[must_use]
    pub fn csv(&self) -> String {
        let period = self.divided.then_some("period");
        let names = period.into_iter();
        let names = names.chain(self.by.iter().map(|dimension| dimension.as_str()));
        let mut csv = line(names.chain(["value"]).map(Field::Plain));
        for row in &self.rows {
            let period = row.period.map(|day| day.to_string()).unwrap_or_default();
            let value = row.figure.text().unwrap_or_default();
            let period = self.divided.then_some(Field::Plain(&period));
            let group = row.group.iter().map(|text| Field::Text(text));
            let cells = period.into_iter().chain(group);
            csv.push_str(&line(cells.chain([Field::Plain(&value)])));
        }
        csv
    }
}
