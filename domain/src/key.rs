//! An API key: who may call, as what, until it is revoked. The secret is never stored, only
//! its SHA-256 (it has 256 random bits, so a slow hash would add nothing).

use cqrs_es::Aggregate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Decide, decided, stored};
use crate::id::{KeyId, Keyed};
use crate::text::{self, BadText};
use crate::words::words;

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;

words! {
    /// What a caller may do; from `analyst` on, each later one may also do what the earlier ones may.
    pub enum Role {
        /// Hands in leads with a contact, from a page of a site; nothing else, and reads nothing.
        Form = "form",
        /// Reads screens and analytics.
        Analyst = "analyst",
        /// Works with contacts, leads and sales.
        Operator = "operator",
        /// Switches automation and gives out keys.
        Admin = "admin",
        /// Everything.
        Owner = "owner",
    }
}

/// A key as its events made it; the default one was never issued.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// What is known, since it was issued.
    pub issued: Option<Issued>,
    /// Whether it opens nothing any more.
    pub revoked: bool,
}

/// A key that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the secret, in hex.
    pub hash: String,
}

/// What may be asked of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum KeyCommand {
    /// Begin.
    Issue {
        /// What people call it; 1 to 100 characters.
        name: String,
        /// What it may do.
        role: Role,
        /// SHA-256 of the secret, in hex.
        hash: String,
    },
    /// Let it open nothing any more.
    Revoke,
}

/// What happened to a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum KeyEvent {
    /// It was given out.
    #[serde(rename = "key.issued")]
    Issued {
        /// What people call it.
        name: String,
        /// What it may do.
        role: Role,
        /// SHA-256 of the secret, in hex.
        hash: String,
    },
    /// It opens nothing any more.
    #[serde(rename = "key.revoked")]
    Revoked {},
}

stored!(KeyEvent {
    Issued = "key.issued" v 2 personal { name: record },
    Revoked = "key.revoked" v 1,
});

/// Why a key refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum KeyError {
    /// There is no such key.
    #[error("This key does not exist")]
    NotIssued,
    /// It was issued before.
    #[error("This key was issued before")]
    AlreadyIssued,
    /// A key needs a name to be told from the others.
    #[error("name {0}")]
    BadName(BadText),
}

impl Decide for ApiKey {
    const STATE: u32 = 1;

    fn decide(&self, command: KeyCommand) -> Result<Vec<KeyEvent>, KeyError> {
        match (&self.issued, command) {
            (Some(_), KeyCommand::Issue { .. }) => Err(KeyError::AlreadyIssued),
            (None, KeyCommand::Issue { name, role, hash }) => {
                let name = text::required_line(&name, MAX_NAME).map_err(KeyError::BadName)?;
                Ok(vec![KeyEvent::Issued { name, role, hash }])
            }
            (None, KeyCommand::Revoke) => Err(KeyError::NotIssued),
            (Some(_), KeyCommand::Revoke) if self.revoked => Ok(vec![]),
            (Some(_), KeyCommand::Revoke) => Ok(vec![KeyEvent::Revoked {}]),
        }
    }
}

impl Aggregate for ApiKey {
    const TYPE: &'static str = "key";
    type Command = KeyCommand;
    type Event = KeyEvent;
    type Error = KeyError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: KeyEvent) {
        match event {
            KeyEvent::Issued { name, role, hash } => {
                self.issued = Some(Issued { name, role, hash });
            }
            KeyEvent::Revoked {} => self.revoked = true,
        }
    }
}

impl Keyed for ApiKey {
    type Id = KeyId;
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::{ApiKey, KeyCommand, KeyError, KeyEvent, Role};
    use crate::text::BadText;

    fn key() -> TestFramework<ApiKey> {
        TestFramework::with(())
    }

    fn issue(name: &str) -> KeyCommand {
        KeyCommand::Issue {
            name: name.into(),
            role: Role::Analyst,
            hash: "00".into(),
        }
    }

    fn issued() -> KeyEvent {
        KeyEvent::Issued {
            name: "ci".into(),
            role: Role::Analyst,
            hash: "00".into(),
        }
    }

    #[test]
    fn a_key_is_issued_once_and_has_a_name() {
        key()
            .given_no_previous_events()
            .when(issue(" ci "))
            .then_expect_events(vec![issued()]);
        key()
            .given_no_previous_events()
            .when(issue(" "))
            .then_expect_error(KeyError::BadName(BadText::Empty));
        key()
            .given(vec![issued()])
            .when(issue("ci"))
            .then_expect_error(KeyError::AlreadyIssued);
    }

    #[test]
    fn a_revoked_key_stays_revoked() {
        let revoked = KeyEvent::Revoked {};
        key()
            .given(vec![issued()])
            .when(KeyCommand::Revoke)
            .then_expect_events(vec![revoked.clone()]);
        key()
            .given(vec![issued(), revoked])
            .when(KeyCommand::Revoke)
            .then_expect_events(vec![]);
        key()
            .given_no_previous_events()
            .when(KeyCommand::Revoke)
            .then_expect_error(KeyError::NotIssued);
    }

    #[test]
    fn a_higher_role_may_do_what_a_lower_one_may() {
        assert!(Role::Owner > Role::Admin && Role::Admin > Role::Operator);
        assert!(Role::Operator > Role::Analyst);
    }
}
