//! What may be asked of webhooks over HTTP, and what of it is refused.

use commands::clock::fresh_id;
use commands::http::caller::Caller;
use commands::http::field::{clearable, given};
use commands::http::problem::Problem;
use commands::origin::Origin;
use cqrs_es::Aggregate as _;
use domain::id::WebhookId;
use domain::text;
use domain::webhook::aggregate::Webhook;
use domain::webhook::command::WebhookCommand;
use domain::webhook::event::Delivery;
use domain::webhook::{EventFilter, is_public};
use jiff::Timestamp;
use journal::Journal;
use journal::position::Position;
use journal::token::{StreamId, Token};
use projections::deliveries::status;
use projections::http::page::Part;
use schemas::any::DomainEvent;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::webhooks::address::Allowed;
use crate::webhooks::finding::Finding;
use crate::webhooks::queue::delivery_id;
use crate::webhooks::secret as secrets;

const MAX_DESCRIPTION: usize = 200;

/// A new webhook.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterWebhook {
    /// Where to call; https, and not inside our own network.
    url: String,
    /// What to tell: `lead.stage_changed`, `lead.*`, `*`.
    events: Vec<String>,
    /// What to sign with: `whsec_` and base64 of 24 to 64 bytes; made here unless given.
    secret: Option<String>,
    /// What people call it.
    #[schema(max_length = 200)]
    description: Option<String>,
}

/// What should be different; what is left out stays, `null` clears the description.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWebhook {
    /// Where to call.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = String)]
    url: Option<String>,
    /// What to tell.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>)]
    events: Option<Vec<String>>,
    /// What people call it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    #[expect(
        clippy::option_option,
        reason = "left out, null and a text are three things"
    )]
    description: Option<Option<String>>,
    /// Whether it is told anything; switched on, it goes on from where it stood.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = bool)]
    pub(super) enabled: Option<bool>,
}

/// Another secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateSecret {
    /// The new one; made here unless given.
    pub(super) secret: Option<String>,
}

/// From where to tell again: one of both.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Behind this position of the log: `0:1234`; `0:0` is its beginning.
    position: Option<String>,
    /// From this moment on.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryList {
    /// Only those that stand so: `queued`, `sending`, `retrying`, `unknown`, `delivered`, `dead`.
    #[param(pattern = "^(queued|sending|retrying|unknown|delivered|dead)$")]
    status: Option<String>,
    /// How many; 50 unless said.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
    /// Where to go on, from the `Link` header.
    #[param(pattern = "^[0-9]{1,19}$")]
    cursor: Option<String>,
}

impl RegisterWebhook {
    /// The command that registers it, told of what comes behind this sequence.
    pub(super) fn command(self, allowed: &Allowed, after: u64) -> Result<WebhookCommand, Problem> {
        Ok(WebhookCommand::Register {
            url: url(&self.url, allowed)?,
            events: filters(&self.events)?,
            secret: secret(self.secret)?,
            description: description(self.description)?,
            after,
        })
    }
}

impl ChangeWebhook {
    /// The command that changes it.
    pub(super) fn command(self, allowed: &Allowed) -> Result<WebhookCommand, Problem> {
        Ok(WebhookCommand::Change {
            url: self.url.map(|text| url(&text, allowed)).transpose()?,
            events: self.events.map(|events| filters(&events)).transpose()?,
            description: self.description.map(description).transpose()?,
        })
    }
}

impl DeliveryList {
    /// The part asked for.
    pub(super) fn part(&self) -> Part {
        Part {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }

    /// The status asked for.
    pub(super) fn status(&self) -> Result<Option<&str>, Problem> {
        match self.status.as_deref() {
            Some(asked) if !status::ALL.contains(&asked) => {
                let allowed = format!("status must be one of {}", status::ALL.join(", "));
                Err(Problem::invalid("status", allowed))
            }
            asked => Ok(asked),
        }
    }
}

/// What a person has found out of an attempt that nobody saw the end of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleDelivery {
    pub(super) outcome: Finding,
}

