//! What every stored fact has: a name and a version that never follow a Rust rename, and the
//! list of its personal fields.

use cqrs_es::DomainEvent;

use crate::id::{ContactId, LeadId};

/// What a text reads as once nobody can open it any more, because the person it is about was erased.
pub const ERASED: &str = "erased";

/// The stored form of an event: name, version, and which payload fields identify a person.
pub trait Stored: DomainEvent {
    /// Every kind of event of this aggregate, as stored.
    const KINDS: &'static [Kind];

    /// The kind of this event.
    fn kind(&self) -> &'static Kind;

    /// The kind with this stored name.
    #[must_use]
    fn find(name: &str) -> Option<&'static Kind> {
        Self::KINDS.iter().find(|kind| kind.name == name)
    }
}

/// A kind of event: its stored name, current version and personal fields.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// `aggregate.fact`, for example `lead.stage_changed`.
    pub name: &'static str,
    /// The version that is written today; older ones are upcast when read.
    pub version: u16,
    /// Payload fields that identify a person or hold what somebody typed; sealed in the envelope.
    pub personal: &'static [Personal],
}

/// A payload field that is sealed, and with whose key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Personal {
    /// The field's name in the payload.
    pub field: &'static str,
    /// Whose key seals it.
    pub subject: Sealer,
}

/// Whose key seals a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealer {
    /// The record's own: `contact-7`, `webhook-2`.
    Record,
    /// That of the person whom the record is about, by [`crate::id::Keyed::about`]; the record's own while
    /// nobody knows who that is.
    Person,
}

/// Whom a record is about, and whose key therefore seals what people write of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Itself: a contact, a webhook; a lead that has no contact.
    Itself,
    /// A person.
    Contact(ContactId),
    /// Whomever this lead is about.
    Lead(LeadId),
}

/// The words of [`stored!`] for a [`Sealer`].
macro_rules! sealer {
    (record) => {
        $crate::event::Sealer::Record
    };
    (person) => {
        $crate::event::Sealer::Person
    };
}

pub(crate) use sealer;

/// Implements [`Stored`] and `DomainEvent` for an event enum from one table. Behind `effects` stand the names
/// of what is wrapped as `Effect`, and the type that writes and reads it under them.
macro_rules! stored {
    (
        $event:ident { $($variant:ident = $name:literal v $version:literal $(personal { $($field:ident: $subject:ident),+ $(,)? })?),+ $(,)? }
        $(effects $names:ident { $($(#[$doc:meta])* $effect:ident = $effect_name:literal v $effect_version:literal),+ $(,)? })?
    ) => {
        impl $crate::event::Stored for $event {
            const KINDS: &'static [$crate::event::Kind] = &[
                $($crate::event::Kind {
                    name: $name,
                    version: $version,
                    personal: &[$($($crate::event::Personal {
                        field: stringify!($field),
                        subject: $crate::event::sealer!($subject),
                    }),+)?],
                },)+
                $($($crate::event::Kind { name: $effect_name, version: $effect_version, personal: &[] },)+)?
            ];

            fn kind(&self) -> &'static $crate::event::Kind {
                match self {
                    $(Self::$variant { .. } => {
                        const KIND: $crate::event::Kind = $crate::event::Kind {
                            name: $name,
                            version: $version,
                            personal: &[$($($crate::event::Personal {
                        field: stringify!($field),
                        subject: $crate::event::sealer!($subject),
                    }),+)?],
                        };
                        &KIND
                    })+
                    $($(Self::Effect($crate::effect::EffectEvent::$effect(_)) => {
                        const KIND: $crate::event::Kind =
                            $crate::event::Kind { name: $effect_name, version: $effect_version, personal: &[] };
                        &KIND
                    })+)?
                }
            }
        }

        $(
            /// How effects are written and read.
            #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            #[serde(remote = "crate::effect::EffectEvent", tag = "type", content = "payload")]
            enum $names {
                $($(#[$doc])* #[serde(rename = $effect_name)] $effect($crate::effect::$effect),)+
            }
        )?

        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                $crate::event::Stored::kind(self).name.to_owned()
            }

            fn event_version(&self) -> String {
                $crate::event::Stored::kind(self).version.to_string()
            }
        }
    };
}

pub(crate) use stored;

/// Implements `cqrs_es::Aggregate::handle` by way of a pure `decide`: in cqrs-es 0.5 the sink
/// applies each event at once, so everything is decided first and written after.
macro_rules! decided {
    () => {
        async fn handle(
            &mut self,
            command: Self::Command,
            (): &(),
            sink: &cqrs_es::event_sink::EventSink<Self>,
        ) -> Result<(), Self::Error> {
            for event in self.decide(command)? {
                sink.write(event, self).await;
            }
            Ok(())
        }
    };
}

pub(crate) use decided;

/// An aggregate whose decisions are a pure function of its state.
pub trait Decide: cqrs_es::Aggregate {
    /// The version of what `apply` makes of events: raised when the state has another form, or when the same
    /// events come to another state. A snapshot of another version counts as none.
    /// `schemas/tests/states.rs` fails where that was forgotten.
    const STATE: u32;

    /// What happens because of this command, or why it may not; nothing is changed.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Error>;
}
