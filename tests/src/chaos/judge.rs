//! What must hold afterwards: the clients' history, the log and the views tell the same story.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::Profile;
use super::clients::Shared;
use crate::crm::Crm;
use crate::dice::Dice;
use crate::history::lead::Lead;
use crate::servers::eventually;

/// Judges; the first thing that does not hold is the error.
pub(super) async fn judge(crm: &Crm, profile: Profile, shared: &Shared) -> Result<(), String> {
    if let Some(surprise) = shared.surprises().first() {
        return Err(format!("an answer that no lead should give: {surprise}"));
    }
    shared.read_all(&mut Dice::new(1)).await?;
    shared
        .history
        .check()
        .map_err(|(lead, violation)| format!("lead {lead} is not linearizable: {violation}"))?;
    verified(crm, &["events", "verify"])?;
    if profile == Profile::Cluster {
        let archived =
            eventually(async || verified(crm, &["events", "verify", "--archive"]).is_ok());
        if !archived.await {
            return verified(crm, &["events", "verify", "--archive"]);
        }
    }
    let leads = leads_of_the_log(crm)?;
    let known: HashSet<u64> = shared.history.leads().into_iter().collect();
    if let Some(lost) = known.iter().find(|lead| !leads.contains_key(lead)) {
        return Err(format!(
            "lead {lost} was acknowledged, and the log has none"
        ));
    }
    let (nobodys, perhaps) = (
        (leads.len() - known.len()) as u64,
        shared.perhaps_opened.load(Ordering::SeqCst),
    );
    if nobodys > perhaps {
        return Err(format!(
            "the log has {nobodys} leads that nobody was told of, and {perhaps} were asked for without an answer"
        ));
    }
    views_show(crm, &leads).await
}

fn verified(crm: &Crm, command: &[&str]) -> Result<(), String> {
    let done = crm.cli(command);
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("rapport {}: {said}", command.join(" ")))
    }
}

/// Every lead, by its events in the log; no commit may be there twice.
fn leads_of_the_log(crm: &Crm) -> Result<BTreeMap<u64, Lead>, String> {
    let mut leads: BTreeMap<u64, Lead> = BTreeMap::new();
    let mut commits = HashSet::new();
    for line in crm.cli_good(&["events", "export", "-"]).lines() {
        let commit: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if !commits.insert(commit["commit_id"].to_string()) {
            return Err(format!(
                "commit {} is in the log twice",
                commit["commit_id"]
            ));
        }
        let id = commit["id"].as_str().and_then(|id| id.parse().ok());
        let (Some("lead"), Some(id)) = (commit["category"].as_str(), id) else {
            continue;
        };
        for event in commit["events"].as_array().into_iter().flatten() {
            let (kind, payload) = (event["type"].as_str(), &event["payload"]);
            let begun = leads.entry(id).or_insert(Lead {
                version: 0,
                messages: 0,
                stage: String::new(),
            });
            begun.version += 1;
            match kind {
                Some("lead.opened") if begun.version == 1 => begun.stage = "new".into(),
                Some("lead.messages_recorded") => {
                    begun.messages += payload["increment"].as_u64().unwrap_or_default();
                }
                Some("lead.stage_changed") => {
                    let to = payload["to"].as_str().unwrap_or_default();
                    to.clone_into(&mut begun.stage);
                }
                other => return Err(format!("lead {id}: {other:?} as v{}", begun.version)),
            }
        }
    }
    Ok(leads)
}

async fn views_show(crm: &Crm, leads: &BTreeMap<u64, Lead>) -> Result<(), String> {
    let dashboard = crm.get("/api/v1/dashboard").await;
    let messages: u64 = leads.values().map(|lead| lead.messages).sum();
    let shown = (
        &dashboard.body["total_leads"],
        &dashboard.body["total_messages"],
    );
    if shown != (&json!(leads.len()), &json!(messages)) {
        let count = leads.len();
        return Err(format!(
            "the dashboard shows {shown:?}, and the log has {count} leads with {messages} messages"
        ));
    }
    for (id, lead) in leads {
        let card = crm.get(&format!("/api/v1/leads/{id}")).await;
        if Lead::shown(&card.body).as_ref() != Some(lead) {
            return Err(format!(
                "the card of lead {id} shows {}, and the log has {lead:?}",
                card.text
            ));
        }
    }
    Ok(())
}
