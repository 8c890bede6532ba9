//! `rapport contacts`: phones and emails that are not held by whom shows them, found and mended.

use anyhow::ensure;
use commands::contacts::audit::{Audit, Disagreement};
use commands::contacts::{Contacts, ContactsError};
use commands::origin::Origin;
use serde::Serialize;

use crate::cli::{self, Plain};
use crate::system::tools::Tools;

/// What became of one disagreement.
#[derive(Serialize)]
struct Outcome {
    found: String,
    /// Why it stays; nothing where it is mended.
    stays: Option<String>,
}

/// Carries out a command of `rapport contacts`.
pub async fn run(command: cli::Contacts) -> anyhow::Result<()> {
    match command {
        cli::Contacts::Repair(plain) => repair(&plain).await,
    }
}

/// Every phone and email that is not held by the one living contact that shows it.
pub async fn disagreements(tools: &Tools) -> anyhow::Result<Vec<Disagreement>> {
    let contacts = tools.contacts().await?;
    Ok(Audit::of(&contacts, &tools.journal).await?.disagreements())
}

async fn repair(plain: &Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let contacts = tools.contacts().await?;
    let mut outcomes = Vec::new();
    for found in disagreements(&tools).await? {
        outcomes.push(mend(&contacts, &found).await?);
    }
    let stay = outcomes
        .iter()
        .filter(|outcome| outcome.stays.is_some())
        .count();
    if plain.json {
        println!("{}", serde_json::to_string(&outcomes)?);
    } else {
        for Outcome { found, stays } in &outcomes {
            match stays {
                None => println!("mended: {found}"),
                Some(why) => println!("stays:  {found} ({why})"),
            }
        }
        println!("{} mended, {stay} left", outcomes.len() - stay);
    }
    ensure!(
        stay == 0,
        "{stay} of {} could not be mended",
        outcomes.len()
    );
    Ok(())
}

async fn mend(contacts: &Contacts, found: &Disagreement) -> anyhow::Result<Outcome> {
    let origin = Origin::new(found.workspace.clone(), "cli");
    let stays = match contacts.mend(found, &origin).await {
        Ok(()) => None,
        Err(error @ (ContactsError::Taken { .. } | ContactsError::Busy { .. })) => {
            Some(error.to_string())
        }
        Err(
            error @ (ContactsError::Contact(_)
            | ContactsError::Unknown { .. }
            | ContactsError::Several { .. }
            | ContactsError::Failed(_)),
        ) => return Err(error.into()),
    };
    let found = found.to_string();
    Ok(Outcome { found, stays })
}
