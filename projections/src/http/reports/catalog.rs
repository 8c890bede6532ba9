//! Which reports there are, for programs and people: read off the table of measures.

use serde::Serialize;
use utoipa::ToSchema;

use crate::reports::calendar::Per;
use crate::reports::facts::Dimension;
use crate::reports::measures::{MEASURES, Measure};

/// Which reports there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Catalog {
    /// The figures, each a report of its own.
    pub measures: Vec<MeasureView>,
    /// What they can be grouped and narrowed by.
    pub dimensions: Vec<DimensionView>,
    /// How a period can be divided.
    pub per: Vec<&'static str>,
}

/// A figure that can be reported.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasureView {
    /// Its name.
    pub name: &'static str,
    /// Its report.
    pub url: String,
    /// In what it is: `count`, `money`, `money_per_day`, `share`, `seconds`.
    pub unit: &'static str,
    /// What it says.
    pub meaning: &'static str,
    /// What puts a lead or a sale into a day, week or month.
    pub dated_by: &'static str,
    /// Whether days add up to the month.
    pub adds_up: bool,
    /// The events that it follows from.
    pub events: &'static [&'static str],
    /// What it can be grouped and narrowed by.
    pub by: Vec<&'static str>,
}

/// What a report can be grouped and narrowed by.
#[derive(Debug, Serialize, ToSchema)]
pub struct DimensionView {
    /// Its name, also that of the parameter that narrows.
    pub name: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

impl Catalog {
    /// All that there are.
    #[must_use]
    pub fn of_all() -> Self {
        let dimension = |dimension: &Dimension| DimensionView {
            name: dimension.as_str(),
            meaning: dimension.meaning(),
        };
        Self {
            measures: MEASURES.iter().map(MeasureView::of).collect(),
            dimensions: Dimension::ALL.iter().map(dimension).collect(),
            per: Per::ALL.iter().map(|per| per.as_str()).collect(),
        }
    }
}

impl MeasureView {
    fn of(measure: &Measure) -> Self {
        Self {
            name: measure.name,
            url: format!("/api/v1/reports/{}", measure.name),
            unit: measure.unit.as_str(),
            meaning: measure.meaning,
            dated_by: measure.dated_by,
            adds_up: measure.adds_up(),
            events: measure.events,
            by: measure.dimensions().map(Dimension::as_str).collect(),
        }
    }
}
