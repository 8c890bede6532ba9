//! Durations in buckets that grow by an eighth of an octave: a median read from them is at most
//! 4.5 percent off, however many they hold.

const PER_OCTAVE: f64 = 8.0;

/// The bucket of a duration, named so that names sort as durations do.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "from 0 to 512"
)]
pub fn bucket(milliseconds: i64) -> String {
    let octaves = (milliseconds.max(1) as f64).log2();
    format!("t{:03}", (octaves * PER_OCTAVE).floor() as u32)
}

/// The median in seconds of what these buckets hold; other names are passed over.
#[must_use]
pub fn median<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Option<f64> {
    let mut buckets: Vec<(f64, u64)> = counts
        .filter_map(|(name, count)| Some((name.strip_prefix('t')?.parse().ok()?, count)))
        .filter(|(_, count)| *count > 0)
        .collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    let half = buckets
        .iter()
        .map(|(_, count)| count)
        .sum::<u64>()
        .div_ceil(2);
    let mut seen = 0;
    let (bucket, _) = buckets.into_iter().find(|(_, count)| {
        seen += count;
        seen >= half
    })?;
    let middle = ((bucket + 0.5) / PER_OCTAVE).exp2() / 1000.0;
    Some((middle * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::{bucket, median};

    #[test]
    fn the_median_is_within_five_percent() {
        for seconds in [1_i64, 59, 3600, 86_400, 31 * 86_400] {
            let name = bucket(seconds * 1000);
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let truth = seconds as f64;
            let found = median([("entered", 9), (name.as_str(), 3)].into_iter()).unwrap();
            assert!(
                (found / truth - 1.0).abs() < 0.05,
                "{seconds} s became {found}"
            );
        }
        assert_eq!(median([("entered", 9)].into_iter()), None);
    }

    #[test]
    fn half_of_them_are_below_the_median() {
        let (short, long) = (bucket(1000), bucket(60_000));
        let found = median([(short.as_str(), 5), (long.as_str(), 4)].into_iter()).unwrap();
        assert!(found < 2.0);
        let found = median([(short.as_str(), 4), (long.as_str(), 5)].into_iter()).unwrap();
        assert!(found > 50.0);
    }
}
