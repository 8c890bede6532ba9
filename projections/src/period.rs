//! Periods, as people ask for them: days of the workspace's zone, or moments.

use commands::http::problem::Problem;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The last moment that is counted: the columns that keep moments end with the year 9999.
pub(crate) const END: i64 = 253_402_128_000_000_000;

/// From a moment until before another. Kept to the microsecond, as the log keeps time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    from: i64,
    to: i64,
}

/// Why texts name no period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct BadPeriod {
    field: &'static str,
    reason: String,
}

impl From<BadPeriod> for Problem {
    fn from(BadPeriod { field, reason }: BadPeriod) -> Self {
        Self::invalid(field, reason)
    }
}

/// Which records are counted: those that came in then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// In this period; ever, where there is none.
    pub period: Option<Period>,
    /// The zone whose days its ends name, by IANA's name.
    pub zone: String,
}

impl Default for When {
    fn default() -> Self {
        let zone = "UTC".to_owned();
        Self { period: None, zone }
    }
}

impl When {
    /// What `from` and `to` of a request name.
    pub fn asked(from: Option<&str>, to: Option<&str>, zone: &TimeZone) -> Result<Self, BadPeriod> {
        Ok(Self {
            period: Period::asked(from, to, zone)?,
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        })
    }
}

/// One end of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A whole day.
    Day(Date),
    /// A moment.
    Moment(Timestamp),
}

impl Period {
    /// The period that `from` and `to` name, where either is given; an open end reaches as far as
    /// there are records. A day is a day of this zone, and the one of `to` belongs to the period; a
    /// moment of `to` does not.
    pub fn asked(
        from: Option<&str>,
        to: Option<&str>,
        zone: &TimeZone,
    ) -> Result<Option<Self>, BadPeriod> {
        Self::named(["from", "to"], from, to, zone)
    }

    /// The same under other names.
    pub fn named(
        names: [&'static str; 2],
        from: Option<&str>,
        to: Option<&str>,
        zone: &TimeZone,
    ) -> Result<Option<Self>, BadPeriod> {
        let [field, until] = names;
        if from.is_none() && to.is_none() {
            return Ok(None);
        }
        let from = from.map(|text| end(field, text)).transpose()?;
        let to = to.map(|text| end(until, text)).transpose()?;
        let begin = from.map_or(0, |from| from.begin(zone));
        let end = to.map_or(END, |to| to.end(zone));
        if begin > end
            || from
                .zip(to)
                .is_some_and(|(from, to)| from.is_day_behind(to))
        {
            let reason = format!("{field} must not be after {until}");
            return Err(BadPeriod { field, reason });
        }
        Ok(Some(Self::between(begin, end)))
    }

    /// From and until before these moments, in microseconds since 1970.
    pub(crate) fn between(from: i64, to: i64) -> Self {
        let (from, to) = (from.clamp(0, END), to.clamp(0, END));
        Self { from, to }
    }

    /// Whether this moment belongs to it.
    #[must_use]
    pub fn contains(self, at: Timestamp) -> bool {
        (self.from..self.to).contains(&at.as_microsecond())
    }

    /// Its ends in microseconds since 1970; the last one does not belong to it.
    pub(crate) const fn microseconds(self) -> (i64, i64) {
        (self.from, self.to)
    }
}

impl End {
    fn begin(self, zone: &TimeZone) -> i64 {
        match self {
            Self::Day(day) => begin_of(day, zone),
            Self::Moment(at) => microseconds(at),
        }
    }

    fn end(self, zone: &TimeZone) -> i64 {
        match self {
            Self::Day(day) => day.tomorrow().map_or(END, |next| begin_of(next, zone)),
            Self::Moment(at) => microseconds(at),
        }
    }

