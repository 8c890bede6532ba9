//! Reads on for records that are held back, each by its own stream, as their lanes have room.

use std::collections::{HashMap, VecDeque, hash_map};

use cqrs_es::AggregateError;
use domain::webhook::aggregate::{Webhook, WebhookError};
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;
use domain::webhook::{LANE, WINDOW};
use journal::JournalError;
use journal::entry::Entry;
use journal::failpoint;
use journal::health::{Part, supervised};
use journal::token::StreamId;

use super::PAUSE;
use super::queue::{DeliveryQueue, Failed, failed};

/// Reads on for the records of one webhook that are held back.
pub(super) struct Lanes(pub(super) DeliveryQueue);

/// What of records that are held back was read and is not queued yet.
type Tails = HashMap<String, Tail>;

/// What of a record is still to be told.
struct Tail {
    /// Behind this sequence.
    after: u64,
    /// Up to this one.
    until: u64,
    waiting: VecDeque<Delivery>,
}

impl Lanes {
    /// Reads until it is dropped.
    pub(super) async fn run(self) {
        let part = self.0.part("webhook-lanes");
        supervised(part, |part| self.keep_reading(part)).await;
    }

    async fn keep_reading(&self, part: Part) {
        let mut tails = Tails::new();
        loop {
            part.waits();
            match self.read_on(&mut tails).await {
                Ok(true) => {}
                Ok(false)
                | Err(AggregateError::UserError(
                    WebhookError::Off { .. } | WebhookError::Full | WebhookError::NotFound,
                )) => self.0.changed.notified().await,
                // It was rewound, or another process read on.
                Err(AggregateError::UserError(WebhookError::ReadElsewhere { .. })) => {
                    tails.clear();
                }
                Err(error) => {
                    tracing::warn!(%error, webhook.id = %self.0.id, "records of a webhook are held back");
                    part.fails(error);
                    tails.clear();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Queues what there is room for; tells whether there was any.
    async fn read_on(&self, tails: &mut Tails) -> Result<bool, Failed> {
        let loaded = self.0.webhook().await?;
        let webhook = &loaded.state;
        tails.retain(|record, tail| webhook.held.get(record) == Some(&tail.after));
        if !webhook.is_active() {
            return Ok(false);
        }
        let mut some = false;
        for (record, after) in &webhook.held {
            some |= self
                .read_lane(tails, webhook, (record.as_str(), *after))
                .await?;
        }
        Ok(some)
    }

    async fn read_lane(
        &self,
        tails: &mut Tails,
        webhook: &Webhook,
        (record, after): (&str, u64),
    ) -> Result<bool, Failed> {
        let room = webhook.room_of(record);
        let flying = webhook.in_flight.len();
        // Not for every delivery that has ended.
        if room < LANE / 2 || (flying > 0 && flying + room > WINDOW) {
            return Ok(false);
        }
        let tail = match tails.entry(record.to_owned()) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(unread) => {
                let tail = self.tail(webhook, record, after).await;
                unread.insert(tail.map_err(failed)?)
            }
        };
        let deliveries = tail.next(room, room == LANE);
        let to = match tail.waiting.front() {
            None => tail.until,
            Some(_) => deliveries.last().map_or(after, |last| last.sequence),
        };
        if deliveries.is_empty() && to == after {
            return Ok(false);
        }
        tail.after = to;
        let command = WebhookCommand::QueueLane {
            record: record.to_owned(),
            after,
            to,
            deliveries,
        };
        if let Err(error) = self.0.send(command).await {
            tails.remove(record);
            return Err(error);
        }
        failpoint::reach("webhook.lane_queued");
        Ok(true)
    }

    /// What of a record the webhook has passed over.
    async fn tail(
        &self,
        webhook: &Webhook,
        record: &str,
        after: u64,
    ) -> Result<Tail, JournalError> {
        let until = webhook.read_to;
        let (category, id) = record.split_once('-').unwrap_or((record, ""));
        let stream = StreamId::try_new(self.0.workspace.as_str(), category, id)
            .map_err(|bad| JournalError::Malformed(bad.to_string()))?;
        let entries = self.0.journal().load(&stream, after).await?;
        let passed = entries
            .iter()
            .take_while(|entry| entry.position().sequence <= until);
        // What cannot be read says no event that could be told; the log itself notes it.
        let waiting = passed
            .filter_map(Entry::commit)
            .flat_map(|recorded| self.0.deliveries_of(webhook, recorded))
            .collect();
        Ok(Tail {
            after,
            until,
            waiting,
        })
    }
}

impl Tail {
    /// The next commits that fit, and one that is larger than a lane where that is empty.
    fn next(&mut self, room: usize, is_empty: bool) -> Vec<Delivery> {
        let mut taken = Vec::new();
        while let Some(first) = self.waiting.front() {
            let sequence = first.sequence;
            let same = |delivery: &&Delivery| delivery.sequence == sequence;
            let size = self.waiting.iter().take_while(same).count();
            let fits = taken.len() + size <= room || (is_empty && taken.is_empty());
            if !fits {
                break;
            }
            taken.extend(self.waiting.drain(..size));
        }
        taken
    }
}
