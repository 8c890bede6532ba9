//! Every id newtype, and `Keyed`, which ties an aggregate to its id.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::About;
use crate::words::words;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        ///
        /// An integer from 1 up, unique within its workspace, as people say it: "lead 12".
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord,
            Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl From<u64> for $name {
            fn from(number: u64) -> Self {
                Self(number)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// One contact's interest in one offer.
    LeadId,
    /// What a transferred lead became.
    SaleId,
    /// A person we can write to, whatever the channel.
    ContactId,
    /// An API key.
    KeyId,
    /// An address that is told what happens.
    WebhookId,
}

/// Ties an aggregate to its id, so that a command cannot be sent to another's.
pub trait Keyed: cqrs_es::Aggregate {
    /// The id of one aggregate of this kind; its `Display` is the stream's last token.
    type Id: fmt::Display + Copy + Send + Sync + Serialize + serde::de::DeserializeOwned;

    /// Whom it is about.
    fn about(&self) -> About {
        About::Itself
    }
}

words! {
    /// Kinds of things that have numbers people can say.
    pub enum NumberKind {
        /// Leads.
        Lead = "lead",
        /// Sales.
        Sale = "sale",
        /// Contacts.
        Contact = "contact",
        /// API keys.
        Key = "key",
        /// Webhooks.
        Webhook = "webhook",
    }
}
