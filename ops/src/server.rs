//! HTTP: every route of every crate behind one set of layers, and the process's life around it.

mod bodies;
mod connections;
mod description;
mod layers;
mod probes;
pub mod public;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use commands::http::access::{Access, Table};
use commands::http::limits::Limiter;
use gateways::http::GatewayApi;
use gateways::webhooks::http::WebhooksApi;
use jiff::tz::TimeZone;
use journal::JournalError;
use journal::nats::Refusal;
use journal::vault::VaultError;
use projections::db::DbError;
use projections::http::ReadApi;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder, Server};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::cli::{RoleOf, Serve};
use crate::settings::Settings;
use crate::system::{self, System};
use crate::telemetry;
use connections::Limits;

/// How long calls to the outside may take to end once the process was asked to stop: longer than
/// `WEBHOOK_TIMEOUT` is unless set otherwise.
const CALLS_END_WITHIN: Duration = Duration::from_secs(20);
/// How long a process waits for its servers before it looks again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// `rapport serve`: starts these roles; callers need a key.
pub async fn serve(serve: Serve) -> anyhow::Result<()> {
    let Serve { roles, settings } = serve;
    if roles.contains(&RoleOf::Archive) {
        system::choose_tls(&settings).await;
    }
    let _telemetry = telemetry::start(&settings)?;
    let system = opened(&settings, &roles).await?;
    if system.plays(RoleOf::Api) {
        let keys = system.keys.list(&settings.workspace).await?;
        anyhow::ensure!(
            keys.iter().any(|key| !key.revoked),
            "nobody could call: make a first API key with `rapport keys create NAME --role owner`"
        );
    }
    let access = Access::Keys {
        keys: system.keys.clone(),
        limiter: Limiter::new(settings.limits()),
    };
    run(&settings, system, access, |_| {}).await
}

/// Listens until the process is asked to stop; `ready` hears the address.
pub async fn run(
    settings: &Settings,
    system: System,
    access: Access,
    ready: impl FnOnce(SocketAddr),
) -> anyhow::Result<()> {
    let address = SocketAddr::new(settings.app_host, settings.app_port);
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| {
        format!("cannot listen on {address}: choose another with APP_HOST and APP_PORT")
    })?;
    let address = listener.local_addr()?;
    let router = router(&system, settings, access)?;
    let tasks = system.start()?;
    tracing::info!(%address, "listening");
    ready(address);
    let limits = Limits::of_process(settings.max_connections_per_address.get());
    let calls = system.journal.health().calls().clone();
    let stopping = async {
        asked_to_stop().await;
        calls.stop();
    };
    connections::serve(listener, router, limits, stopping).await;
    if tokio::time::timeout(CALLS_END_WITHIN, calls.end())
        .await
        .is_err()
    {
        tracing::warn!("stopped with calls to the outside under way: they count as unknown");
    }
    drop(tasks);
    system.stop().await;
    Ok(())
}

/// Puts the process together, and waits for servers that are not there yet: whoever starts a machine
/// starts everything at once.
async fn opened(settings: &Settings, roles: &[RoleOf]) -> anyhow::Result<System> {
    loop {
        match System::open(settings, roles).await {
            Err(error) if settings.nats_url.is_some() && passes(&error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "waiting: NATS and the database must answer, and a process with the role commands \
                     makes the log"
                );
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whether it is only that something does not answer, and not that something is wrong.
fn passes(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let log = match cause.downcast_ref() {
            Some(JournalError::Unavailable(source)) => !source.is::<Refusal>(),
            Some(_) | None => false,
        };
        let keys = matches!(cause.downcast_ref(), Some(VaultError::Unavailable(_)));
        let views = matches!(cause.downcast_ref(), Some(DbError::Unavailable(_)));
        log || keys || views
    })
}

/// By SIGTERM or Ctrl-C; where the system gives no signals, for ever.
async fn asked_to_stop() {
    let asked = async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    };
    if let Err(error) = asked.await {
        tracing::warn!(%error, "signals are not heard: end the process by SIGKILL");
        std::future::pending::<()>().await;
    }
}

fn router(system: &System, settings: &Settings, access: Access) -> anyhow::Result<Router> {
    let probes = probes::router(system);
    if !system.plays(RoleOf::Api) {
        return layers::around(probes, system, settings, access, Table::default());
    }
    let (routes, mut description) = routes(system, settings.time_zone.clone()).split_for_parts();
    let table = Table::of(&mut description)?;
    description::complete(&mut description);
    let mut docs = SwaggerUi::new("/docs");
    if let Some(public) = &settings.public_url {
        description.servers = Some(vec![Server::new(public.of(""))]);
        docs = docs.config(Config::from(public.of("/openapi.json")));
    }
    let docs = docs.url("/openapi.json", description);
    let routes = routes.merge(docs).merge(probes);
    layers::around(routes, system, settings, access, table)
}

fn routes(system: &System, zone: TimeZone) -> OpenApiRouter {
    let reads = ReadApi {
        views: system.views.clone(),
        acknowledged: system.acknowledged(),
        desk: system.api.desk.clone(),
        pipelines: system.api.pipelines.clone(),
        zone,
        phone_region: system.api.settings.phone_region,
    };
    let gateways = GatewayApi {
        analyses: system.analyses.clone(),
        acknowledged: system.acknowledged(),
    };
    let webhooks = WebhooksApi {
        api: system.api.clone(),
        reads: reads.clone(),
        allowed: system.allowed(),
    };
    OpenApiRouter::with_openapi(described())
        .merge(commands::http::router(system.api.clone()))
        .merge(projections::http::router(reads))
        .merge(gateways::http::router(gateways))
        .merge(gateways::webhooks::http::router(webhooks))
}

fn described() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Rapport")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "An event-sourced CRM backend. Errors are problem+json (RFC 9457).",
        ));
    OpenApiBuilder::new().info(info.build()).build()
}

/// The HTTP API, described; nothing is opened for it.
pub async fn describe() -> anyhow::Result<OpenApi> {
    let system = System::for_description().await?;
    let mut described = routes(&system, TimeZone::UTC).split_for_parts().1;
    description::complete(&mut described);
    Ok(described)
}
