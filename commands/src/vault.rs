//! The vault is the one that the log names, and has the key of everybody whom the log names: checked
//! before a process does anything, and watched while it runs.
//!
//! The vault remembers up to where in the log this was so. What was appended since is looked through at
//! the next start, so the check is exact and costs what happened since; the first one reads the log.

use std::time::Duration;

use domain::event::Decide as _;
use domain::vault::{Bind, VaultBinding, VaultBindingError, VaultEvent};
use jiff::Timestamp;
use journal::binding::BindingError;
use journal::entry::{Entry, Fault};
use journal::envelope::Commit;
use journal::health::supervised;
use journal::position::Position;
use journal::vault::{KeyState, VaultError, VaultState};
use journal::{Journal, JournalError};

use crate::people::People;

/// Commits read at once.
const BATCH: usize = 1024;
/// People asked for at once.
const ASKED_AT_ONCE: usize = 1000;
/// How many are named where many are meant.
const NAMED: usize = 5;
/// How often a running process looks.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Sealed commits that a vault must open before a log is bound to it.
const SAMPLE: usize = 8;

/// Why a process must not use this vault with this log. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum VaultRefusal {
    /// The log says that another vault, or a newer one, is its own.
    #[error(
        "{0}. Bring back the right one: DATABASE_URL, VAULT_URL or vault.db in DATA_DIR must be that of \
         this log; where it is lost, take an empty place and `rapport keys import` the keys of the newest \
         backup"
    )]
    NotOurs(BindingError),
    /// There is none, and the log cannot be read without it.
    #[error(
        "the vault of keys is empty, and this log cannot be read without its keys: DATABASE_URL, VAULT_URL \
         or vault.db in DATA_DIR must be that of this log; where it is lost, `rapport keys import` the keys \
         of the newest backup here, then start again"
    )]
    Gone,
    /// The vault says that it belongs to another log.
    #[error(
        "this vault of keys belongs to the log {theirs}, and this log is {ours}: bring back its log (rapport \
         events restore, rapport restore), or name another place with VAULT_URL to begin a new one"
    )]
    OtherLog {
        /// The vault's.
        theirs: String,
        /// The one at hand.
        ours: String,
    },
    /// It does not open what the log holds.
    #[error(
        "this vault of keys does not open the commit at {0}: it is not the vault of this log. DATABASE_URL, \
         VAULT_URL or vault.db in DATA_DIR must be that of this log; where it is lost, take an empty place \
         and `rapport keys import` the keys of the newest backup"
    )]
    Foreign(Position),
    /// People whom the log names have no key.
    #[error(
        "this vault is older than the log: it lacks the keys of {}. Bring back a newer copy of it, or \
         `rapport keys import` the keys of a newer backup; where there is none, `rapport keys verify \
         --accept-missing` gives up what only these people's keys can open",
        named(.0)
    )]
    Older(Vec<(String, String)>),
    /// The log does not answer.
    #[error(transparent)]
    Log(#[from] JournalError),
    /// The vault does not answer.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<BindingError> for VaultRefusal {
    fn from(error: BindingError) -> Self {
        match error {
            BindingError::Log(error) => Self::Log(error),
            BindingError::Vault(error) => Self::Vault(error),
            error @ BindingError::NotOurs(_) => Self::NotOurs(error),
        }
    }
}

/// How many people, and who the first of them are.
#[must_use]
pub fn named(people: &[(String, String)]) -> String {
    let first: Vec<_> = people
        .iter()
        .take(NAMED)
        .map(|(workspace, name)| format!("{name} of {workspace}"))
        .collect();
    let more = if people.len() > NAMED { ", …" } else { "" };
    format!("{} people ({}{more})", people.len(), first.join(", "))
}

/// What a part of the log says about people.
#[derive(Debug, Default)]
pub struct Survey {
    /// Who is named there.
    pub people: People,
    /// The end of what was read.
    pub heads: Vec<Position>,
    /// The last sealed commits of it.
    newest: Vec<Position>,
}

impl Survey {
    /// Reads every partition from behind this sequence on, up to its present end.
    pub async fn of(
        journal: &Journal,
        from: impl Fn(Position) -> u64,
    ) -> Result<Self, JournalError> {
        let mut survey = Self::default();
        for head in journal.heads().await? {
            let mut after = from(head);
            while after < head.sequence {
                let batch = journal.read_sealed(head.partition, after, BATCH).await?;
                let Some(last) = batch.last() else { break };
                after = last.position().sequence;
                for entry in &batch {
                    survey.see(entry);
                }
            }
            survey.heads.push(head);
        }
        Ok(survey)
    }

