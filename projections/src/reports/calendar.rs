//! Days, weeks and months of a zone, as parts of a period.

use domain::names;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

use crate::period::{END, begin_of};

names! {
    /// How long each part of a report is.
    pub enum Per {
        /// A day, however many hours it has.
        Day = "day",
        /// A week of ISO 8601: from Monday on.
        Week = "week",
        /// A calendar month.
        Month = "month",
    }
}

/// Parts of one report, at most.
pub const MOST_PARTS: usize = 400;

/// A part of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first day of the day, week or month; nothing where the period is not divided.
    pub first_day: Option<Date>,
    /// From this moment on, in microseconds since 1970.
    pub from: i64,
    /// Until before this one.
    pub to: i64,
}

/// There would be more than [`MOST_PARTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyParts;

impl Per {
    /// The first day of that in which a day lies.
    #[must_use]
    pub fn first_day(self, of: Date) -> Date {
        match self {
            Self::Day => of,
            Self::Week => {
                let behind = i64::from(of.weekday().to_monday_zero_offset());
                of.saturating_sub(behind.days())
            }
            Self::Month => of.first_of_month(),
        }
    }

    fn times(self, many: i64) -> Span {
        match self {
            Self::Day => many.days(),
            Self::Week => many.weeks(),
            Self::Month => many.months(),
        }
    }

    /// How many are reported where nobody says from when on.
    #[must_use]
    pub const fn usual(self) -> i64 {
        match self {
            Self::Day => 30,
            Self::Week | Self::Month => 12,
        }
    }

    /// The moment at which the usual number of them begins, the last one of which this moment is in.
    #[must_use]
    pub fn usual_begin(self, last: i64, zone: &TimeZone) -> i64 {
        let first = self.first_day(day_of(last, zone));
        begin_of(first.saturating_sub(self.times(self.usual() - 1)), zone)
    }

    /// The end of the day that this moment is in.
    #[must_use]
    pub fn end_of_day(at: Timestamp, zone: &TimeZone) -> i64 {
        let next = day_of(at.as_microsecond(), zone).tomorrow();
        next.map_or(END, |next| begin_of(next, zone))
    }

    /// All of them between two moments, at least one; the first and the last one may be cut.
    pub fn parts(self, from: i64, to: i64, zone: &TimeZone) -> Result<Vec<Part>, TooManyParts> {
        let mut parts = Vec::new();
        let mut first = self.first_day(day_of(from, zone));
        let mut begin = from;
        while begin < to || parts.is_empty() {
            if parts.len() == MOST_PARTS {
                return Err(TooManyParts);
            }
            let next = first.checked_add(self.times(1)).ok();
            let end = next
                .map_or(END, |next| begin_of(next, zone))
                .min(to)
                .max(begin);
            parts.push(Part {
                first_day: Some(first),
                from: begin,
                to: end,
            });
            let Some(next) = next else { break };
            (first, begin) = (next, end);
        }
        Ok(parts)
    }
}

fn day_of(at: i64, zone: &TimeZone) -> Date {
    let at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX);
    zone.to_datetime(at).date()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::{Per, TooManyParts};
    use crate::period::Period;

    fn parts(per: Per, from: &str, to: &str, zone: &str) -> Vec<(String, i64)> {
        let zone = TimeZone::get(zone).unwrap();
        let period = Period::asked(Some(from), Some(to), &zone).unwrap().unwrap();
        let (from, to) = period.microseconds();
        let parts = per.parts(from, to, &zone).unwrap();
        assert_eq!(parts[0].from, from);
        assert_eq!(parts.last().unwrap().to, to);
        assert!(parts.windows(2).all(|pair| pair[0].to == pair[1].from));
        let hours = |part: &super::Part| (part.to - part.from) / 3_600_000_000;
        let named = parts.iter();
        named
            .map(|part| (part.first_day.unwrap().to_string(), hours(part)))
            .collect()
    }

    #[test]
    fn days_have_as_many_hours_as_clocks_give_them() {
        let days = parts(Per::Day, "2026-03-28", "2026-03-30", "Europe/Kyiv");
        let hours: Vec<_> = days.iter().map(|(_, hours)| *hours).collect();
        assert_eq!(hours, [24, 23, 24]);
        let weeks = parts(Per::Week, "2026-10-19", "2026-10-25", "Europe/Kyiv");
        assert_eq!(weeks, [("2026-10-19".to_owned(), 7 * 24 + 1)]);
    }

    #[test]
    fn weeks_begin_on_mondays_and_the_first_may_be_cut() {
        let weeks = parts(Per::Week, "2026-01-01", "2026-01-05", "UTC");
        assert_eq!(
            weeks,
            [("2025-12-29".to_owned(), 96), ("2026-01-05".to_owned(), 24)]
        );
        let months = parts(Per::Month, "2026-01-31", "2026-03-01", "UTC");
        let names: Vec<_> = months.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["2026-01-01", "2026-02-01", "2026-03-01"]);
    }

    #[test]
    fn of_no_time_there_is_one_without_time() {
        let parts = Per::Day.parts(900, 900, &TimeZone::UTC).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!((parts[0].from, parts[0].to), (900, 900));
    }

    #[test]
    fn there_is_an_end_to_it() {
        let zone = TimeZone::UTC;
        let asked = |from| {
            Period::asked(Some(from), Some("2026-12-31"), &zone)
                .unwrap()
                .unwrap()
        };
        let (from, to) = asked("2020-01-01").microseconds();
        assert_eq!(Per::Day.parts(from, to, &zone), Err(TooManyParts));
        assert_eq!(Per::Month.parts(from, to, &zone).unwrap().len(), 84);
    }
}
