//! Routes of webhooks: register, change, see what was told, tell again.

mod asks;

use axum::Json;
use axum::extract::{FromRef, Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Response};
use commands::http::access::open_to;
use commands::http::answer::{Changed, Removed};
use commands::http::api::Api;
use commands::http::caller::Caller;
use commands::http::extract::{Body, Id, Params};
use commands::http::problem::Problem;
use commands::origin::Origin;
use domain::effect::{EffectCommand, FoundOut, Phase};
use domain::id::{NumberKind, WebhookId};
use domain::key::Role;
use domain::webhook::aggregate::Webhook;
use domain::webhook::command::WebhookCommand;
use jiff::SignedDuration;
use journal::store::Loaded;
use projections::deliveries::reading::{self, DeliveryView, Listed, delivery_id};
use projections::http::ReadApi;
use projections::http::card::{self, AsOf};
use projections::http::page::{self, Part};
use projections::http::since::Reading;
use projections::views::Reader;
use projections::webhooks::{WebhookView, Webhooks};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::address::Allowed;
use asks::{ChangeWebhook, DeliveryList, RegisterWebhook, Replay, RotateSecret, SettleDelivery};

/// How long calls are signed with the old secret too, after it was replaced.
const OLD_SECRET: SignedDuration = SignedDuration::from_hours(24);
/// Why a webhook is off that a person switched off.
const BY_HAND: &str = "switched off by hand";

/// What these routes work with.
#[derive(Clone)]
pub struct WebhooksApi {
    /// The write side.
    pub api: Api,
    /// The read side.
    pub reads: ReadApi,
    /// Which addresses may be called.
    pub allowed: Allowed,
}

impl FromRef<WebhooksApi> for ReadApi {
    fn from_ref(api: &WebhooksApi) -> Self {
        api.reads.clone()
    }
}

/// Every route of webhooks.
#[must_use]
pub fn router(api: WebhooksApi) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(open_to(Role::Admin, routes!(register, list)))
        .routes(open_to(Role::Admin, routes!(card, change, remove)))
        .routes(open_to(Role::Admin, routes!(rotate_secret)))
        .routes(open_to(Role::Admin, routes!(replay)))
        .routes(open_to(Role::Admin, routes!(test)))
        .routes(open_to(Role::Admin, routes!(deliveries)))
        .routes(open_to(Role::Admin, routes!(resend)))
        .routes(open_to(Role::Admin, routes!(settle)))
        .with_state(api)
}

/// A webhook with its secret, which is told this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookWithSecret {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// What calls are signed with. Keep it: it is not shown again.
    pub secret: String,
}

/// Registers a webhook: it is told what happens from now on.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", request_body = RegisterWebhook,
    responses((status = 201, body = WebhookWithSecret), (status = "4XX", body = Problem)))]
pub async fn register(
    State(state): State<WebhooksApi>,
    caller: Caller,
    Body(ask): Body<RegisterWebhook>,
) -> Result<Changed<WebhookWithSecret>, Problem> {
    let origin = caller.origin();
    let journal = state.api.desk.journal();
    let end = journal.head(journal.partition(&caller.workspace)).await?;
    let command = ask.command(&state.allowed, end.sequence)?;
    let id = WebhookId(state.api.numbers.next(NumberKind::Webhook, &origin).await?);
    let webhook = state.api.desk.open::<Webhook>(id, command, &origin).await?;
    let path = format!("/api/v1/webhooks/{id}");
    let (body, position) = (with_secret(id, &webhook)?, webhook.position());
    Ok(state
        .api
        .created(body, position, path)
        .version(webhook.version)
        .about("webhook", id))
}

/// Lists webhooks, the newest first.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", params(Part),
    responses((status = 200, body = Vec<WebhookView>), (status = "4XX", body = Problem)))]
pub async fn list(
    Reading(reader): Reading,
    Params(part): Params<Part>,
    uri: Uri,
) -> Result<Response, Problem> {
    page::list::<Webhooks>(&reader, &part, &uri).await
}

/// Shows a webhook, now or as it was.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(("id" = u64, Path), AsOf),
    responses((status = 200, body = WebhookView), (status = "4XX", body = Problem)))]
pub async fn card(
    State(state): State<WebhooksApi>,
    Reading(reader): Reading,
    Id(id): Id,
    Params(ask): Params<AsOf>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    card::answer::<Webhooks, _>(&state.api.desk, &reader, id, &ask, &headers).await
}

