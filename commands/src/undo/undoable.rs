//! The aggregates whose changes people may undo, and how what reverses them is appended.

use std::str::FromStr;
use std::sync::Arc;

use cqrs_es::{Aggregate, AggregateError};
use domain::contact::aggregate::{Contact, ContactError};
use domain::contact::command::ContactCommand;
use domain::id::ContactId;
use domain::lead::aggregate::Lead;
use domain::pipeline::aggregate::Pipeline;
use domain::sale::aggregate::Sale;
use domain::undo::Reverse;
use journal::JournalError;
use journal::envelope::Recorded;
use journal::position::Position;
use journal::store::Loaded;

use super::{UndoError, Undoing, Undone};
use crate::contacts::ContactsError;
use crate::desk::Handled;
use crate::origin::Origin;

/// An aggregate whose changes people may undo.
pub(super) trait Undoable: Handled<Id: FromStr> + Reverse {
    /// Appends what reverses a change; `None` where the record has changed meanwhile.
    async fn append(
        undoing: &Undoing,
        id: Self::Id,
        command: Self::Command,
        origin: &Origin,
    ) -> Result<Option<Arc<Loaded<Self>>>, UndoError> {
        match undoing.desk.send::<Self>(id, command, origin).await {
            Ok(after) => Ok(Some(after)),
            Err(AggregateError::AggregateConflict) => Ok(None),
            Err(error) => Err(JournalError::unavailable(error.to_string()).into()),
        }
    }
}

impl Undoable for Lead {}

impl Undoable for Sale {}

impl Undoable for Pipeline {}

impl Undoable for Contact {
    /// Through [`Contacts`]: a phone that comes back must be free.
    async fn append(
        undoing: &Undoing,
        id: ContactId,
        command: ContactCommand,
        origin: &Origin,
    ) -> Result<Option<Arc<Loaded<Self>>>, UndoError> {
        match undoing.contacts.change(id, command, origin).await {
            Ok(after) => Ok(Some(after)),
            Err(ContactsError::Contact(
                AggregateError::AggregateConflict
                | AggregateError::UserError(ContactError::MovedOn),
            )) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

macro_rules! all {
    (@undone [$($undone:ty,)*] $name:ident $variant:ident: $aggregate:ty, $event:ty, undone; $($more:tt)*) => {
        all! { @undone [$($undone,)* $aggregate,] $($more)* }
    };
    (@undone [$($undone:ty,)*] $name:ident $variant:ident: $aggregate:ty, $event:ty, $kept:ident; $($more:tt)*) => {
        all! { @undone [$($undone,)*] $($more)* }
    };
    (@undone [$($aggregate:ty,)+]) => {
        /// The categories whose changes people may undo.
        pub(super) const ALL: &[&str] = &[$(<$aggregate as Aggregate>::TYPE),+];

        impl Undoing {
            pub(super) async fn undo_one(
                &self,
                recorded: &Recorded,
                origin: &Origin,
            ) -> Result<(Vec<Undone>, Position), UndoError> {
                match recorded.commit.category.as_str() {
                    $(<$aggregate as Aggregate>::TYPE => {
                        self.reverse::<$aggregate>(recorded, origin).await
                    })+
                    another => Err(UndoError::Another(another.to_owned())),
                }
            }
        }
    };
    ($($aggregates:tt)+) => {
        all! { @undone [] $($aggregates)+ }
    };
}

domain::aggregates!(all);
