//! What the write routes work with.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRef;
use domain::lead::command::Gate;
use domain::lead::scoring::Score;
use domain::money::Currency;
use jiff::SignedDuration;
use journal::position::Position;

use super::answer::{Acknowledged, Changed};
use crate::contacts::Contacts;
use crate::desk::Desk;
use crate::numbers::Allocator;
use crate::phones::PhoneRegion;
use crate::pipelines::Pipelines;
use crate::sales::Transfers;
use crate::undo::Undoing;

/// What the write routes work with. Cheap to clone: every request does, several times.
#[derive(Clone)]
pub struct Api(Arc<Doors>);

/// The ways in which things change.
pub struct Doors {
    /// The one door for changes.
    pub desk: Desk,
    /// Numbers for new leads.
    pub numbers: Allocator,
    /// The pipelines of workspaces.
    pub pipelines: Pipelines,
    /// Leads to sales.
    pub transfers: Transfers,
    /// Contacts with their phones and emails.
    pub contacts: Contacts,
    /// Undo of earlier changes.
    pub undoing: Undoing,
    /// Seals kept answers, together with what only the caller knows.
    pub(super) answers: tokio::sync::OnceCell<[u8; 32]>,
    /// What callers of this process were told.
    pub acknowledged: Acknowledged,
    /// What is set.
    pub settings: Settings,
}

/// What the rules leave to whoever runs the program.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The currency of amounts that name none.
    pub currency: Currency,
    /// The lowest score that a transfer lets pass (`MIN_TRANSFER_SCORE`).
    pub min_score: Score,
    /// The country of phones that name none (`DEFAULT_PHONE_REGION`).
    pub phone_region: PhoneRegion,
    /// After how long an analysis is too old for a transfer (`AI_ANALYSIS_STALE_DAYS`).
    pub stale_after: SignedDuration,
}

impl Default for Settings {
    /// What the seeds' systems begin with.
    fn default() -> Self {
        Self {
            currency: Currency::Uah,
            phone_region: PhoneRegion::default(),
            min_score: const { Score::from_thousandths(600).unwrap() },
            stale_after: SignedDuration::from_hours(7 * 24),
        }
    }
}

impl Api {
    /// The api over a desk; `secret` keys the hashes that keep phones and emails unique.
    #[must_use]
    pub fn new(desk: Desk, settings: Settings, secret: &[u8]) -> Self {
        let numbers = Allocator::new(desk.clone());
        let contacts = Contacts::new(desk.clone(), numbers.clone(), secret);
        let pipelines = Pipelines::new(desk.clone());
        Self(Arc::new(Doors {
            transfers: Transfers::new(desk.clone(), numbers.clone(), pipelines.clone()),
            pipelines,
            undoing: Undoing::new(desk.clone(), contacts.clone()),
            contacts,
            answers: tokio::sync::OnceCell::new(),
            acknowledged: Acknowledged::new(desk.journal().partitions()),
            numbers,
            settings,
            desk,
        }))
    }

    /// The conditions of a transfer that are settings, at this moment.
    #[must_use]
    pub fn gate(&self) -> Gate {
        let fresh_after = self.desk.clock().now() - self.settings.stale_after;
        Gate {
            min_score: self.settings.min_score,
            fresh_after,
        }
    }

    /// The answer to a change.
    pub fn changed<T>(&self, body: T, position: Position) -> Changed<T> {
        self.acknowledged.tell(position);
        Changed {
            body,
            position,
            created: None,
            version: None,
            about: None,
        }
    }

    /// The answer to something new, and its path.
    pub fn created<T>(&self, body: T, position: Position, path: String) -> Changed<T> {
        self.acknowledged.tell(position);
        Changed {
            body,
            position,
            created: Some(path),
            version: None,
            about: None,
        }
    }
}

impl Deref for Api {
    type Target = Doors;

    fn deref(&self) -> &Doors {
        &self.0
    }
}

impl FromRef<Api> for Desk {
    fn from_ref(api: &Api) -> Self {
        api.desk.clone()
    }
}