/// Changes where a webhook is called and what it is told, or switches it off or on.
#[utoipa::path(patch, path = "/api/v1/webhooks/{id}", tag = "webhooks", request_body = ChangeWebhook,
    params(("id" = u64, Path)), responses((status = 200, body = WebhookView), (status = "4XX", body = Problem)))]
pub async fn change(
    State(state): State<WebhooksApi>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<ChangeWebhook>,
) -> Result<Changed<WebhookView>, Problem> {
    let origin = caller.changing::<Webhook>(WebhookId(id));
    let enabled = ask.enabled;
    let mut webhook = send(
        &state,
        id,
        ask.command(&state.allowed)?,
        &origin.step("change"),
    )
    .await?;
    let switch = match enabled {
        Some(true) => Some(WebhookCommand::SwitchOn),
        Some(false) => Some(WebhookCommand::SwitchOff {
            reason: BY_HAND.into(),
        }),
        None => None,
    };
    if let Some(switch) = switch {
        let origin = origin.step("switch").having_made(webhook.version);
        webhook = send(&state, id, switch, &origin).await?;
    }
    shown(&state, id, &webhook)
}

/// Removes a webhook, with its delivery log.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "webhooks",
    params(("id" = u64, Path)), responses((status = 204), (status = "4XX", body = Problem)))]
pub async fn remove(
    State(state): State<WebhooksApi>,
    Id(id): Id,
    caller: Caller,
) -> Result<Removed, Problem> {
    let origin = caller.changing::<Webhook>(WebhookId(id));
    let webhook = send(&state, id, WebhookCommand::Remove, &origin).await?;
    state.api.acknowledged.tell(webhook.position());
    Ok(Removed(webhook.position()))
}

/// Replaces the secret; for a day, calls are signed with the old one too.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/secret", tag = "webhooks", request_body = RotateSecret,
    params(("id" = u64, Path)), responses((status = 200, body = WebhookWithSecret), (status = "4XX", body = Problem)))]
pub async fn rotate_secret(
    State(state): State<WebhooksApi>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<RotateSecret>,
) -> Result<Changed<WebhookWithSecret>, Problem> {
    let command = WebhookCommand::RotateSecret {
        secret: asks::secret(ask.secret)?,
        old_until: state.api.desk.clock().now() + OLD_SECRET,
    };
    let origin = caller.changing::<Webhook>(WebhookId(id));
    let webhook = send(&state, id, command, &origin).await?;
    let body = with_secret(WebhookId(id), &webhook)?;
    Ok(state
        .api
        .changed(body, webhook.position())
        .version(webhook.version)
        .about("webhook", id))
}

/// Tells a webhook again what happened since a position or a time, under the same ids.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/replay", tag = "webhooks", request_body = Replay,
    params(("id" = u64, Path)), responses((status = 200, body = WebhookView), (status = "4XX", body = Problem)))]
pub async fn replay(
    State(state): State<WebhooksApi>,
    Id(id): Id,
    caller: Caller,
    Body(ask): Body<Replay>,
) -> Result<Changed<WebhookView>, Problem> {
    let after = ask
        .after(state.api.desk.journal(), &caller.workspace)
        .await?;
    let command = WebhookCommand::Rewind { after };
    let origin = caller.changing::<Webhook>(WebhookId(id));
    let webhook = send(&state, id, command, &origin).await?;
    shown(&state, id, &webhook)
}

/// Tells a webhook something, so that its receiver can be tried: the event `webhook.tested`.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks", operation_id = "test_webhook",
    params(("id" = u64, Path)), responses((status = 200, body = DeliveryView), (status = "4XX", body = Problem)))]
pub async fn test(
    State(state): State<WebhooksApi>,
    Id(id): Id,
    caller: Caller,
) -> Result<Changed<DeliveryView>, Problem> {
    let journal = state.api.desk.journal();
    let end = journal.head(journal.partition(&caller.workspace)).await?;
    let (delivery, origin) = asks::test(id, &caller, end.sequence)?;
    let view = DeliveryView::queued(&delivery, state.api.desk.clock().now());
    let webhook = send(&state, id, WebhookCommand::Test(delivery), &origin).await?;
    Ok(state.api.changed(view, webhook.position()))
}

/// Lists what a webhook was told and how that went, the newest first.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = u64, Path), DeliveryList), responses((status = 200, body = Vec<DeliveryView>), (status = "4XX", body = Problem)))]
pub async fn deliveries(
    Reading(reader): Reading,
    Id(id): Id,
    Params(ask): Params<DeliveryList>,
    uri: Uri,
) -> Result<Response, Problem> {
    let (before, limit) = ask.part().bounds()?;
    let status = ask.status()?;
    let mut listed = reading::list(&reader, id, status, before, limit + 1).await?;
    if listed.is_empty() && reader.card::<Webhooks>(id).await?.is_none() {
        return Err(unknown(id));
    }
    let more = listed.len() > usize::from(limit);
    listed.truncate(limit.into());
    let next = listed.last().filter(|_| more).map(|last| last.queued);
    let bodies: Vec<_> = listed.into_iter().map(|listed| listed.view).collect();
    Ok(page::linked(Json(bodies).into_response(), next, &uri))
}

