//! What each figure means: the one table from which reports are computed and described.
//!
//! The dashboard and the funnel count the same things for themselves, so that they answer while this
//! screen is built; `projections/tests/following/reported.rs` holds them to these definitions.

use super::facts::{Dimension, Kind};
use super::sums::{Cell, Figure, velocity};

/// In what a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Leads or sales.
    Count,
    /// Whole units of a currency; a row has one currency.
    Money,
    /// The same for each day.
    MoneyPerDay,
    /// From 0 to 1.
    Share,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// Its name for callers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Money => "money",
            Self::MoneyPerDay => "money_per_day",
            Self::Share => "share",
            Self::Seconds => "seconds",
        }
    }

    const fn is_money(self) -> bool {
        match self {
            Self::Money | Self::MoneyPerDay => true,
            Self::Count | Self::Share | Self::Seconds => false,
        }
    }
}

/// How a figure is made of facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formula {
    /// How many facts of a kind there are.
    Number(Kind),
    /// What they are worth together.
    Amount(Kind),
    /// The mean of what they are worth.
    MeanAmount(Kind),
    /// The mean time from opening to winning.
    MeanTime(Kind),
    /// The median of that time, within 5 percent.
    MedianTime(Kind),
    /// Those of the first kind among both.
    ShareOfBoth(Kind, Kind),
    /// Those of the first kind among those of the second, which has them too.
    ShareOf(Kind, Kind),
    /// Sales that are open at the end of the period.
    OpenSales,
    /// What those are worth.
    OpenAmount,
    /// What open sales will bring in a day, if all goes on as in the period.
    Velocity,
}

/// A figure that can be reported.
#[derive(Debug)]
pub struct Measure {
    /// Its name, which is its report's.
    pub name: &'static str,
    /// In what it is.
    pub unit: Unit,
    /// What it says.
    pub meaning: &'static str,
    /// What puts a lead or a sale into a day, week or month.
    pub dated_by: &'static str,
    /// The events that it follows from.
    pub events: &'static [&'static str],
    /// How it is made of facts.
    pub formula: Formula,
}

const LEAD_CAME_IN: &str = "when the lead came in";
const LEAD_CLOSED: &str = "when the lead entered the stage that it ended in";
const SALE_OPENED: &str = "when the sale was opened";
const SALE_CLOSED: &str = "when the sale entered the stage that it ended in";
const END: &str = "the end of the period";

const OF_LEADS: &[&str] = &["lead.opened"];
const OF_ENDED_LEADS: &[&str] = &["lead.opened", "lead.stage_changed", "lead.transferred"];
const OF_SALES: &[&str] = &["sale.opened"];
const OF_ENDED_SALES: &[&str] = &["sale.opened", "sale.stage_changed"];
const OF_MONEY: &[&str] = &["sale.opened", "sale.amount_changed", "sale.stage_changed"];

