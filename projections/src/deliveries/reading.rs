//! What people see of the delivery log.

use domain::effect::{BY_HAND, Outcome};
use domain::webhook::event::Delivery;
use jiff::Timestamp;
use sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Deliveries, standing, status};
use crate::db::{Column, Row};
use crate::table::Tables;
use crate::views::{ReadError, Reader, ScreenName};

/// A delivery as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeliveryView {
    /// The header `webhook-id` of every attempt.
    pub id: String,
    /// What it tells: `lead.stage_changed`.
    pub event: String,
    /// The record it is about: `lead-7`.
    pub record: String,
    /// Where the event is in the log, as a sequence.
    pub sequence: u64,
    /// How it stands: `queued`, `sending`, `retrying`, `unknown`, `delivered`, `dead`.
    pub status: &'static str,
    /// Attempts that have ended.
    pub attempts: u64,
    /// The HTTP status of the last one, where there was an answer.
    pub last_status: Option<u64>,
    /// Why the last one failed, or that a person settled it.
    pub detail: Option<String>,
    /// How long the last one took, in milliseconds.
    pub took_ms: u64,
    /// When something last happened to it.
    #[schema(value_type = String, format = DateTime)]
    pub changed_at: Timestamp,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub retry_at: Option<Timestamp>,
}

impl DeliveryView {
    /// A delivery that was queued at this moment.
    #[must_use]
    pub fn queued(delivery: &Delivery, at: Timestamp) -> Self {
        Self {
            id: message_id(delivery.id),
            event: delivery.event.clone(),
            record: delivery.record.clone(),
            sequence: delivery.sequence,
            status: status::QUEUED,
            attempts: 0,
            last_status: None,
            detail: None,
            took_ms: 0,
            changed_at: at,
            retry_at: None,
        }
    }

    /// The same, waiting for an attempt that comes now.
    #[must_use]
    pub fn queued_again(self) -> Self {
        Self {
            status: status::QUEUED,
            retry_at: None,
            ..self
        }
    }

    /// The same, after a person has said at this moment what became of its last attempt.
    #[must_use]
    pub fn settled_by_hand(self, outcome: Outcome, at: Timestamp) -> Self {
        let (status, retry_at) = standing(outcome);
        Self {
            status,
            attempts: self.attempts + 1,
            last_status: None,
            detail: Some(BY_HAND.into()),
            took_ms: 0,
            changed_at: at,
            retry_at,
            ..self
        }
    }
}

/// A delivery in its place in the log of deliveries.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What people see.
    pub view: DeliveryView,
    /// What is delivered.
    pub delivery: Delivery,
    /// Its place: a list goes on behind it.
    pub queued: u64,
}

/// The text of a delivery's id, as receivers see it.
#[must_use]
pub fn message_id(id: Uuid) -> String {
    format!("msg_{}", id.simple())
}

/// The delivery that a text names.
#[must_use]
pub fn delivery_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text.strip_prefix("msg_")?).ok()
}

/// Deliveries of a webhook, the newest first.
pub async fn list(
    reader: &Reader,
    webhook: u64,
    status: Option<&str>,
    before: Option<u64>,
    limit: u16,
) -> Result<Vec<Listed>, ReadError> {
    let query = |tables: &Tables| {
        let mut query = of_webhook(tables, reader, webhook);
        if let Some(status) = status {
            query.and_where(Expr::col("status").eq(status));
        }
        if let Some(before) = before {
            query.and_where(Expr::col("queued").lt(before));
        }
        query.order_by("queued", Order::Desc).limit(limit.into());
        query
    };
    let rows = reader
        .rows_of(ScreenName::listing::<Deliveries>(), query)
        .await?;
    Ok(rows.iter().filter_map(listed).collect())
}

/// One delivery of a webhook.
pub async fn find(reader: &Reader, webhook: u64, id: Uuid) -> Result<Option<Listed>, ReadError> {
    let query = |tables: &Tables| {
        let mut query = of_webhook(tables, reader, webhook);
        query.and_where(Expr::col("id").eq(id.to_string()));
        query
    };
    let rows = reader
        .rows_of(ScreenName::listing::<Deliveries>(), query)
        .await?;
    Ok(rows.first().and_then(listed))
}

/// Every column behind the workspace and the webhook, in the order of the listing.
fn of_webhook(tables: &Tables, reader: &Reader, webhook: u64) -> SelectStatement {
    let columns = <Deliveries as crate::listing::Listing>::COLUMNS;
    let names = columns.iter().skip(2).map(Column::name);
    let mut query = Query::select();
    query.columns(names).from(tables.records());
    query.and_where(Expr::col("workspace").eq(reader.workspace().as_str()));
    query.and_where(Expr::col("webhook").eq(webhook));
    query
}

fn listed(row: &Row) -> Option<Listed> {
    let some = |number: u64| (number > 0).then_some(number);
    let moment = |micros| Timestamp::from_microsecond(micros).unwrap_or_default();
    let delivery = Delivery {
        id: Uuid::try_parse(row.text(0)).ok()?,
        sequence: row.count(2),
        commit: Uuid::try_parse(row.text(3)).ok()?,
        index: usize::try_from(row.int(4)).ok()?,
        record: row.text(5).to_owned(),
        event: row.text(6).to_owned(),
    };
    let status = status::ALL.iter().find(|status| **status == row.text(7))?;
    let view = DeliveryView {
        id: message_id(delivery.id),
        event: delivery.event.clone(),
        record: delivery.record.clone(),
        sequence: delivery.sequence,
        status,
        attempts: row.count(8),
        last_status: some(row.count(9)),
        detail: some(row.text(10).len() as u64).map(|_| row.text(10).to_owned()),
        took_ms: row.count(11),
        changed_at: moment(row.int(12)),
        retry_at: some(row.count(13)).map(|_| moment(row.int(13))),
    };
    Some(Listed {
        view,
        delivery,
        queued: row.count(1),
    })
}
