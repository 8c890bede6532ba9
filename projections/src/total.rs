//! A sum of money, exact to the last digit however many amounts it is made of.
//!
//! Databases add in 64 bits, in which some ten thousand of the largest amounts are too much: SQLite would
//! go on in floating point, PostgreSQL stop. So each amount is counted in two parts.

use std::fmt;

use domain::money::Money;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::db::signed;

/// Minor units in one of the high part.
const PART: u64 = 1_000_000_000;

/// The measures that an amount is counted by, and how much of it is in each.
#[must_use]
pub fn parts(amount: Money) -> [(&'static str, i64); 2] {
    let [high, low] = halves(amount.minor);
    [("minor_high", high), ("minor_low", low)]
}

/// How much of so many minor units is in each.
pub(crate) fn halves(minor: u64) -> [i64; 2] {
    [signed(minor / PART), signed(minor % PART)]
}

/// A sum in minor units. As JSON it is a number in whole units: `10000`, `99.9`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total(i128);

impl Total {
    /// Adds what is counted by a measure of [`parts`]; other measures add nothing.
    pub fn add(&mut self, measure: &str, counted: i64) {
        match measure {
            "minor_high" => self.0 += i128::from(counted) * i128::from(PART),
            // "minor" is the whole amount, as version 1 of the sales counts it.
            "minor_low" | "minor" => self.0 += i128::from(counted),
            _ => {}
        }
    }

    /// Adds another sum.
    pub const fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }

    /// So many minor units.
    #[must_use]
    pub const fn of_minor(minor: i128) -> Self {
        Self(minor)
    }

    /// In minor units.
    #[must_use]
    pub const fn minor(self) -> i128 {
        self.0
    }

    /// Whether it comes to nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, minor) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        match (minor / 100, minor % 100) {
            (whole, 0) => write!(f, "{sign}{whole}"),
            (whole, cents) if cents % 10 == 0 => write!(f, "{sign}{whole}.{}", cents / 10),
            (whole, cents) => write!(f, "{sign}{whole}.{cents:02}"),
        }
    }
}

impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = RawValue::from_string(self.to_string()).map_err(S::Error::custom)?;
        digits.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use domain::money::{Currency, Money};

    use super::{Total, parts};

    fn sum(minors: impl IntoIterator<Item = u64>) -> String {
        let mut total = Total::default();
        for minor in minors {
            let amount = Money {
                minor,
                currency: Currency::Uah,
            };
            for (measure, counted) in parts(amount) {
                total.add(measure, counted);
            }
        }
        serde_json::to_string(&total).unwrap()
    }

    #[test]
    fn a_sum_has_every_digit() {
        assert_eq!(sum([]), "0");
        assert_eq!(sum([1_000_000]), "10000");
        assert_eq!(sum([9_990]), "99.9");
        assert_eq!(sum([1, 4]), "0.05");
        let largest = Money::MAX_WHOLE * 100;
        let many = std::iter::repeat_n(largest, 200_000).chain([1]);
        assert_eq!(sum(many), "200000000000000000.01", "more than 64 bits hold");
    }
}