    fn is_day_behind(self, other: Self) -> bool {
        match (self, other) {
            (Self::Day(from), Self::Day(to)) => from > to,
            (Self::Day(_) | Self::Moment(_), _) => false,
        }
    }
}

/// The first moment of a day; where clocks skip midnight, the one to which they skip.
pub(crate) fn begin_of(day: Date, zone: &TimeZone) -> i64 {
    let midnight = zone.to_zoned(day.at(0, 0, 0, 0));
    midnight.map_or_else(
        |_| if day.year() > 2000 { END } else { 0 },
        |midnight| microseconds(midnight.timestamp()),
    )
}

/// The first microsecond that is not before this moment.
fn microseconds(at: Timestamp) -> i64 {
    let nanoseconds = at.as_nanosecond();
    let up = nanoseconds.div_euclid(1000) + i128::from(nanoseconds.rem_euclid(1000) > 0);
    i64::try_from(up).unwrap_or(END)
}

fn end(field: &'static str, text: &str) -> Result<End, BadPeriod> {
    // In a query string, a plus sign that was not escaped is a space.
    let text = text.replace(' ', "+");
    if let Ok(day) = Date::strptime("%Y-%m-%d", &text) {
        return Ok(End::Day(day));
    }
    let wrong = || BadPeriod {
        field,
        reason: format!(
            "{field} must be a day such as 2026-11-21, or a moment with its offset such as \
             2026-11-21T08:30:00+02:00 or 2026-11-21T06:30:00Z"
        ),
    };
    // A name in brackets would be read and dropped.
    if text.contains('[') {
        return Err(wrong());
    }
    text.parse().map(End::Moment).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::Period;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn asked(from: &str, to: &str, zone: &TimeZone) -> (String, String) {
        let period = Period::asked(Some(from), Some(to), zone).unwrap().unwrap();
        let text = |at| Timestamp::from_microsecond(at).unwrap().to_string();
        let (from, to) = period.microseconds();
        (text(from), text(to))
    }

    #[test]
    fn a_day_is_a_day_of_the_zone_whatever_clocks_do() {
        let kyiv = zone("Europe/Kyiv");
        for (day, from, to) in [
            ("2026-11-21", "2026-11-20T22:00:00Z", "2026-11-21T22:00:00Z"),
            // 23 hours, and 25.
            ("2026-03-29", "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
            ("2026-10-25", "2026-10-24T21:00:00Z", "2026-10-25T22:00:00Z"),
        ] {
            assert_eq!(asked(day, day, &kyiv), (from.into(), to.into()), "{day}");
        }
        // Here clocks skip midnight.
        let beirut = asked("2026-03-29", "2026-03-29", &zone("Asia/Beirut"));
        assert_eq!(beirut.0, "2026-03-28T22:00:00Z");
        let kathmandu = asked("2026-11-21", "2026-11-21", &zone("Asia/Kathmandu"));
        assert_eq!(kathmandu.0, "2026-11-20T18:15:00Z");
    }

    #[test]
    fn a_moment_is_taken_as_it_is() {
        let from = "2026-11-21T08:37:12.000001 02:00";
        let (from, to) = asked(from, "2026-11-21T06:40:00Z", &zone("Asia/Tokyo"));
        assert_eq!(from, "2026-11-21T06:37:12.000001Z");
        assert_eq!(to, "2026-11-21T06:40:00Z");
    }

    #[test]
    fn what_would_be_dropped_is_refused_by_name() {
        for bad in [
            "soon",
            "2026-11-21T08:30:00",
            "2026-11-21T08:30",
            "2026-11-21T08:30:00+02:00[Europe/Kyiv]",
            "2026-11-21Z",
            "2026-11-21[Europe/Kyiv]",
            "2026-W47-6",
            "20261121",
            "2026-11-31",
            "",
        ] {
            let refusal = Period::asked(None, Some(bad), &TimeZone::UTC).unwrap_err();
            let refusal = refusal.to_string();
            assert!(refusal.contains("to must be a day"), "{bad}: {refusal}");
        }
    }

    #[test]
    fn a_period_does_not_end_before_it_begins() {
        let ends = |from, to| Period::asked(Some(from), Some(to), &TimeZone::UTC).is_ok();
        assert!(ends("2026-11-21", "2026-11-21"));
        assert!(!ends("2026-11-22", "2026-11-21"));
        assert!(!ends("2026-11-21T08:00:00Z", "2026-11-21T07:59:59Z"));
        assert!(ends("0001-01-01", "9999-12-31"));
    }
}