/// Every measure.
pub const MEASURES: &[Measure] = &[
    Measure {
        name: "leads",
        unit: Unit::Count,
        meaning: "Leads that came in.",
        dated_by: LEAD_CAME_IN,
        events: OF_LEADS,
        formula: Formula::Number(Kind::LeadOpened),
    },
    Measure {
        name: "leads_converted",
        unit: Unit::Count,
        meaning: "Of the leads that came in, those that are won: handed to sales.",
        dated_by: LEAD_CAME_IN,
        events: OF_ENDED_LEADS,
        formula: Formula::Number(Kind::LeadConverted),
    },
    Measure {
        name: "conversion_rate",
        unit: Unit::Share,
        meaning: "leads_converted / leads: of the leads that came in, the share that is won.",
        dated_by: LEAD_CAME_IN,
        events: OF_ENDED_LEADS,
        formula: Formula::ShareOf(Kind::LeadConverted, Kind::LeadOpened),
    },
    Measure {
        name: "leads_won",
        unit: Unit::Count,
        meaning: "Leads that were won, whenever they came in; one whose step was undone is not.",
        dated_by: LEAD_CLOSED,
        events: OF_ENDED_LEADS,
        formula: Formula::Number(Kind::LeadWon),
    },
    Measure {
        name: "leads_lost",
        unit: Unit::Count,
        meaning: "Leads that were lost, whenever they came in; by=reason says why.",
        dated_by: LEAD_CLOSED,
        events: OF_ENDED_LEADS,
        formula: Formula::Number(Kind::LeadLost),
    },
    Measure {
        name: "average_time_to_convert",
        unit: Unit::Seconds,
        meaning: "The mean time from a lead's coming in to its being won.",
        dated_by: LEAD_CLOSED,
        events: OF_ENDED_LEADS,
        formula: Formula::MeanTime(Kind::LeadWon),
    },
    Measure {
        name: "median_time_to_convert",
        unit: Unit::Seconds,
        meaning: "The median of that time, within 5 percent.",
        dated_by: LEAD_CLOSED,
        events: OF_ENDED_LEADS,
        formula: Formula::MedianTime(Kind::LeadWon),
    },
    Measure {
        name: "sales",
        unit: Unit::Count,
        meaning: "Sales that were opened.",
        dated_by: SALE_OPENED,
        events: OF_SALES,
        formula: Formula::Number(Kind::SaleOpened),
    },
    Measure {
        name: "sales_value",
        unit: Unit::Money,
        meaning: "What the sales that were opened are worth, whatever became of them.",
        dated_by: SALE_OPENED,
        events: OF_MONEY,
        formula: Formula::Amount(Kind::SaleOpened),
    },
    Measure {
        name: "sales_won",
        unit: Unit::Count,
        meaning: "Sales that were won, whenever they were opened.",
        dated_by: SALE_CLOSED,
        events: OF_ENDED_SALES,
        formula: Formula::Number(Kind::SaleWon),
    },
    Measure {
        name: "sales_lost",
        unit: Unit::Count,
        meaning: "Sales that were lost, whenever they were opened; by=reason says why.",
        dated_by: SALE_CLOSED,
        events: OF_ENDED_SALES,
        formula: Formula::Number(Kind::SaleLost),
    },
    Measure {
        name: "win_rate",
        unit: Unit::Share,
        meaning: "sales_won / (sales_won + sales_lost).",
        dated_by: SALE_CLOSED,
        events: OF_ENDED_SALES,
        formula: Formula::ShareOfBoth(Kind::SaleWon, Kind::SaleLost),
    },
    Measure {
        name: "revenue",
        unit: Unit::Money,
        meaning: "What the sales that were won are worth.",
        dated_by: SALE_CLOSED,
        events: OF_MONEY,
        formula: Formula::Amount(Kind::SaleWon),
    },
    Measure {
        name: "lost_value",
        unit: Unit::Money,
        meaning: "What the sales that were lost were worth.",
        dated_by: SALE_CLOSED,
        events: OF_MONEY,
        formula: Formula::Amount(Kind::SaleLost),
    },
    Measure {
        name: "cohort_revenue",
        unit: Unit::Money,
        meaning: "Of the sales that were opened, what those are worth that are won: the dashboard's paid.",
        dated_by: SALE_OPENED,
        events: OF_MONEY,
        formula: Formula::Amount(Kind::SaleConverted),
    },
    Measure {
        name: "average_sale",
        unit: Unit::Money,
        meaning: "revenue / sales_won.",
        dated_by: SALE_CLOSED,
        events: OF_MONEY,
        formula: Formula::MeanAmount(Kind::SaleWon),
    },
    Measure {
        name: "average_time_to_win",
        unit: Unit::Seconds,
        meaning: "The mean time from a sale's opening to its being won.",
        dated_by: SALE_CLOSED,
        events: OF_ENDED_SALES,
        formula: Formula::MeanTime(Kind::SaleWon),
    },
    Measure {
        name: "median_time_to_win",
        unit: Unit::Seconds,
        meaning: "The median of that time, within 5 percent.",
        dated_by: SALE_CLOSED,
        events: OF_ENDED_SALES,
        formula: Formula::MedianTime(Kind::SaleWon),
    },
    Measure {
        name: "open_sales",
        unit: Unit::Count,
        meaning: "Sales that were opened by then and had not ended: a state, which does not add up.",
        dated_by: END,
        events: OF_ENDED_SALES,
        formula: Formula::OpenSales,
    },
    Measure {
        name: "open_value",
        unit: Unit::Money,
        meaning: "What those are worth.",
        dated_by: END,
        events: OF_MONEY,
        formula: Formula::OpenAmount,
    },
    Measure {
        name: "sales_velocity",
        unit: Unit::MoneyPerDay,
        meaning: "open_sales x win_rate x average_sale / average_time_to_win in days: what the open \
                  sales bring in a day, if they go as those that ended in the period did.",
        dated_by: END,
        events: OF_MONEY,
        formula: Formula::Velocity,
    },
];