    fn see(&mut self, entry: &Entry) {
        match entry {
            Entry::Commit(recorded) => {
                if !recorded.commit.keys.is_empty() {
                    if self.newest.len() == SAMPLE {
                        self.newest.remove(0);
                    }
                    self.newest.push(recorded.position);
                }
                self.people.see(&recorded.commit);
            }
            Entry::Unreadable(unreadable) => {
                let stream = unreadable.stream.as_ref();
                let stream = stream.filter(|_| !unreadable.fault.is_passed_over());
                if let Some(stream) = stream {
                    self.people.see_unreadable(stream);
                }
            }
        }
    }

    /// Whether anything is sealed there.
    #[must_use]
    pub fn names_somebody(&self) -> bool {
        !self.people.is_empty()
    }

    /// Those who were not erased and of whose keys the vault knows nothing.
    pub async fn unknown(&self, journal: &Journal) -> Result<Vec<(String, String)>, VaultError> {
        let mut unknown = Vec::new();
        for people in self.people.living().chunks(ASKED_AT_ONCE) {
            unknown.extend(journal.vault().unknown(people).await?);
        }
        unknown.sort();
        Ok(unknown)
    }

    /// Destroys the keys of those who were erased: an older copy of the vault may have them, or not know.
    pub async fn erase_again(&self, journal: &Journal) -> Result<(), VaultError> {
        for subject in self.people.erased() {
            match journal.vault().find(&subject).await? {
                KeyState::Destroyed => {}
                KeyState::Kept(_) | KeyState::Missing => journal.vault().destroy(&subject).await?,
            }
        }
        Ok(())
    }

    /// A vault with keys of the same names may be another's: what was sealed last must open.
    async fn opens(&self, journal: &Journal) -> Result<(), VaultRefusal> {
        for at in &self.newest {
            for entry in journal.read(at.partition, at.sequence - 1, 1).await? {
                if let Entry::Unreadable(unreadable) = entry
                    && matches!(unreadable.fault, Fault::Unsealable(_))
                {
                    return Err(VaultRefusal::Foreign(unreadable.position));
                }
            }
        }
        Ok(())
    }
}

/// Refuses a vault that is not the log's, is empty or is older; answers those whose keys were given up.
///
/// Who `may_write` also binds a log from before there were bindings, destroys again the keys that an
/// older copy brought back, and remembers how far it looked.
pub async fn check(
    journal: &Journal,
    now: Timestamp,
    may_write: bool,
) -> Result<Vec<(String, String)>, VaultRefusal> {
    let bound = journal.binding().await?;
    if !journal.vault().is_made() {
        let survey = Survey::of(journal, |_| 0).await?;
        return if bound.is_some() || survey.names_somebody() {
            Err(VaultRefusal::Gone)
        } else {
            Ok(Vec::new())
        };
    }
    let state = journal.vault().state().await?;
    is_ours(journal, bound.as_ref(), &state).await?;
    let survey = Survey::of(journal, |head| {
        state.seen_of(&journal.identity(), head.partition)
    })
    .await?;
    if bound.is_none() {
        survey.opens(journal).await?;
    }
    let unknown = survey.unknown(journal).await?;
    if !unknown.is_empty() {
        return Err(VaultRefusal::Older(unknown));
    }
    if may_write {
        survey.erase_again(journal).await?;
        settle(journal, bound.as_ref(), &state, &survey, now).await?;
    }
    Ok(journal.vault().lost().await?)
}

async fn is_ours(
    journal: &Journal,
    bound: Option<&Bind>,
    state: &VaultState,
) -> Result<(), VaultRefusal> {
    let ours = journal.identity();
    if let Some(bound) = bound {
        let found = Bind {
            vault: journal.vault().identity().await?,
            generation: state.generation,
        };
        return fits(bound, found).map_err(|error| VaultRefusal::NotOurs(error.into()));
    }
    match &state.log {
        Some(theirs) if *theirs != ours => Err(VaultRefusal::OtherLog {
            theirs: theirs.clone(),
            ours,
        }),
        Some(_) | None => Ok(()),
    }
}

fn fits(bound: &Bind, found: Bind) -> Result<(), VaultBindingError> {
    let log = VaultBinding {
        bound: Some(bound.clone()),
    };
    log.decide(found).map(drop)
}

