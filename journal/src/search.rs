//! The log by time.

use jiff::Timestamp;

use crate::entry::Entry;
use crate::{Journal, JournalError};

/// Entries read to find a readable one.
const NEAR: usize = 4;

impl Journal {
    /// The last sequence of a partition before everything that happened at this moment or later.
    ///
    /// Found by halves, in about 20 reads of a commit among a million. Clocks of several
    /// processes differ: commits that were written within that difference may stand in either
    /// part.
    pub async fn before(&self, partition: u16, at: Timestamp) -> Result<u64, JournalError> {
        let (mut low, mut high) = (0, self.head(partition).await?.sequence);
        // Everything up to `low` is earlier, and everything behind `high` is not.
        while low < high {
            let middle = low + (high - low) / 2;
            // What cannot be read tells no time; a readable one stands near it.
            let found = self.read_sealed(partition, middle, NEAR).await?;
            match found.iter().find_map(Entry::commit) {
                Some(found) if found.commit.at < at => low = found.position.sequence,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::Journal;
    use crate::memory::MemoryJournal;
    use crate::sample::happen;

    #[tokio::test]
    async fn a_moment_divides_the_log() {
        let journal = Journal::from(MemoryJournal::new());
        let second = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(journal.before(0, second(5)).await.unwrap(), 0);
        for number in 1..=20 {
            happen(&journal, number, second(number.cast_signed() / 2)).await;
        }
        for moment in 0..12 {
            let earlier = (1..=20).filter(|number| number / 2 < moment).count() as u64;
            assert_eq!(journal.before(0, second(moment)).await.unwrap(), earlier);
        }
        let between = second(5) + SignedDuration::from_millis(1);
        assert_eq!(journal.before(0, between).await.unwrap(), 11);
    }
}
