//! A request that carries an `Idempotency-Key` is carried out once, however often it is sent.
//!
//! The key is claimed in the log before anything happens. The claim fixes the seed of all
//! commit ids and every number the request is given; the answer is kept beside them. A retry
//! after any crash finds either the answer, or the ids under which to go on.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cqrs_es::AggregateError;
use domain::id::NumberKind;
use domain::number::NumbersError;
use jiff::Timestamp;
use journal::claim::{ClaimKey, KEPT};
use journal::entry::Entry;
use journal::envelope::{Asked, Commit};
use journal::token::Token;
use journal::{Journal, JournalError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::clock::{Clock, fresh_id};
use crate::desk::failed;
use crate::origin::{MAX_ROWS, row_step};

/// Entries read at once.
const BATCH: usize = 1024;
/// How much of a request's fingerprint its commits name, in hex digits.
const FINGERPRINT: usize = 32;

/// An answer as it was given, to be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// HTTP status.
    pub status: u16,
    /// The headers that belong to the answer.
    pub headers: Vec<(String, String)>,
    /// The body, which is text in every answer of ours; sealed, where it names a person also with theirs.
    pub body: String,
    /// Whether it is sealed with the request's own key, which nobody has but who sends the request again.
    /// Older ones are not.
    #[serde(default)]
    pub sealed: bool,
    /// Whom it names, and whose key seals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

/// What a claim holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    seed: Uuid,
    fingerprint: String,
    numbers: BTreeMap<NumberKind, u64>,
    /// Those of a request's rows, where it has many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    rows: BTreeMap<u16, BTreeMap<NumberKind, u64>>,
    answer: Option<KeptAnswer>,
}

impl Record {
    /// The number of the request, or of one of its rows.
    fn number(&self, kind: NumberKind, row: Option<u16>) -> Option<u64> {
        let numbers = match row {
            Some(row) => self.rows.get(&row),
            None => Some(&self.numbers),
        };
        numbers?.get(&kind).copied()
    }

    fn numbers(&mut self, row: Option<u16>) -> &mut BTreeMap<NumberKind, u64> {
        match row {
            Some(row) => self.rows.entry(row).or_default(),
            None => &mut self.numbers,
        }
    }
}

/// A request whose key was claimed.
#[derive(Debug)]
pub struct Claimed {
    journal: Journal,
    clock: Clock,
    key: ClaimKey,
    seed: Uuid,
    asked: Asked,
    retried: bool,
    held: Mutex<(u64, Record)>,
}

/// What claiming a key led to.
pub enum Claiming {
    /// Carry the request out, under the claim's ids.
    Go(Arc<Claimed>),
    /// It was carried out: this was the answer.
    Answered(KeptAnswer),
    /// The key was used for another request.
    Reused,
}

/// Hex SHA-256 over parts, each ended so that none runs into the next.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

/// Claims a key for a request; `scope` tells callers and routes apart.
pub async fn claim(
    journal: &Journal,
    clock: &Clock,
    workspace: &Token,
    scope: &[&[u8]],
    fingerprint: String,
) -> Result<Claiming, JournalError> {
    let key = Token::try_new(&digest(scope)).map_err(JournalError::unavailable)?;
    let key = ClaimKey {
        workspace: workspace.clone(),
        key,
    };
    let record = Record {
        seed: fresh_id(),
        fingerprint,
        numbers: BTreeMap::new(),
        rows: BTreeMap::new(),
        answer: None,
    };
    let claimed = |revision, record: Record, retried| {
        Claiming::Go(Arc::new(Claimed {
            journal: journal.clone(),
            clock: clock.clone(),
            key: key.clone(),
            seed: record.seed,
            asked: asked(&key, &record.fingerprint),
            retried,
            held: Mutex::new((revision, record)),
        }))
    };
    match journal
        .put_claim(&key, 0, encode(&record)?, clock.now())
        .await
    {
        Ok(revision) => return Ok(claimed(revision, record, false)),
        Err(JournalError::Conflict) => {}
        Err(error) => return Err(error),
    }
    let kept = journal.claim(&key).await?.ok_or(JournalError::Conflict)?;
    let held: Record = serde_json::from_slice(&kept.body).map_err(JournalError::unavailable)?;
    Ok(match held {
        // A claim that was made again from a commit knows the beginning only.
        held if !record.fingerprint.starts_with(&held.fingerprint) => Claiming::Reused,
        Record {
            answer: Some(answer),
            ..
        } => Claiming::Answered(answer),
        held => claimed(kept.revision, held, true),
    })
}

fn encode(record: &Record) -> Result<Vec<u8>, JournalError> {
    serde_json::to_vec(record).map_err(|error| JournalError::Malformed(error.to_string()))
}

fn asked(key: &ClaimKey, fingerprint: &str) -> Asked {
    Asked {
        claim: key.key.clone(),
        fingerprint: fingerprint.chars().take(FINGERPRINT).collect(),
    }
}

