//! Keys as they leave a vault and come into another: wrapped, useless without the master key.

use super::key::{DataKey, context, unwrap};
use super::shelf::{Row, Statement};
use super::{CHECK, OURS, Vault, VaultError, identity};

impl Vault {
    /// Every key as it is kept, wrapped: useless without the master key.
    pub async fn export(&self) -> Result<Vec<Row>, VaultError> {
        self.0.shelf.all().await
    }

    /// Whether keys of people were made in it.
    pub async fn is_used(&self) -> Result<bool, VaultError> {
        let kept = self.0.shelf.all().await?;
        Ok(kept.iter().any(|(workspace, _, _)| workspace != OURS))
    }

    /// Takes over the keys of another vault instead of its own, which must be unused; or those that
    /// this one lacks, where they are its own from earlier. Who was erased here stays erased. All of
    /// it or nothing.
    pub async fn import(&self, rows: &[Row], generation: u64) -> Result<(), VaultError> {
        all_open(rows, &self.0.master)?;
        let mut statements = Vec::new();
        if !self.is_used().await? {
            statements.push(Statement::clear());
            statements.extend(Self::unbound());
        } else if !self.is_copied_in(rows).await? {
            return Err(VaultError::Used);
        }
        statements.extend(rows.iter().cloned().map(Statement::add));
        statements.push(Self::raised(generation));
        self.0.shelf.carry_out(statements).await?;
        let gone = rows.iter().filter(|(_, _, wrapped)| wrapped.is_none());
        for (workspace, name, _) in gone {
            self.0.shelf.destroy(workspace, name).await?;
        }
        self.0.known.clear();
        self.look().await
    }

    /// Whether these are keys of this very vault.
    async fn is_copied_in(&self, rows: &[Row]) -> Result<bool, VaultError> {
        let theirs = check_of(rows, &self.0.master)?;
        Ok(theirs == Some(self.secret(CHECK).await?))
    }
}

/// Refuses exported keys that were wrapped by another master key.
pub fn check(rows: &[Row], master: &[u8; 32]) -> Result<(), VaultError> {
    all_open(rows, &DataKey::new(master))
}

/// Which vault exported keys are of.
pub fn identity_of(rows: &[Row], master: &[u8; 32]) -> Result<String, VaultError> {
    let check = check_of(rows, &DataKey::new(master))?.ok_or(VaultError::Absent)?;
    Ok(identity(&check))
}

/// The secret that tells which vault exported keys are of.
fn check_of(rows: &[Row], master: &DataKey) -> Result<Option<[u8; 32]>, VaultError> {
    let row = rows
        .iter()
        .find(|(workspace, name, _)| workspace == OURS && name == CHECK);
    let Some((_, _, Some(wrapped))) = row else {
        return Ok(None);
    };
    let wrapped = hex::decode(wrapped).map_err(|_| VaultError::WrongKey)?;
    unwrap(master, &context(OURS, CHECK), &wrapped).map(Some)
}

/// What the master key wraps: the keys of workspaces, and our own.
fn all_open(rows: &[Row], master: &DataKey) -> Result<(), VaultError> {
    let by_master = rows
        .iter()
        .filter(|(workspace, name, _)| workspace == OURS || name.is_empty());
    for (workspace, name, wrapped) in by_master {
        let wrapped = hex::decode(wrapped.as_deref().unwrap_or_default())
            .map_err(|_| VaultError::WrongKey)?;
        unwrap(master, &context(workspace, name), &wrapped)?;
    }
    Ok(())
}
