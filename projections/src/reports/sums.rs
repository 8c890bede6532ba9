//! What facts add up to, and the figures that follow from that.

use std::collections::BTreeMap;

use super::facts::Kind;
use crate::histogram;
use crate::total::Total;

/// What facts of one kind add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many there are.
    pub number: i64,
    /// Minor units.
    pub minor: i128,
    /// From opening to winning.
    pub milliseconds: i128,
    /// How many lasted how long, by [`histogram::bucket`].
    pub lasted: BTreeMap<String, i64>,
}

impl Sums {
    /// With so many more, or fewer.
    pub fn add(&mut self, other: &Self, sign: i64) {
        self.number += other.number * sign;
        self.minor += other.minor * i128::from(sign);
        self.milliseconds += other.milliseconds * i128::from(sign);
        for (bucket, count) in &other.lasted {
            *self.lasted.entry(bucket.clone()).or_default() += count * sign;
        }
    }

    /// How many there are; of facts there are never fewer than none.
    pub(super) const fn counted(&self) -> u64 {
        self.number.unsigned_abs()
    }

    pub(super) const fn total(&self) -> Total {
        Total::of_minor(self.minor)
    }

    pub(super) fn mean_amount(&self) -> Figure {
        let half = i128::from(self.number / 2);
        let mean = (self.minor + half).checked_div(i128::from(self.number));
        mean.map_or(Figure::None, |mean| Figure::Money(Total::of_minor(mean)))
    }

    pub(super) fn mean_time(&self) -> Figure {
        let half = i128::from(self.number / 2);
        let mean = (self.milliseconds + half).checked_div(i128::from(self.number));
        mean.map_or(Figure::None, |mean| Figure::Real(float(mean) / 1000.0))
    }

    pub(super) fn median_time(&self) -> Figure {
        let lasted = self.lasted.iter();
        let lasted = lasted.map(|(bucket, count)| (bucket.as_str(), count.unsigned_abs()));
        histogram::median(lasted).map_or(Figure::None, Figure::Real)
    }
}

/// What facts of each kind add up to, in one row of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell(pub BTreeMap<Kind, Sums>);

impl Cell {
    /// With another one's facts.
    pub fn add(&mut self, other: &Self) {
        for (kind, sums) in &other.0 {
            self.0.entry(*kind).or_default().add(sums, 1);
        }
    }

    pub(super) fn of(&self, kind: Kind) -> Sums {
        self.0.get(&kind).cloned().unwrap_or_default()
    }

    pub(super) fn open(&self) -> Sums {
        let mut open = self.of(Kind::SaleOpened);
        open.add(&self.of(Kind::SaleWon), -1);
        open.add(&self.of(Kind::SaleLost), -1);
        open
    }
}

/// A figure of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// So many.
    Count(i64),
    /// So much.
    Money(Total),
    /// A share, or seconds.
    Real(f64),
    /// There is nothing to tell it from.
    None,
}

impl Figure {
    /// What share a part is of the whole.
    pub(super) fn share(part: u64, whole: u64) -> Self {
        share(part, whole).map_or(Self::None, Self::Real)
    }

    /// Whether it says that there is nothing.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        match self {
            Self::Count(number) => *number == 0,
            Self::Money(total) => total.is_zero(),
            Self::Real(_) => false,
            Self::None => true,
        }
    }
}

/// A share, rounded to four digits; nothing of nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of leads are far below 2^53"
)]
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

/// Open sales x win rate x average sale / cycle in days: sales velocity as CRMs compute it, for example
/// <https://askedwell.com/pages/what-is/sales-velocity>, with deals in the pipeline as opportunities, the
/// average of won deals, and days from opportunity to close.
#[expect(
    clippy::cast_possible_truncation,
    reason = "an estimate, far below what 128 bits hold"
)]
pub(super) fn velocity(within: &Cell, by_its_end: &Cell) -> Figure {
    const DAY: f64 = 86_400_000.0;
    let (won, lost) = (within.of(Kind::SaleWon), within.of(Kind::SaleLost));
    if won.number == 0 || won.milliseconds == 0 {
        return Figure::None;
    }
    let number = float(won.number.into());
    let win_rate = number / float((won.number + lost.number).into());
    let average = float(won.minor) / number;
    let days = float(won.milliseconds) / number / DAY;
    let open = float(by_its_end.open().number.into());
    let minor = (open * win_rate * average / days).round();
    Figure::Money(Total::of_minor(minor as i128))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shares and durations are rounded anyway"
)]
fn float(number: i128) -> f64 {
    number as f64
}
