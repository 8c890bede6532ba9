//! What of the next events is queued, and which records are held back.
//!
//! A record is held back from the first commit on that finds no room in its lane, so that its
//! events stay in order. Commits are not divided.

use std::collections::{BTreeMap, HashMap};

use super::aggregate::{Webhook, WebhookError};
use super::event::{Delivery, HeldLane, WebhookEvent};
use super::{HELD, LANE, WINDOW};
use crate::effect::Intent as _;

/// What becomes of deliveries that are to be queued.
#[derive(Debug, Default)]
struct Sorted {
    queued: Vec<Delivery>,
    held: BTreeMap<String, u64>,
}

impl Webhook {
    /// Whether these can be queued now, in as far as their records are not held back.
    #[must_use]
    pub fn has_room(&self, deliveries: &[Delivery]) -> bool {
        let sorted = self.sort(deliveries);
        self.takes(sorted.queued.len()) && self.held.len() + sorted.held.len() <= HELD
    }

    /// How many more of a record's deliveries may be queued: none while one of them fails.
    #[must_use]
    pub fn room_of(&self, record: &str) -> usize {
        let lane = self.in_flight.iter();
        let lane = lane.filter(|one| one.intent.lane() == record);
        let (mut count, mut fails) = (0_usize, false);
        for one in lane {
            count += 1;
            fails |= one.failing_since.is_some();
        }
        if fails { 0 } else { LANE.saturating_sub(count) }
    }

    pub(super) fn queue(
        &self,
        after: u64,
        to: u64,
        mut deliveries: Vec<Delivery>,
    ) -> Result<Vec<WebhookEvent>, WebhookError> {
        self.expect_on()?;
        if after != self.read_to || to < after {
            let read_to = self.read_to;
            return Err(WebhookError::ReadElsewhere { read_to });
        }
        // After a rewind, what is still in flight is told once.
        deliveries.retain(|delivery| self.in_flight.find(delivery.id()).is_none());
        let Sorted {
            queued: deliveries,
            held,
        } = self.sort(&deliveries);
        if !self.takes(deliveries.len()) || self.held.len() + held.len() > HELD {
            return Err(WebhookError::Full);
        }
        let lanes = held.into_iter();
        let lanes: Vec<_> = lanes
            .map(|(record, after)| HeldLane { record, after })
            .collect();
        let held = (!lanes.is_empty()).then_some(WebhookEvent::LanesHeld { lanes });
        let queued = WebhookEvent::Queued { to, deliveries };
        Ok(held.into_iter().chain([queued]).collect())
    }

    pub(super) fn queue_lane(
        &self,
        record: String,
        after: u64,
        to: u64,
        mut deliveries: Vec<Delivery>,
    ) -> Result<Vec<WebhookEvent>, WebhookError> {
        self.expect_on()?;
        if self.held.get(&record) != Some(&after) || to < after || to > self.read_to {
            let read_to = self.read_to;
            return Err(WebhookError::ReadElsewhere { read_to });
        }
        deliveries.retain(|delivery| self.in_flight.find(delivery.id()).is_none());
        // One commit may hold more than a lane.
        let is_empty = self.in_flight.iter().all(|one| one.intent.lane() != record);
        if !self.takes(deliveries.len()) || !(is_empty || deliveries.len() <= self.room_of(&record))
        {
            return Err(WebhookError::Full);
        }
        Ok(vec![WebhookEvent::LaneQueued {
            record,
            to,
            deliveries,
        }])
    }

    /// Whether so many more may be in flight. One commit may hold more than a window.
    fn takes(&self, more: usize) -> bool {
        more == 0 || self.in_flight.is_empty() || self.in_flight.len() + more <= WINDOW
    }

    fn sort(&self, deliveries: &[Delivery]) -> Sorted {
        let mut sorted = Sorted::default();
        let mut queued: HashMap<String, usize> = HashMap::new();
        let same = |one: &Delivery, next: &Delivery| {
            one.record == next.record && one.sequence == next.sequence
        };
        for commit in deliveries.chunk_by(same) {
            let Some(Delivery {
                record, sequence, ..
            }) = commit.first()
            else {
                continue;
            };
            if self.held.contains_key(record) || sorted.held.contains_key(record) {
                continue;
            }
            let before = queued.entry(record.clone()).or_default();
            let is_empty =
                *before == 0 && self.in_flight.iter().all(|one| one.intent.lane() != record);
            if is_empty || *before + commit.len() <= self.room_of(record) {
                *before += commit.len();
                sorted.queued.extend_from_slice(commit);
            } else {
                let after = sequence.saturating_sub(1);
                sorted.held.insert(record.clone(), after);
            }
        }
        sorted
    }
}