/// Tells a webhook something again that it was told, or that is dead; what waits for its next
/// attempt is tried now.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/deliveries/{delivery}/resend", tag = "webhooks",
    params(("id" = u64, Path), ("delivery" = String, Path)),
    responses((status = 200, body = DeliveryView), (status = "4XX", body = Problem)))]
pub async fn resend(
    State(state): State<WebhooksApi>,
    Path((id, delivery)): Path<(String, String)>,
    Reading(reader): Reading,
    caller: Caller,
) -> Result<Changed<DeliveryView>, Problem> {
    let Id(id) = Id::parse(&id)?;
    let listed = listed(&reader, id, &delivery).await?;
    let named = listed.delivery.id;
    let command = WebhookCommand::Resend(listed.delivery);
    let webhook = send(&state, id, command, &caller.origin()).await?;
    let known = webhook.state.in_flight.find(named);
    let is_next = known.is_some_and(|known| known.phase == Phase::Ready);
    let view = if is_next {
        listed.view.queued_again()
    } else {
        listed.view
    };
    Ok(state.api.changed(view, webhook.position()))
}

/// Says what became of a delivery whose sender died before it could: of one with the status `unknown`.
/// It becomes known by itself too, once a process with the role gateway-webhooks runs.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/deliveries/{delivery}/settle", tag = "webhooks",
    request_body = SettleDelivery, params(("id" = u64, Path), ("delivery" = String, Path)),
    responses((status = 200, body = DeliveryView), (status = "4XX", body = Problem)))]
pub async fn settle(
    State(state): State<WebhooksApi>,
    Path((id, delivery)): Path<(String, String)>,
    Reading(reader): Reading,
    caller: Caller,
    Body(ask): Body<SettleDelivery>,
) -> Result<Changed<DeliveryView>, Problem> {
    let Id(id) = Id::parse(&id)?;
    let listed = listed(&reader, id, &delivery).await?;
    let now = state.api.desk.clock().now();
    let outcome = ask.outcome.at(now);
    let command = WebhookCommand::Effect(EffectCommand::FoundOut(FoundOut {
        effect: listed.delivery.id,
        outcome,
        now,
    }));
    let webhook = send(&state, id, command, &caller.origin()).await?;
    let view = listed.view.settled_by_hand(outcome, now);
    Ok(state.api.changed(view, webhook.position()))
}

/// The delivery that a path names.
async fn listed(reader: &Reader, webhook: u64, delivery: &str) -> Result<Listed, Problem> {
    let missing = || {
        let told =
            format!("Webhook {webhook} has no delivery {delivery}; its deliveries list them");
        Problem::not_found(told).field("delivery")
    };
    let named = delivery_id(delivery).ok_or_else(missing)?;
    let found = reading::find(reader, webhook, named).await?;
    found.ok_or_else(missing)
}

async fn send(
    state: &WebhooksApi,
    id: u64,
    command: WebhookCommand,
    origin: &Origin,
) -> Result<std::sync::Arc<Loaded<Webhook>>, Problem> {
    let sent = state
        .api
        .desk
        .send::<Webhook>(WebhookId(id), command, origin)
        .await;
    Ok(sent?)
}

fn shown(
    state: &WebhooksApi,
    id: u64,
    webhook: &Loaded<Webhook>,
) -> Result<Changed<WebhookView>, Problem> {
    let view = WebhookView::of(WebhookId(id), webhook).ok_or_else(|| unknown(id))?;
    Ok(state
        .api
        .changed(view, webhook.position())
        .version(webhook.version)
        .about("webhook", id))
}

fn with_secret(id: WebhookId, webhook: &Loaded<Webhook>) -> Result<WebhookWithSecret, Problem> {
    let known = webhook.state.registered.as_ref();
    let view = WebhookView::of(id, webhook);
    match (view, known) {
        (Some(webhook), Some(known)) => Ok(WebhookWithSecret {
            webhook,
            secret: known.secret.clone(),
        }),
        _ => Err(unknown(id.0)),
    }
}

fn unknown(id: u64) -> Problem {
    Problem::unknown("webhook", id)
}
