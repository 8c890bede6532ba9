//! What a policy leaves aside: aggregates that it could not react to, tried again in their order.
//!
//! Invariant: of an aggregate nothing is reacted to before what came earlier was.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use journal::JournalError;
use journal::entry::Entry;
use journal::token::StreamId;

use super::Policy;
use super::cursor::Parked;
use super::following::{Following, Reacted};

/// So many aggregates are left aside, and then the policy goes no further.
pub(super) const MOST: usize = 500;
/// The first pause before another try; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// A reason is cut here.
const LONGEST_REASON: usize = 200;

/// Whether a stream is left aside.
pub(super) fn is_parked(parked: &[Parked], stream: &StreamId) -> bool {
    !parked.is_empty() && {
        let stream = stream.to_string();
        parked.iter().any(|one| one.stream == stream)
    }
}

/// When what is left aside is tried again. Whoever takes the cursor tries all of it at once.
#[derive(Default)]
pub(super) struct Lot(HashMap<String, Turn>);

struct Turn {
    pause: Duration,
    next: Instant,
}

impl Lot {
    /// Leaves the aggregate of this commit aside.
    pub(super) fn park<P: Policy>(
        &mut self,
        following: &mut Following<'_, P>,
        stream: &StreamId,
        entry: &Entry,
        reason: String,
    ) {
        let (stream, policy) = (stream.to_string(), following.policy.id());
        tracing::warn!(%policy, stream, reason, "an aggregate is left aside");
        let parked = Parked {
            stream: stream.clone(),
            version: version_of(entry).unwrap_or_default(),
            sequence: entry.position().sequence,
            reason: cut(reason),
            since: following.clock.now(),
        };
        following.cursor.parked_mut().push(parked);
        self.failed(&stream);
    }

    fn failed(&mut self, stream: &str) {
        let pause = self
            .0
            .get(stream)
            .map_or(FIRST_PAUSE, |turn| (turn.pause * 2).min(LONGEST_PAUSE));
        let next = Instant::now() + pause;
        self.0.insert(stream.to_owned(), Turn { pause, next });
    }

    /// Tries what is due; `false` where the cursor is another's.
    pub(super) async fn try_again<P: Policy>(
        &mut self,
        following: &mut Following<'_, P>,
    ) -> Result<bool, JournalError> {
        let now = Instant::now();
        let is_due = |one: &&Parked| self.0.get(&one.stream).is_none_or(|turn| turn.next <= now);
        let due: Vec<_> = following
            .cursor
            .parked()
            .iter()
            .filter(is_due)
            .cloned()
            .collect();
        for one in due {
            let left = match catch_up(following, &one).await {
                Ok(Some(left)) => left,
                Ok(None) => return Ok(false),
                Err(error) => Left::Still(Parked {
                    reason: cut(error.to_string()),
                    ..one.clone()
                }),
            };
            let parked = following.cursor.parked_mut();
            match left {
                Left::Nothing => {
                    parked.retain(|known| known.stream != one.stream);
                    self.0.remove(&one.stream);
                    let policy = following.policy.id();
                    tracing::info!(%policy, stream = one.stream, "an aggregate goes on");
                }
                Left::Still(still) => {
                    for known in parked.iter_mut().filter(|known| known.stream == one.stream) {
                        known.clone_from(&still);
                    }
                    self.failed(&one.stream);
                }
            }
            if !following.keep_if_due().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

enum Left {
    Nothing,
    Still(Parked),
}

/// Reacts to everything of a stream that was left aside, up to the cursor; `None` where that is
/// another's by now.
async fn catch_up<P: Policy>(
    following: &mut Following<'_, P>,
    parked: &Parked,
) -> Result<Option<Left>, JournalError> {
    let stream = parse(&parked.stream)?;
    let after = parked.sequence.saturating_sub(1);
    let entries = following.journal.load(&stream, after).await?;
    let met = following.cursor.sequence();
    let is_left = |one: &&Entry| {
        let behind = version_of(one).is_none_or(|version| version >= parked.version);
        behind && one.position().sequence <= met
    };
    for entry in entries.iter().filter(is_left) {
        match following.react(entry).await {
            Reacted::Done => {}
            Reacted::Failed(reason) => {
                return Ok(Some(Left::Still(Parked {
                    version: version_of(entry).unwrap_or(parked.version),
                    sequence: entry.position().sequence,
                    reason: cut(reason),
                    ..parked.clone()
                })));
            }
            Reacted::Lost => return Ok(None),
        }
    }
    Ok(Some(Left::Nothing))
}

/// The version that its first event gives the aggregate, where it tells.
fn version_of(entry: &Entry) -> Option<u64> {
    match entry {
        Entry::Commit(recorded) => Some(recorded.commit.first_version),
        Entry::Unreadable(unreadable) => unreadable.stored.first_version,
    }
}

fn parse(stream: &str) -> Result<StreamId, JournalError> {
    let malformed = || JournalError::Malformed(format!("{stream} is no stream"));
    let mut tokens = stream.splitn(3, '.');
    let mut token = || tokens.next().ok_or_else(malformed);
    let (workspace, category, id) = (token()?, token()?, token()?);
    StreamId::try_new(workspace, category, id).map_err(|_| malformed())
}

fn cut(mut reason: String) -> String {
    let end = reason.floor_char_boundary(LONGEST_REASON);
    reason.truncate(end);
    reason
}
