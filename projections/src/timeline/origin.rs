//! Where a change came from: which way in, and what people call whoever used it.

use std::collections::HashMap;

use commands::desk::Desk;
use domain::id::KeyId;
use domain::key::{ApiKey, Role};
use journal::JournalError;
use journal::token::Token;
use serde::Serialize;
use utoipa::ToSchema;

/// Where a change came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CameFrom {
    /// The way in: `api`, `policy` (the system itself, by a rule), `cli`, `demo`, `restore`, …
    pub channel: String,
    /// What the API key is called, or which rule it was.
    pub name: Option<String>,
    /// The number of the API key.
    pub key: Option<u64>,
    /// What the API key may do.
    pub role: Option<Role>,
}

/// Looks up who is behind an actor, each once.
pub(super) struct Callers<'a> {
    desk: &'a Desk,
    workspace: &'a Token,
    known: HashMap<String, CameFrom>,
}

impl<'a> Callers<'a> {
    /// Of a workspace.
    pub(super) fn new(desk: &'a Desk, workspace: &'a Token) -> Self {
        Self {
            desk,
            workspace,
            known: HashMap::new(),
        }
    }

    /// Who is behind `key:3`, `policy:transfer` or `cli`.
    pub(super) async fn behind(&mut self, actor: &str) -> Result<CameFrom, JournalError> {
        if let Some(known) = self.known.get(actor) {
            return Ok(known.clone());
        }
        let found = self.look_up(actor).await?;
        self.known.insert(actor.to_owned(), found.clone());
        Ok(found)
    }

    async fn look_up(&self, actor: &str) -> Result<CameFrom, JournalError> {
        let (channel, name) = match actor.split_once(':') {
            Some((channel, name)) => (channel, Some(name)),
            None => (actor, None),
        };
        let key: Option<u64> = name
            .filter(|_| channel == "key")
            .and_then(|number| number.parse().ok());
        let Some(key) = key else {
            return Ok(CameFrom {
                channel: channel.to_owned(),
                name: name.map(ToOwned::to_owned),
                key: None,
                role: None,
            });
        };
        let held = self.desk.load::<ApiKey>(self.workspace, KeyId(key)).await?;
        let issued = held.state.issued.as_ref();
        Ok(CameFrom {
            channel: "api".to_owned(),
            name: issued.map(|issued| issued.name.clone()),
            key: Some(key),
            role: issued.map(|issued| issued.role),
        })
    }
}
