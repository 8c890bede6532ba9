//! When a failed delivery is tried again.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use uuid::Uuid;

/// The longest pause that may be set.
const LONGEST: Duration = Duration::from_hours(30 * 24);
/// The most attempts that may be set, beside the first.
const MOST: usize = 100;

/// Pauses between attempts, in order; after the last one a delivery is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Default for Schedule {
    /// What Standard Webhooks proposes: at once, then ten times over three days.
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let seconds = [
            5,
            5 * MINUTE,
            30 * MINUTE,
            2 * HOUR,
            5 * HOUR,
            10 * HOUR,
            14 * HOUR,
            20 * HOUR,
            24 * HOUR,
        ];
        Self(seconds.map(Duration::from_secs).to_vec())
    }
}

impl Schedule {
    /// How long to wait after this attempt, counted from 1, has failed; `None` where it was the
    /// last. Up to a tenth longer, by the delivery's id, so that not all come back at once.
    #[must_use]
    pub fn after(&self, attempt: u32, delivery: Uuid) -> Option<Duration> {
        let pause = self.0.get(usize::try_from(attempt).ok()?.checked_sub(1)?)?;
        let share = u32::from(delivery.as_bytes()[15]);
        Some(*pause + *pause * share / 2550)
    }
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be at most 100 pauses of at most 30 days (720h), such as 5s,5m,2h")]
pub struct BadSchedule;

impl FromStr for Schedule {
    type Err = BadSchedule;

    fn from_str(text: &str) -> Result<Self, BadSchedule> {
        let pause = |text: &str| {
            let pause: SignedDuration = text.trim().parse().map_err(|_| BadSchedule)?;
            let pause = Duration::try_from(pause).map_err(|_| BadSchedule)?;
            (pause <= LONGEST).then_some(pause).ok_or(BadSchedule)
        };
        let pauses: Vec<_> = text.split(',').map(pause).collect::<Result<_, _>>()?;
        (pauses.len() <= MOST)
            .then_some(Self(pauses))
            .ok_or(BadSchedule)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::{BadSchedule, Schedule};

    #[test]
    fn pauses_grow_and_end() {
        let schedule = Schedule::default();
        let pauses: Vec<_> = (1..)
            .map_while(|n| schedule.after(n, Uuid::nil()))
            .collect();
        assert_eq!(pauses.len(), 9);
        assert!(pauses.is_sorted() && pauses[0] == Duration::from_secs(5));
        let total: Duration = pauses.iter().sum();
        assert!(total > Duration::from_hours(72), "{total:?}");
    }

    #[test]
    fn no_two_deliveries_come_back_at_once() {
        let schedule = Schedule::default();
        let longest = schedule.after(1, Uuid::max()).unwrap();
        assert_eq!(longest, Duration::from_millis(5500));
    }

    #[test]
    fn a_schedule_is_a_list_of_pauses() {
        let schedule: Schedule = "1s, 2m".parse().unwrap();
        assert_eq!(schedule.after(2, Uuid::nil()), Some(Duration::from_mins(2)));
        assert_eq!("soon".parse::<Schedule>(), Err(BadSchedule));
        for bad in ["-1s", "", "5s,,5m", "721h", "99999999999h"] {
            assert_eq!(bad.parse::<Schedule>(), Err(BadSchedule), "{bad}");
        }
        let many = vec!["1s"; 101].join(",");
        assert_eq!(many.parse::<Schedule>(), Err(BadSchedule));
    }

    #[test]
    fn the_longest_pause_overflows_nothing() {
        let schedule: Schedule = "720h".parse().unwrap();
        let longest = schedule.after(1, Uuid::max()).unwrap();
        assert_eq!(longest, Duration::from_hours(792));
    }
}