/// Says in the log and in the vault that they belong together.
async fn settle(
    journal: &Journal,
    bound: Option<&Bind>,
    state: &VaultState,
    survey: &Survey,
    now: Timestamp,
) -> Result<(), VaultRefusal> {
    let log_is_behind = match bound {
        Some(bound) => bound.generation < state.generation,
        None => survey.names_somebody(),
    };
    if log_is_behind {
        journal.bind(state.generation, now).await?;
    }
    let (vault, ours) = (journal.vault(), journal.identity());
    // Another process may have started meanwhile, and have seen more.
    let now = vault.state().await?;
    if now.log.as_ref() == Some(&ours) {
        let further = furthest(&now.seen, &survey.heads);
        if further != now.seen {
            vault.has_seen(&now.seen, &further).await?;
        }
    } else if survey.heads.iter().any(|head| head.sequence > 0) {
        vault
            .belongs_to(&ours, &survey.heads, state.generation)
            .await?;
    }
    Ok(())
}

/// Of each partition the further one: what was seen is never unseen.
fn furthest(seen: &[Position], heads: &[Position]) -> Vec<Position> {
    let further = |head: &Position| {
        let before = seen.iter().find(|seen| seen.partition == head.partition);
        let before = before.map_or(0, |seen| seen.sequence);
        Position {
            sequence: before.max(head.sequence),
            ..*head
        }
    };
    heads.iter().map(further).collect()
}

/// The generation that a commit binds its log to.
#[must_use]
pub fn bound_by(commit: &Commit) -> Option<Bind> {
    if commit.category.as_str() != <VaultBinding as cqrs_es::Aggregate>::TYPE {
        return None;
    }
    let event = schemas::codec::decode(commit.events.last()?).ok()?;
    let VaultEvent::Bound { vault, generation } = event;
    Some(Bind { vault, generation })
}

/// Takes the vault at hand for the log's, whatever it said before, and gives up the keys that it lacks:
/// what somebody decided who looked at [`Survey::unknown`]. A copy from before is older where its
/// generation is raised.
pub async fn adopt(
    journal: &Journal,
    survey: &Survey,
    raise: bool,
    now: Timestamp,
) -> Result<(), VaultRefusal> {
    let (vault, bound) = (journal.vault(), journal.binding().await?);
    if bound.is_none() {
        survey.opens(journal).await?;
    }
    let known = bound.as_ref().map_or(0, |bound| bound.generation);
    let generation = known.max(vault.state().await?.generation) + u64::from(raise);
    vault.note_lost(&survey.unknown(journal).await?).await?;
    survey.erase_again(journal).await?;
    if survey.names_somebody() {
        journal.bind(generation, now).await?;
    }
    let heads = journal.heads().await?;
    vault
        .belongs_to(&journal.identity(), &heads, generation)
        .await?;
    Ok(())
}

/// Watches for ever that the vault stays the one that was opened, and remembers how far the log was
/// appended with its keys.
pub async fn watch(journal: Journal) {
    supervised(journal.health().part("vault"), |part| {
        let journal = journal.clone();
        async move {
            let mut last = Vec::new();
            loop {
                match look(&journal, &mut last).await {
                    Ok(()) => part.works(),
                    Err(error @ VaultError::Replaced) => {
                        journal.vault().distrust();
                        tracing::error!(%error, "nothing is sealed any more");
                        part.stands_still(error);
                    }
                    Err(error) => part.fails(error),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    })
    .await;
}

/// Every commit up to these heads was sealed with keys that are in the vault, if it is still the same.
async fn look(journal: &Journal, last: &mut Vec<Position>) -> Result<(), VaultError> {
    let Ok(heads) = journal.heads().await else {
        return Ok(());
    };
    let vault = journal.vault();
    vault.is_the_same().await?;
    let state = vault.state().await?;
    let went_back = last
        .iter()
        .any(|seen| state.seen_of(&journal.identity(), seen.partition) < seen.sequence);
    if went_back {
        return Err(VaultError::Replaced);
    }
    if state.seen.is_empty() {
        if heads.iter().any(|head| head.sequence > 0) {
            vault
                .belongs_to(&journal.identity(), &heads, state.generation)
                .await?;
        }
    } else {
        let further = furthest(&state.seen, &heads);
        if further != state.seen {
            vault.has_seen(&state.seen, &further).await?;
        }
    }
    *last = vault.state().await?.seen;
    Ok(())
}
