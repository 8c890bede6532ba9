//! A restore or an import that has not ended: marked in the vault before anything else, and told to
//! whoever would start on half a log. The same command goes on with it.

use anyhow::bail;
use journal::vault::Vault;
use serde::{Deserialize, Serialize};

/// What has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Of what: `the restore of the backup of 20261121T083000.000Z`.
    pub what: String,
    /// What to type to go on.
    pub go_on: String,
}

impl Unfinished {
    /// What has not ended here, if anything.
    pub async fn find(vault: &Vault) -> anyhow::Result<Option<Self>> {
        let said = vault.state().await?.unfinished;
        Ok(said.map(|text| {
            serde_json::from_str(&text).unwrap_or(Self {
                what: text,
                go_on: "the command that was begun, by a newer rapport".into(),
            })
        }))
    }

    /// Refuses to work on half a log.
    pub async fn refuse(vault: &Vault) -> anyhow::Result<()> {
        match Self::find(vault).await? {
            Some(unfinished) => Err(unfinished.refusal()),
            None => Ok(()),
        }
    }

    fn refusal(&self) -> anyhow::Error {
        anyhow::anyhow!(
            "{} was interrupted here, and half of it is no log to work on: go on with `{}`, or begin anew \
             in an empty place",
            self.what,
            self.go_on
        )
    }

    /// Whether it was begun here before; something else that was begun is refused.
    pub async fn goes_on(&self, vault: &Vault) -> anyhow::Result<bool> {
        match Self::find(vault).await? {
            None => Ok(false),
            Some(begun) if begun.what == self.what => Ok(true),
            Some(other) => bail!(other.refusal()),
        }
    }

    /// Marks it, durably, before anything is touched.
    pub async fn begin(&self, vault: &Vault) -> anyhow::Result<()> {
        Ok(vault.begin(serde_json::to_string(self)?).await?)
    }
}