impl Replay {
    /// The sequence behind which it is told again.
    pub(super) async fn after(self, journal: &Journal, workspace: &Token) -> Result<u64, Problem> {
        match (self.position, self.since) {
            (Some(position), None) => behind_position(journal, workspace, &position).await,
            (None, Some(since)) => {
                let partition = journal.partition(workspace);
                Ok(journal.before(partition, since).await?)
            }
            (Some(_), Some(_)) | (None, None) => Err(Problem::invalid(
                "position",
                "Send either position, such as 0:1234, or since, such as 2026-11-21T08:30:00Z",
            )),
        }
    }
}

async fn behind_position(
    journal: &Journal,
    workspace: &Token,
    position: &str,
) -> Result<u64, Problem> {
    let bad = |detail: String| Problem::invalid("position", detail);
    let position: Position = position.parse().map_err(|error| bad(format!("{error}")))?;
    let end = journal.head(journal.partition(workspace)).await?;
    if position.partition != end.partition || position.sequence > end.sequence {
        let allowed = format!("position must be from {}:0 to {end}", end.partition);
        return Err(bad(allowed));
    }
    Ok(position.sequence)
}

/// A delivery of the event by which a person tries a webhook, and the origin under which that is
/// committed: a delivery names its commit beforehand. Another try of the same request is the same.
pub(super) fn test(id: u64, caller: &Caller, end: u64) -> Result<(Delivery, Origin), Problem> {
    let mut origin = caller.origin();
    origin.seed.get_or_insert_with(fresh_id);
    let stream = StreamId::try_new(caller.workspace.as_str(), Webhook::TYPE, &id.to_string());
    let stream = stream.map_err(|error| Problem::internal(&error))?;
    let commit = origin.commit_id(&stream, "test");
    let delivery = Delivery {
        id: delivery_id(WebhookId(id), commit, 0),
        // Behind this one; it is read from there on.
        sequence: end,
        commit,
        index: 0,
        record: format!("{}-{id}", Webhook::TYPE),
        event: "webhook.tested".into(),
    };
    Ok((delivery, origin))
}

/// The secret that was given, or a fresh one.
pub(super) fn secret(given: Option<String>) -> Result<String, Problem> {
    match given {
        Some(secret) if secrets::is_good(&secret) => Ok(secret),
        Some(_) => Err(Problem::invalid(
            "secret",
            "secret must be whsec_ and base64 of 24 to 64 bytes; leave it out and one is made",
        )),
        None => secrets::fresh().map_err(|error| Problem::internal(&error)),
    }
}

fn url(text: &str, allowed: &Allowed) -> Result<String, Problem> {
    match allowed.check(text.trim()) {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(bad) => Err(Problem::invalid("url", bad.to_string())),
    }
}

fn description(text: Option<String>) -> Result<Option<String>, Problem> {
    let checked = text.map(|text| text::line(&text, MAX_DESCRIPTION));
    checked
        .transpose()
        .map(Option::flatten)
        .map_err(|bad| Problem::invalid("description", format!("description {bad}")))
}

/// Filters of which each lets at least one event pass.
fn filters(asked: &[String]) -> Result<Vec<EventFilter>, Problem> {
    let names = || {
        DomainEvent::kinds()
            .map(|kind| kind.name)
            .filter(|name| is_public(name))
    };
    let known = |filter: &EventFilter| {
        let family = filter.0.strip_suffix('*');
        let whole = family.is_none_or(|family| family.is_empty() || family.ends_with('.'));
        whole && names().any(|name| filter.matches(name))
    };
    let filters: Vec<_> = asked
        .iter()
        .map(|text| EventFilter(text.trim().to_owned()))
        .collect();
    if filters.is_empty() || !filters.iter().all(known) {
        let names: Vec<_> = names().collect();
        return Err(Problem::invalid(
            "events",
            format!(
                "events must be *, a family such as lead.*, or of: {}",
                names.join(", ")
            ),
        ));
    }
    Ok(filters)
}
