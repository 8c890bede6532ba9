//! A partition followed: as it is stored, or with its personal fields opened. Either way its end is
//! read once for everybody in the process.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};

use crate::entry::Entry;
use crate::health::Part;
use crate::{Feed, Journal, JournalError, pace, tail};

/// The tails of one partition.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tails {
    stored: Arc<tail::Shared>,
    opened: Arc<tail::Shared>,
}

impl Journal {
    /// Follows a partition from behind this sequence, for ever. What comes while the reader
    /// works, and within a few milliseconds, comes as one batch.
    #[must_use]
    pub fn follow(&self, partition: u16, after: u64) -> Feed {
        let source = Opened(self.stored(partition));
        tail::follow(self.tails(partition).opened, source, after)
    }

    /// The same, as it is stored: personal fields stay sealed.
    #[must_use]
    pub fn follow_sealed(&self, partition: u16, after: u64) -> Feed {
        let source = self.stored(partition);
        tail::follow(self.tails(partition).stored, source, after)
    }

    fn tails(&self, partition: u16) -> Tails {
        let tails = self.tails.get(usize::from(partition));
        tails.cloned().unwrap_or_default()
    }

    fn stored(&self, partition: u16) -> Stored {
        Stored {
            journal: self.clone(),
            partition,
        }
    }
}

/// A partition as it is stored.
#[derive(Clone)]
struct Stored {
    journal: Journal,
    partition: u16,
}

/// A partition with its personal fields opened.
#[derive(Clone)]
struct Opened(Stored);

impl tail::Source for Stored {
    fn head(&self) -> BoxFuture<'_, Result<u64, JournalError>> {
        let head = self.journal.head(self.partition);
        head.map(|head| Ok(head?.sequence)).boxed()
    }

    fn read(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>> {
        let read = self.journal.read_sealed(self.partition, after, limit);
        read.boxed()
    }

    fn follow(&self, after: u64) -> Feed {
        let entries = self.journal.entries(self.partition, after);
        let journal = self.journal.clone();
        let judged = move |batch: Result<Vec<Entry>, JournalError>| Ok(journal.judged(batch?));
        pace::paced(entries).map(judged).boxed()
    }

    fn part(&self) -> Part {
        self.journal.health().part_of("log-tail", self.partition)
    }
}

impl tail::Source for Opened {
    fn head(&self) -> BoxFuture<'_, Result<u64, JournalError>> {
        self.0.head()
    }

    fn read(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Entry>, JournalError>> {
        let Stored { journal, partition } = &self.0;
        journal.read(*partition, after, limit).boxed()
    }

    fn follow(&self, after: u64) -> Feed {
        let Stored { journal, partition } = &self.0;
        let (sealed, journal) = (journal.follow_sealed(*partition, after), journal.clone());
        let opened = move |batch: Result<Vec<Entry>, JournalError>| {
            let journal = journal.clone();
            async move { journal.opened(batch?).await }
        };
        sealed.then(opened).boxed()
    }

    fn part(&self) -> Part {
        let Stored { journal, partition } = &self.0;
        journal.health().part_of("log-tail-opened", partition)
    }
}
