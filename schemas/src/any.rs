//! An event of any aggregate, for those who read the whole log.

use domain::event::Kind;
use domain::event::Stored as _;
use serde_json::value::RawValue;

use crate::codec::{self, DecodeError};

/// An event of one aggregate, found in [`DomainEvent`].
pub trait Within: Sized {
    /// The event, if it is of this aggregate.
    fn within(event: &DomainEvent) -> Option<&Self>;
}

macro_rules! any {
    ($($name:ident $variant:ident: $aggregate:ty, $event:ty, $undo:ident;)+) => {
        /// An event of any aggregate.
        #[derive(Debug, Clone, PartialEq)]
        pub enum DomainEvent {
            $(
                #[doc = concat!("Of a `", stringify!($aggregate), "`.")]
                $variant($event),
            )+
        }

        impl DomainEvent {
            /// Every kind of event of every aggregate.
            pub fn kinds() -> impl Iterator<Item = &'static Kind> {
                [$(<$event>::KINDS),+].into_iter().flatten()
            }

            /// The event stored in a stream of this category, in today's version.
            pub fn decode(category: &str, raw: &RawValue) -> Result<Self, DecodeError> {
                match category {
                    $(<$aggregate as cqrs_es::Aggregate>::TYPE => codec::decode(raw).map(Self::$variant),)+
                    _ => Err(DecodeError::Unknown(codec::head(raw)?.name)),
                }
            }

            /// Whether no program up to this one has written such an event in a stream of this category.
            #[must_use]
            pub fn is_newer(category: &str, head: &codec::Head) -> bool {
                let kind = match category {
                    $(<$aggregate as cqrs_es::Aggregate>::TYPE => <$event>::find(&head.name),)+
                    _ => None,
                };
                kind.is_none_or(|kind| kind.version < head.version)
            }

            /// As it is stored, before anything is sealed.
            pub fn encode(&self) -> Result<Box<RawValue>, serde_json::Error> {
                match self { $(Self::$variant(event) => codec::encode(event)),+ }
            }

            /// Its payload, in today's version.
            pub fn payload(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self { $(Self::$variant(event) => codec::payload(event)),+ }
            }

            /// Its kind.
            #[must_use]
            pub fn kind(&self) -> &'static Kind {
                match self { $(Self::$variant(event) => event.kind()),+ }
            }
        }

        $(
            impl Within for $event {
                fn within(event: &DomainEvent) -> Option<&Self> {
                    if let DomainEvent::$variant(event) = event { Some(event) } else { None }
                }
            }

            impl From<$event> for DomainEvent {
                fn from(event: $event) -> Self {
                    Self::$variant(event)
                }
            }
        )+
    };
}

domain::aggregates!(any);
