//! The delivery log: what each webhook was told, how often it was tried, and what came back. What has ended is
//! forgotten [`KEPT_FOR`] later, when more is told.
//!
//! - here: what events mean for its rows
//! - [`reading`]: what people see of it

pub mod reading;

use domain::effect::{CameDue, EffectEvent, Lost, Outcome, Settled};
use domain::webhook::event::{Delivery, WebhookEvent};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::change::Change;
use crate::db::{Column, Value};
use crate::listing::{Listing, RowChange};

/// The delivery log.
pub struct Deliveries;

/// How long an ended delivery can be looked up and sent again: as long as an idempotency key holds. Time is
/// that of the webhook's commits, so that a rebuild keeps the same rows.
pub const KEPT_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// No number: integer columns hold no null.
const NONE: Value = Value::Int(0);

/// How a delivery stands, as people see it.
pub mod status {
    /// It waits for its first attempt, or for those of its record before it.
    pub const QUEUED: &str = "queued";
    /// It is being tried.
    pub const SENDING: &str = "sending";
    /// An attempt failed; another comes.
    pub const RETRYING: &str = "retrying";
    /// The worker died while it tried; another finds out.
    pub const UNKNOWN: &str = "unknown";
    /// The receiver has it.
    pub const DELIVERED: &str = "delivered";
    /// Every attempt failed; a person may send it again.
    pub const DEAD: &str = "dead";

    /// All of them.
    pub const ALL: &[&str] = &[QUEUED, SENDING, RETRYING, UNKNOWN, DELIVERED, DEAD];
}

impl Listing for Deliveries {
    const NAME: &'static str = "deliveries";
    const VERSION: u32 = 2;
    const READ_SINCE: u32 = 1;
    const COLUMNS: &'static [Column] = &[
        Column::Text("workspace"),
        Column::Int("webhook"),
        Column::Text("id"),
        Column::Int("queued"),
        Column::Int("sequence"),
        Column::Text("commit_id"),
        Column::Int("place"),
        Column::Text("record"),
        Column::Text("event"),
        Column::Text("status"),
        Column::Int("attempts"),
        Column::Int("code"),
        Column::Text("detail"),
        Column::Int("took_ms"),
        Column::Int("changed_at"),
        Column::Int("retry_at"),
    ];
    const KEY: usize = 3;
    const INDEXED: &'static [&'static [&'static str]] = &[
        &["workspace", "webhook", "queued"],
        &["workspace", "webhook", "status", "queued"],
        &["workspace", "webhook", "status", "changed_at"],
    ];

    fn rows(change: &Change) -> Vec<RowChange> {
        let Some(number) = change
            .number()
            .and_then(|number| i64::try_from(number).ok())
        else {
            return Vec::new();
        };
        let of = Of { change, number };
        change
            .events_of::<WebhookEvent>()
            .flat_map(|event| of.rows(event))
            .collect()
    }
}

/// How a delivery stands after an attempt, and when it is tried again.
const fn standing(outcome: Outcome) -> (&'static str, Option<Timestamp>) {
    match outcome {
        Outcome::Done => (status::DELIVERED, None),
        Outcome::Failed { retry_at } => (status::RETRYING, Some(retry_at)),
        Outcome::GaveUp => (status::DEAD, None),
    }
}

/// The webhook that a change is of.
struct Of<'a> {
    change: &'a Change,
    number: i64,
}

impl Of<'_> {
    fn rows(&self, event: &WebhookEvent) -> Vec<RowChange> {
        match event {
            WebhookEvent::Queued { deliveries, .. }
            | WebhookEvent::LaneQueued { deliveries, .. } => {
                let places = deliveries.iter().enumerate();
                let queued = places.map(|(place, delivery)| self.queued(place, delivery));
                queued.chain([self.forgotten()]).collect()
            }
            WebhookEvent::Resent { delivery } | WebhookEvent::Tested { delivery } => {
                vec![self.queued(0, delivery)]
            }
            WebhookEvent::Effect(effect) => self.moved(effect),
            WebhookEvent::Removed {} => vec![RowChange::Delete(self.webhook())],
            WebhookEvent::Registered { .. }
            | WebhookEvent::Changed { .. }
            | WebhookEvent::SecretRotated { .. }
            | WebhookEvent::SwitchedOff { .. }
            | WebhookEvent::SwitchedOn {}
            | WebhookEvent::LanesHeld { .. }
            | WebhookEvent::Rewound { .. } => Vec::new(),
        }
    }

    fn moved(&self, effect: &EffectEvent) -> Vec<RowChange> {
        match effect {
            EffectEvent::Claimed(claimed) => self.all(&claimed.effects, status::SENDING),
            EffectEvent::CameDue(CameDue { effects }) => self.all(effects, status::QUEUED),
            EffectEvent::Lost(Lost { effects }) => self.all(effects, status::UNKNOWN),
            EffectEvent::Settled(settled) => vec![self.settled(settled)],
        }
    }

    /// What ended long ago.
    fn forgotten(&self) -> RowChange {
        let now = self.change.recorded.commit.at;
        let limit = now.saturating_sub(KEPT_FOR).unwrap_or(Timestamp::MIN);
        RowChange::Prune {
            key: self.webhook(),
            below: ("changed_at", Value::Int(limit.as_microsecond())),
            of: (
                "status",
                [status::DELIVERED, status::DEAD].map(Value::from).to_vec(),
            ),
        }
    }

    fn webhook(&self) -> Vec<Value> {
        let workspace = &self.change.recorded.commit.workspace;
        vec![Value::from(workspace.as_str()), Value::Int(self.number)]
    }

    fn key(&self, id: Uuid) -> Vec<Value> {
        [self.webhook(), vec![id.to_string().into()]].concat()
    }

    fn now(&self) -> Value {
        Value::Int(self.change.recorded.commit.at.as_microsecond())
    }

    fn queued(&self, place: usize, delivery: &Delivery) -> RowChange {
        // Orders the log: by the commit that queued it, then by its place there.
        let queued = self.change.position().sequence * 1000 + place as u64;
        let values = vec![
            queued.into(),
            delivery.sequence.into(),
            delivery.commit.to_string().into(),
            (delivery.index as u64).into(),
            delivery.record.as_str().into(),
            delivery.event.as_str().into(),
            status::QUEUED.into(),
            Value::Int(0),
            NONE,
            Value::Null,
            NONE,
            self.now(),
            NONE,
        ];
        RowChange::Put([self.key(delivery.id), values].concat())
    }

    fn all(&self, effects: &[Uuid], status: &'static str) -> Vec<RowChange> {
        let set = |id: &Uuid| RowChange::Set {
            key: self.key(*id),
            values: vec![("status", status.into()), ("changed_at", self.now())],
        };
        effects.iter().map(set).collect()
    }

    fn settled(&self, settled: &Settled) -> RowChange {
        let (status, retry_at) = standing(settled.outcome);
        let retry_at = retry_at.map_or(NONE, |at| Value::Int(at.as_microsecond()));
        let report = &settled.report;
        RowChange::Set {
            key: self.key(settled.effect),
            values: vec![
                ("status", status.into()),
                ("attempts", Value::Int(settled.attempt.into())),
                (
                    "code",
                    report.code.map_or(NONE, |code| Value::Int(code.into())),
                ),
                ("detail", report.detail.clone().into()),
                ("took_ms", report.took_ms.into()),
                ("changed_at", self.now()),
                ("retry_at", retry_at),
            ],
        }
    }
}
