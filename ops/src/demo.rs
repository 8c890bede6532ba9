//! `rapport demo`: the whole system on this machine, with no server, no key and no limit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use commands::http::access::Access;

use crate::cli::RoleOf;
use crate::server;
use crate::settings::Settings;
use crate::system::System;
use crate::telemetry;

/// Starts everything, on loopback only.
pub async fn run(mut settings: Settings) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&settings)?;
    anyhow::ensure!(
        settings.nats_url.is_none(),
        "the demo needs no server: unset NATS_URL, or use rapport serve"
    );
    if !settings.app_host.is_loopback() {
        // Everybody who can reach the demo is its owner.
        tracing::warn!(asked = %settings.app_host, "the demo listens on 127.0.0.1 only; use rapport serve for others");
        settings.app_host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    }
    let system = System::open(&settings, &RoleOf::EMBEDDED).await?;
    let access = Access::Open {
        workspace: settings.workspace.clone(),
        origins: settings.cors_origins.clone(),
    };
    let folder = settings.data_dir.clone();
    server::run(&settings, system, access, |address| greet(address, &folder)).await
}

fn greet(address: SocketAddr, folder: &std::path::Path) {
    println!(
        "Rapport runs on http://{address}, and keeps its data in {}.",
        folder.display()
    );
    println!("  API, to read and to try:  http://{address}/docs");
    println!(
        "  A first lead:             curl -X POST http://{address}/api/v1/leads \
         -H 'Content-Type: application/json' -d '{{\"source\": \"partner\", \"business_domain\": \"first\"}}'"
    );
    println!("  What happened so far:     rapport events tail --after 0:0");
    println!("Ctrl-C stops it; nothing is lost.");
}