/// Makes the claims of the last 30 days again from the commits that name them, where they are lost: a
/// restored log has none. Answers how many there were.
///
/// Kept answers are not among them: a second try goes on under the same ids and finds what was done.
pub async fn remember(journal: &Journal, now: Timestamp) -> Result<usize, JournalError> {
    let mut found: HashMap<ClaimKey, Record> = HashMap::new();
    for head in journal.heads().await? {
        let mut after = 0;
        while after < head.sequence {
            let batch = journal.read_sealed(head.partition, after, BATCH).await?;
            let Some(last) = batch.last() else { break };
            after = last.position().sequence;
            let commits = batch.iter().filter_map(Entry::commit);
            commits
                .map(|recorded| &recorded.commit)
                .filter(|commit| now.duration_since(commit.at).unsigned_abs() < KEPT)
                .for_each(|commit| note(&mut found, commit));
        }
    }
    let mut made = 0;
    for (key, record) in &found {
        match journal.put_claim(key, 0, encode(record)?, now).await {
            Ok(_) => made += 1,
            // It is not lost.
            Err(JournalError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

fn note(found: &mut HashMap<ClaimKey, Record>, commit: &Commit) {
    let Some(asked) = &commit.asked else { return };
    let key = ClaimKey {
        workspace: commit.workspace.clone(),
        key: asked.claim.clone(),
    };
    let record = found.entry(key).or_insert_with(|| Record {
        seed: commit.correlation,
        fingerprint: asked.fingerprint.clone(),
        numbers: BTreeMap::new(),
        rows: BTreeMap::new(),
        answer: None,
    });
    let kind = NumberKind::parse(commit.category.as_str());
    let number = commit.id.as_str().parse().ok();
    // What begins with this request had a number from it.
    if let (1, Some(kind), Some(number)) = (commit.first_version, kind, number) {
        record.numbers(row_of(commit)).insert(kind, number);
    }
}

/// The row of its request that made a commit, by the id that it has for that; nothing where the request has
/// no rows.
fn row_of(commit: &Commit) -> Option<u16> {
    let name = format!("{} {}", commit.stream(), commit.command);
    let made = |seed: Uuid| Uuid::new_v5(&seed, name.as_bytes()) == commit.commit_id;
    let step = |seed: Uuid, place: &str| Uuid::new_v5(&seed, place.as_bytes());
    if made(commit.correlation) {
        return None;
    }
    (0..MAX_ROWS).find(|row| {
        let row = step(commit.correlation, &row_step(*row));
        // Itself, or the contact that a lead brings.
        made(row) || made(step(step(row, "contact"), "create"))
    })
}

impl Claimed {
    /// What commits of this request say of it.
    #[must_use]
    pub const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Fixes the ids of all commits.
    #[must_use]
    pub const fn seed(&self) -> Uuid {
        self.seed
    }

    /// Whether an earlier try may have done something.
    #[must_use]
    pub const fn retried(&self) -> bool {
        self.retried
    }

    /// The number that this request has of a kind: the one fixed before, or the one taken now.
    ///
    /// A number that was not kept is not used, or a retry would take another and do everything twice.
    pub async fn number(
        &self,
        kind: NumberKind,
        row: Option<u16>,
        take: impl Future<Output = Result<u64, AggregateError<NumbersError>>>,
    ) -> Result<u64, AggregateError<NumbersError>> {
        if let Some(number) = self.held.lock().await.1.number(kind, row) {
            return Ok(number);
        }
        let number = take.await?;
        let kept = self
            .keep(|record| *record.numbers(row).entry(kind).or_insert(number))
            .await;
        kept.map_err(failed)
    }

    /// Those of these rows that have no number of this kind yet.
    pub async fn without_number(&self, kind: NumberKind, rows: &[u16]) -> Vec<u16> {
        let held = self.held.lock().await;
        let rows = rows.iter().copied();
        rows.filter(|row| held.1.number(kind, Some(*row)).is_none())
            .collect()
    }

    /// Keeps the numbers of rows, where another try has not kept others.
    pub async fn keep_numbers(
        &self,
        kind: NumberKind,
        taken: &[(u16, u64)],
    ) -> Result<(), AggregateError<NumbersError>> {
        if taken.is_empty() {
            return Ok(());
        }
        let kept = self.keep(|record| {
            for (row, number) in taken {
                record.numbers(Some(*row)).entry(kind).or_insert(*number);
            }
        });
        kept.await.map_err(failed)
    }

    /// Keeps the answer, to be given again.
    pub async fn answered(&self, answer: KeptAnswer) -> Result<(), JournalError> {
        self.keep(|record| record.answer = Some(answer.clone()))
            .await
    }

    /// Changes the record, on top of what another try may have put there meanwhile.
    async fn keep<T>(&self, change: impl Fn(&mut Record) -> T) -> Result<T, JournalError> {
        let mut held = self.held.lock().await;
        loop {
            let mut record = held.1.clone();
            let outcome = change(&mut record);
            let put = self
                .journal
                .put_claim(&self.key, held.0, encode(&record)?, self.clock.now());
            match put.await {
                Ok(revision) => {
                    *held = (revision, record);
                    return Ok(outcome);
                }
                Err(JournalError::Conflict) => {
                    let kept = self
                        .journal
                        .claim(&self.key)
                        .await?
                        .ok_or(JournalError::Conflict)?;
                    let record =
                        serde_json::from_slice(&kept.body).map_err(JournalError::unavailable)?;
                    *held = (kept.revision, record);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