impl Measure {
    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        MEASURES.iter().find(|measure| measure.name == name)
    }

    /// Whether its rows have one currency each.
    #[must_use]
    pub const fn is_money(&self) -> bool {
        self.unit.is_money()
    }

    /// Whether what it says of two periods, added, is what it says of both together.
    #[must_use]
    pub const fn adds_up(&self) -> bool {
        matches!(self.formula, Formula::Number(_) | Formula::Amount(_))
    }

    /// Whether it says how things stand at the end of a period, for which all that was before counts.
    #[must_use]
    pub const fn is_a_state(&self) -> bool {
        matches!(
            self.formula,
            Formula::OpenSales | Formula::OpenAmount | Formula::Velocity
        )
    }

    /// The kinds of facts that it is made of.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        match self.formula {
            Formula::Number(kind)
            | Formula::Amount(kind)
            | Formula::MeanAmount(kind)
            | Formula::MeanTime(kind)
            | Formula::MedianTime(kind) => vec![kind],
            Formula::ShareOfBoth(one, other) | Formula::ShareOf(one, other) => vec![one, other],
            Formula::OpenSales | Formula::OpenAmount | Formula::Velocity => {
                vec![Kind::SaleOpened, Kind::SaleWon, Kind::SaleLost]
            }
        }
    }

    /// Whether it needs to know how durations are spread.
    #[must_use]
    pub const fn needs_durations(&self) -> bool {
        matches!(self.formula, Formula::MedianTime(_))
    }

    /// What it can be grouped and narrowed by.
    pub fn dimensions(&self) -> impl Iterator<Item = Dimension> {
        let kinds = self.kinds();
        let closed = kinds.iter().all(|kind| {
            matches!(
                kind,
                Kind::LeadWon | Kind::LeadLost | Kind::SaleWon | Kind::SaleLost
            )
        });
        let of_leads = kinds.iter().all(|kind| {
            matches!(
                kind,
                Kind::LeadOpened | Kind::LeadConverted | Kind::LeadWon | Kind::LeadLost
            )
        });
        let all = Dimension::ALL.iter().copied();
        all.filter(move |dimension| match dimension {
            Dimension::Reason => closed,
            Dimension::Currency => !of_leads,
            Dimension::Pipeline
            | Dimension::Stage
            | Dimension::Outcome
            | Dimension::Source
            | Dimension::BusinessDomain
            | Dimension::Owner
            | Dimension::Tag => true,
        })
    }

    /// Its figure for what was counted in a period, and before its end.
    #[must_use]
    pub fn figure(&self, within: &Cell, by_its_end: &Cell) -> Figure {
        match self.formula {
            Formula::Number(kind) => Figure::Count(within.of(kind).number),
            Formula::Amount(kind) => Figure::Money(within.of(kind).total()),
            Formula::MeanAmount(kind) => within.of(kind).mean_amount(),
            Formula::MeanTime(kind) => within.of(kind).mean_time(),
            Formula::MedianTime(kind) => within.of(kind).median_time(),
            Formula::ShareOfBoth(one, other) => {
                let (one, other) = (within.of(one).counted(), within.of(other).counted());
                Figure::share(one, one + other)
            }
            Formula::ShareOf(part, whole) => {
                Figure::share(within.of(part).counted(), within.of(whole).counted())
            }
            Formula::OpenSales => Figure::Count(by_its_end.open().number),
            Formula::OpenAmount => Figure::Money(by_its_end.open().total()),
            Formula::Velocity => velocity(within, by_its_end),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{MEASURES, Measure};
    use crate::reports::facts::Kind;
    use crate::reports::sums::{Cell, Figure, Sums};
    use crate::total::Total;

    const DAY: i128 = 86_400_000;

    fn sums(number: i64, whole: i128, days: i128) -> Sums {
        Sums {
            number,
            minor: whole * 100,
            milliseconds: days * DAY,
            lasted: BTreeMap::new(),
        }
    }

    #[test]
    fn velocity_is_what_its_source_works_out() {
        // 50 opportunities x 25 % x 12,000 / 90 days are about 1,667 a day.
        let within = Cell(BTreeMap::from([
            (Kind::SaleWon, sums(5, 5 * 12_000, 5 * 90)),
            (Kind::SaleLost, sums(15, 0, 0)),
        ]));
        let by_its_end = Cell(BTreeMap::from([
            (Kind::SaleOpened, sums(70, 0, 0)),
            (Kind::SaleWon, sums(5, 0, 0)),
            (Kind::SaleLost, sums(15, 0, 0)),
        ]));
        let velocity = Measure::named("sales_velocity").unwrap();
        let figure = velocity.figure(&within, &by_its_end);
        assert_eq!(figure, Figure::Money(Total::of_minor(166_667)));
        assert_eq!(velocity.figure(&Cell::default(), &by_its_end), Figure::None);
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        for measure in MEASURES {
            let figure = measure.figure(&Cell::default(), &Cell::default());
            assert!(figure.is_nothing(), "{}: {figure:?}", measure.name);
        }
    }

    #[test]
    fn names_are_unlike() {
        let names: std::collections::BTreeSet<_> = MEASURES.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), MEASURES.len());
    }
}
