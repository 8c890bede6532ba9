//! How far the policies are travels with the log: what they have met is not news after a restore.
//!
//! A restored log may have other positions and another number of partitions. So a backup says how
//! many commits of each partition a policy has met, in the order in which they stand in its file,
//! and a restore looks where those commits come to stand.

use std::collections::HashMap;

use commands::policies::cursor::{Parked, State};
use commands::policies::status::{self, Standing};
use domain::policy::PolicyId;
use journal::cursor::name_of;
use journal::position::Position;
use journal::token::Token;
use journal::{Journal, JournalError, partition_of};
use serde::{Deserialize, Serialize};

use crate::system::tools::Tools;

/// How far a policy was in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Its name; a newer program may know more of them.
    pub policy: String,
    /// The partition.
    pub partition: u16,
    /// The last sequence that it had met.
    pub sequence: u64,
    /// How many commits of the partition that are.
    pub commits: u64,
    /// What it left aside.
    #[serde(default)]
    pub parked: Vec<Parked>,
}

/// How far every policy is; asked before the log is written, so that nothing is met that is not in
/// the file.
pub async fn met(tools: &Tools) -> Result<Vec<Met>, JournalError> {
    let all = status::all(tools.desk()).await?.into_iter();
    let kept = all.filter(|one| one.standing == Standing::Follows);
    let met = |one: status::Status| Met {
        policy: one.policy.to_string(),
        partition: one.partition,
        sequence: one.sequence.unwrap_or_default(),
        commits: 0,
        parked: one.parked,
    };
    Ok(kept.map(met).collect())
}

/// Counts a commit that is written.
pub fn count(met: &mut [Met], at: Position) {
    for one in met {
        one.commits += u64::from(one.partition == at.partition && one.sequence >= at.sequence);
    }
}

/// Where policies come to stand while a log is restored.
pub struct Places<'a> {
    met: &'a [Met],
    /// Of the log that was backed up.
    partitions: u16,
    /// Commits seen of each of its partitions.
    seen: HashMap<u16, u64>,
    /// By policy and partition of the restored log: up to where everything was met.
    at: HashMap<(PolicyId, u16), Place>,
}

#[derive(Default)]
struct Place {
    sequence: u64,
    /// Something was not met: what stands behind it is met again.
    ended: bool,
}

impl<'a> Places<'a> {
    /// Of policies that were this far in a log of so many partitions.
    pub fn new(met: &'a [Met], partitions: u16) -> Self {
        Self {
            met,
            partitions,
            seen: HashMap::new(),
            at: HashMap::new(),
        }
    }

    /// A commit of this workspace has come to stand here; nowhere, where it is not carried on.
    pub fn stands(&mut self, workspace: &Token, at: Option<Position>) {
        let from = partition_of(workspace, self.partitions);
        let seen = self.seen.entry(from).or_default();
        *seen += 1;
        let Some(at) = at else { return };
        for one in self.met.iter().filter(|one| one.partition == from) {
            let Some(policy) = PolicyId::parse(&one.policy) else {
                continue;
            };
            let place = self.at.entry((policy, at.partition)).or_default();
            if *seen > one.commits {
                place.ended = true;
            } else if !place.ended {
                place.sequence = at.sequence;
            }
        }
    }

    /// Keeps the cursors of the restored log. A policy of which the backup does not know everything
    /// gets none, and waits for a person.
    pub async fn keep(&self, journal: &Journal) -> Result<(), JournalError> {
        for policy in PolicyId::ALL {
            let of_it = self.met.iter().filter(|one| one.policy == policy.as_str());
            if of_it.clone().count() != usize::from(self.partitions) {
                continue;
            }
            for partition in 0..journal.partitions() {
                let place = self.at.get(&(*policy, partition));
                let sequence = place.map_or(0, |place| place.sequence);
                let here = |parked: &&Parked| journal_partition(journal, parked) == Some(partition);
                let parked = of_it.clone().flat_map(|one| &one.parked).filter(here);
                let parked = parked.map(|parked| Parked {
                    // Its version says where it was; the position is another now.
                    sequence: 0,
                    ..parked.clone()
                });
                let body = State::at(sequence, parked.collect()).to_bytes()?;
                let name = name_of(*policy, partition)?;
                let known = journal.cursor(&name).await?.map_or(0, |kept| kept.revision);
                journal.put_cursor(&name, known, body).await?;
            }
        }
        Ok(())
    }
}

fn journal_partition(journal: &Journal, parked: &Parked) -> Option<u16> {
    let workspace = parked.stream.split('.').next()?;
    let workspace = Token::try_new(workspace).ok()?;
    Some(journal.partition(&workspace))
}

#[cfg(test)]
mod tests {
    use domain::policy::PolicyId;
    use journal::position::Position;
    use journal::token::Token;

    use super::{Met, Places, count, partition_of};

    fn at(partition: u16, sequence: u64) -> Position {
        Position {
            partition,
            sequence,
        }
    }

    fn met(partition: u16, sequence: u64) -> Met {
        Met {
            policy: PolicyId::Transfer.to_string(),
            partition,
            sequence,
            commits: 0,
            parked: Vec::new(),
        }
    }

    fn token(text: &str) -> Token {
        Token::try_new(text).unwrap()
    }

    #[test]
    fn a_policy_goes_on_behind_what_it_had_met_wherever_that_stands_now() {
        // Positions with a hole; the restored log has none.
        let mut known = [met(0, 7)];
        for sequence in [1, 2, 5, 7, 9] {
            count(&mut known, at(0, sequence));
        }
        assert_eq!(known[0].commits, 4);
        let mut places = Places::new(&known, 1);
        for sequence in 1..=5 {
            places.stands(&token("main"), Some(at(0, sequence)));
        }
        assert_eq!(places.at[&(PolicyId::Transfer, 0)].sequence, 4);
    }

    #[test]
    fn what_was_not_met_is_met_where_two_partitions_become_one() {
        let workspace = |wanted: u16| {
            let names = (0..100).map(|number| format!("w{number}"));
            let mut found = names.filter(|name| partition_of(&token(name), 2) == wanted);
            found.next().unwrap()
        };
        let known = [
            Met {
                commits: 1,
                ..met(0, 1)
            },
            Met {
                commits: 2,
                ..met(1, 2)
            },
        ];
        let mut places = Places::new(&known, 2);
        // Of the first partition one of two was met, of the second both.
        for (sequence, partition) in [(1, 0), (2, 0), (3, 1), (4, 1)] {
            places.stands(&token(&workspace(partition)), Some(at(0, sequence)));
        }
        assert_eq!(places.at[&(PolicyId::Transfer, 0)].sequence, 1);
    }
}
