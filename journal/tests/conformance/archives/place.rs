//! The places of an archive, and what may happen to a copy there.

use journal::Journal;
use journal::archive::{Archive, Archived};
use journal::entry::readable;
use journal::memory::MemoryJournal;
#[cfg(feature = "kurrent")]
use stories::servers::Kurrent;
use stories::servers::{Postgres, eventually};

use crate::backend::{beside, fresh_stream};
use crate::sample::grow;

/// Where the copy is.
pub enum Place {
    Postgres(Postgres),
    #[cfg(feature = "kurrent")]
    Kurrent(Kurrent),
}

impl Place {
    pub async fn postgres() -> Self {
        Self::Postgres(Postgres::start().await)
    }

    #[cfg(feature = "kurrent")]
    pub fn kurrent() -> Self {
        Self::Kurrent(Kurrent::start())
    }

    pub async fn open(&self) -> Archive {
        let url = match self {
            Self::Postgres(server) => server.url(),
            #[cfg(feature = "kurrent")]
            Self::Kurrent(server) => server.url(),
        };
        Archive::open(&url).await.unwrap()
    }

    /// The archive, once it has everything that the log has; nobody copies any more.
    pub async fn copied(&self, journal: &Journal) -> Archive {
        let archive = self.open().await;
        fill(&archive, journal).await;
        archive
    }

    /// Another text in a commit's body.
    pub async fn change(&self, sequence: u64) {
        match self {
            Self::Postgres(server) => {
                let change = "UPDATE rapport_archive SET body = REPLACE(body, 'key:1', 'key:2')";
                sql(server, &format!("{change} WHERE sequence = {sequence}")).await;
            }
            #[cfg(feature = "kurrent")]
            Self::Kurrent(server) => server.tamper(&partition_0(server), |events| {
                let event = events
                    .iter_mut()
                    .find(|event| event.revision + 1 == sequence);
                let event = event.unwrap();
                let body = String::from_utf8(event.data.to_vec()).unwrap();
                event.data = body.replace("key:1", "key:2").into();
            }),
        }
    }

    /// A commit is there no more.
    pub async fn remove(&self, sequence: u64) {
        match self {
            Self::Postgres(server) => {
                let remove = "DELETE FROM rapport_archive WHERE sequence =";
                sql(server, &format!("{remove} {sequence}")).await;
            }
            #[cfg(feature = "kurrent")]
            Self::Kurrent(server) => server.tamper(&partition_0(server), |events| {
                events.retain(|event| event.revision + 1 != sequence);
            }),
        }
    }

    /// A commit and the next one have changed places.
    pub async fn swap(&self, sequence: u64) {
        match self {
            Self::Postgres(server) => {
                let swap = "UPDATE rapport_archive t SET hash = o.hash, body = o.body \
                            FROM rapport_archive o WHERE t.sequence + o.sequence = 2 *";
                let two = "t.sequence <> o.sequence AND t.sequence IN";
                let next = sequence + 1;
                let swap = format!("{swap} {sequence} + 1 AND {two} ({sequence}, {next})");
                sql(server, &swap).await;
            }
            #[cfg(feature = "kurrent")]
            Self::Kurrent(server) => server.tamper(&partition_0(server), |events| {
                let first = events
                    .iter()
                    .position(|event| event.revision + 1 == sequence);
                let first = first.unwrap();
                events.swap(first, first + 1);
                events[first].revision -= 1;
                events[first + 1].revision += 1;
            }),
        }
    }

    /// Nothing is there behind this commit.
    pub async fn cut_behind(&self, sequence: u64) {
        match self {
            Self::Postgres(server) => {
                let cut = "DELETE FROM rapport_archive WHERE sequence >";
                sql(server, &format!("{cut} {sequence}")).await;
            }
            #[cfg(feature = "kurrent")]
            Self::Kurrent(server) => server.tamper(&partition_0(server), |events| {
                events.retain(|event| event.revision < sequence);
            }),
        }
    }
}

/// A log in memory of this many commits, of two streams in turn.
pub async fn log_of(commits: u64) -> Journal {
    let journal = Journal::from(MemoryJournal::new());
    append(&journal, commits).await;
    journal
}

/// Appends this many commits, of two fresh streams in turn.
pub async fn append(journal: &Journal, commits: u64) {
    let stream = fresh_stream();
    let other = beside(&stream, 2);
    for number in 0..commits {
        let next = if number % 2 == 0 { &stream } else { &other };
        grow(journal, next, 1).await;
    }
}

/// Copies until the archive has everything that the log has.
pub async fn fill(archive: &Archive, journal: &Journal) {
    let copier = tokio::spawn({
        let (archive, journal) = (archive.clone(), journal.clone());
        async move { archive.copy(&journal).await }
    });
    assert!(
        eventually(async || is_full(archive, journal).await).await,
        "everything is copied"
    );
    copier.abort();
    // Only then is nobody copying any more.
    let _ = copier.await;
}

/// Whether the archive ends where the log does.
pub async fn is_full(archive: &Archive, journal: &Journal) -> bool {
    for head in journal.heads().await.unwrap() {
        if archive.head(head.partition).await.ok() != Some(head) {
            return false;
        }
    }
    true
}

/// What the archive must have of a partition.
pub async fn expected(journal: &Journal, partition: u16) -> Vec<Archived> {
    let commits = readable(&journal.read_sealed(partition, 0, usize::MAX).await.unwrap()).unwrap();
    let archived = commits.into_iter().map(|recorded| Archived {
        position: recorded.position,
        hash: recorded.hash.to_string(),
        body: serde_json::to_string(&recorded.commit).unwrap(),
    });
    archived.collect()
}

/// Everything that the archive has of a partition.
pub async fn everything(archive: &Archive, partition: u16) -> Vec<Archived> {
    archive.read(partition, 0, 1_000_000).await.unwrap()
}

async fn sql(server: &Postgres, sql: &str) {
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let done = sqlx::query(sql).execute(&pool).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
}

#[cfg(feature = "kurrent")]
fn partition_0(server: &Kurrent) -> String {
    let names = server.names();
    names.into_iter().find(|name| name.ends_with("-0")).unwrap()
}
