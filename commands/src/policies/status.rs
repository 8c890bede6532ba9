//! What people see of policies, and where they let one go on.

use cqrs_es::AggregateError;
use domain::policy::{Mark, PolicyCommand, PolicyId, PolicyRecord};
use journal::JournalError;
use journal::cursor::name_of;
use serde::Serialize;

use super::cursor::{Parked, State, system};
use crate::desk::Desk;
use crate::origin::Origin;

/// How often a cursor that its holder renews meanwhile is placed again.
const TRIES: u32 = 20;

/// Whether a policy has a place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has never run on this log.
    New,
    /// It has a cursor.
    Follows,
    /// It has run on this log, and its cursor is gone: it does nothing.
    Lost,
}

/// A policy in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The policy.
    pub policy: PolicyId,
    /// The partition.
    pub partition: u16,
    /// Whether it has a place there.
    pub standing: Standing,
    /// The last sequence that it has met.
    pub sequence: Option<u64>,
    /// Commits that it has not met.
    pub behind: Option<u64>,
    /// What it leaves aside, and why.
    pub parked: Vec<Parked>,
}

/// What a person is told of a cursor that is gone.
#[must_use]
pub fn how_to_start(policy: PolicyId) -> String {
    format!(
        "it has run on this log and its place in it is lost; say where it goes on: \
         rapport policies start {policy} --from now|beginning|POSITION"
    )
}

/// Every policy in every partition.
pub async fn all(desk: &Desk) -> Result<Vec<Status>, JournalError> {
    let (workspace, journal) = (system()?, desk.journal());
    let heads = journal.heads().await?;
    let mut all = Vec::new();
    for policy in PolicyId::ALL {
        let record = desk.load::<PolicyRecord>(&workspace, *policy).await?;
        for head in &heads {
            let kept = journal.cursor(&name_of(*policy, head.partition)?).await?;
            let state = kept.map(|kept| State::from_bytes(&kept.body)).transpose()?;
            let standing = match (&state, record.state.begun) {
                (Some(_), _) => Standing::Follows,
                (None, true) => Standing::Lost,
                (None, false) => Standing::New,
            };
            let sequence = state.as_ref().map(|state| state.sequence);
            all.push(Status {
                policy: *policy,
                partition: head.partition,
                standing,
                sequence,
                behind: sequence.map(|sequence| head.sequence.saturating_sub(sequence)),
                parked: state.map(|state| state.parked).unwrap_or_default(),
            });
        }
    }
    Ok(all)
}

/// Lets a policy go on behind these marks; whoever holds it takes it again from there.
pub async fn place(
    desk: &Desk,
    policy: PolicyId,
    at: Vec<Mark>,
    origin: &Origin,
) -> Result<(), JournalError> {
    let origin = Origin {
        workspace: system()?,
        ..origin.clone()
    };
    let command = PolicyCommand::Place { at: at.clone() };
    match desk.send::<PolicyRecord>(policy, command, &origin).await {
        Ok(_) => {}
        Err(AggregateError::UserError(never)) => match never {},
        Err(error) => return Err(JournalError::unavailable(error.to_string())),
    }
    for mark in at {
        put(desk, policy, mark).await?;
    }
    Ok(())
}

async fn put(desk: &Desk, policy: PolicyId, mark: Mark) -> Result<(), JournalError> {
    let (journal, name) = (desk.journal(), name_of(policy, mark.partition)?);
    let body = State::at(mark.sequence, Vec::new()).to_bytes()?;
    for _ in 0..TRIES {
        let known = journal.cursor(&name).await?.map_or(0, |kept| kept.revision);
        match journal.put_cursor(&name, known, body.clone()).await {
            Ok(_) => return Ok(()),
            Err(JournalError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(JournalError::Conflict)
}
