//! What a run did, as a table.

use std::fmt;
use std::sync::atomic::Ordering;

use super::Plan;
use super::clients::Shared;
use super::nemesis::Thrown;

/// What a run did.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was to be done.
    pub plan: Plan,
    /// Faults, by kind.
    pub thrown: std::collections::BTreeMap<String, u32>,
    /// Leads whose history was checked.
    pub leads: usize,
    /// Changes that were acknowledged or refused.
    pub answered: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// Changes whose outcome no client knows.
    pub unknown: usize,
    /// Tries beyond the first.
    pub retries: u64,
    /// Calls that one order explains.
    pub checked: usize,
}

impl Report {
    pub(super) fn of(plan: Plan, thrown: Thrown, shared: &Shared) -> Self {
        let (checked, unknown) = shared.history.counts();
        let (answered, reads) = shared.answers();
        let perhaps = shared.perhaps_opened.load(Ordering::SeqCst);
        Self {
            plan,
            thrown,
            leads: shared.history.leads().len(),
            answered,
            reads,
            unknown: unknown + usize::try_from(perhaps).unwrap_or_default(),
            retries: shared.retries.load(Ordering::SeqCst),
            checked,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            profile,
            seed,
            time,
        } = self.plan;
        writeln!(f, "{}, seed {seed}, {} s", profile.name(), time.as_secs())?;
        for (kind, times) in &self.thrown {
            writeln!(f, "  {times:>6}  {kind}")?;
        }
        let lines = [
            (
                self.thrown.values().map(|times| u64::from(*times)).sum(),
                "faults",
            ),
            (self.answered, "changes answered"),
            (self.reads, "reads answered"),
            (self.unknown as u64, "changes without an answer"),
            (self.retries, "tries beyond the first"),
            (self.leads as u64, "leads"),
            (
                self.checked as u64,
                "calls explained by one order each lead",
            ),
        ];
        for (number, what) in lines {
            writeln!(f, "  {number:>6}  {what}")?;
        }
        write!(
            f,
            "Nothing lost, nothing doubled, nothing stale; log, archive and views agree."
        )
    }
}
