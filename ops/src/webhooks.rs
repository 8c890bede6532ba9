//! `rapport webhooks`: what a person does to deliveries.

use anyhow::Context as _;
use domain::effect::{EffectCommand, FoundOut};
use domain::id::WebhookId;
use domain::webhook::aggregate::Webhook;
use domain::webhook::command::WebhookCommand;
use gateways::webhooks::finding::Finding;
use projections::deliveries::reading::message_id;
use uuid::Uuid;

use crate::cli::{self, Plain};
use crate::system::tools::Tools;

/// Does what was typed.
pub async fn run(command: cli::Webhooks) -> anyhow::Result<()> {
    match command {
        cli::Webhooks::Settle {
            webhook,
            delivery,
            outcome,
            plain,
        } => settle(WebhookId(webhook), delivery, outcome, &plain).await,
    }
}

async fn settle(
    webhook: WebhookId,
    effect: Uuid,
    finding: Finding,
    plain: &Plain,
) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let now = tools.desk().clock().now();
    let command = WebhookCommand::Effect(EffectCommand::FoundOut(FoundOut {
        effect,
        outcome: finding.at(now),
        now,
    }));
    let origin = tools.origin();
    let settled = tools
        .desk()
        .send::<Webhook>(webhook, command, &origin)
        .await;
    settled.with_context(|| format!("delivery {} of webhook {webhook}", message_id(effect)))?;
    if plain.json {
        println!("{}", serde_json::json!({ "delivery": message_id(effect) }));
    } else {
        println!("{} is settled.", message_id(effect));
    }
    Ok(())
}
