//! Whose phone or email it is: a row for each, so that a contact is found by any of them in one step.
//!
//! The row of a contact that was removed stays, for it may be restored, and what is listed is looked
//! up among contacts that are shown; the rows of one that was erased go.

use domain::contact::event::ContactEvent;

use crate::change::Change;
use crate::db::{Column, Value};
use crate::listing::{Listing, RowChange};

/// What kind of address a phone is.
pub const PHONE: &str = "phone";
/// What kind of address an email is.
pub const EMAIL: &str = "email";

/// Whose phone or email it is.
pub struct Addresses;

impl Listing for Addresses {
    const NAME: &'static str = "contact_addresses";
    const VERSION: u32 = 1;
    const COLUMNS: &'static [Column] = &[
        Column::Text("workspace"),
        Column::Int("id"),
        Column::Text("kind"),
        Column::Text("address"),
    ];
    const KEY: usize = 4;
    const INDEXED: &'static [&'static [&'static str]] = &[&["workspace", "kind", "address", "id"]];

    fn rows(change: &Change) -> Vec<RowChange> {
        let stream = change.stream();
        let (true, Some(id)) = (stream.category.as_str() == "contact", change.number()) else {
            return Vec::new();
        };
        let contact = vec![Value::from(stream.workspace.as_str()), id.into()];
        if change.erases() {
            return vec![RowChange::Delete(contact)];
        }
        let row = |kind: &str, address: &str| {
            [contact.clone(), vec![kind.into(), address.into()]].concat()
        };
        let events = change.events_of::<ContactEvent>();
        let rows = events.flat_map(|event| match event {
            ContactEvent::Created { phones, emails, .. } => {
                let phones = phones.iter().map(|phone| row(PHONE, phone.as_str()));
                let emails = emails.iter().map(|email| row(EMAIL, email.as_str()));
                phones.chain(emails).map(RowChange::Put).collect()
            }
            ContactEvent::PhoneAdded { phone } => vec![RowChange::Put(row(PHONE, phone.as_str()))],
            ContactEvent::EmailAdded { email } => vec![RowChange::Put(row(EMAIL, email.as_str()))],
            ContactEvent::PhoneRemoved { phone } => {
                vec![RowChange::Delete(row(PHONE, phone.as_str()))]
            }
            ContactEvent::EmailRemoved { email } => {
                vec![RowChange::Delete(row(EMAIL, email.as_str()))]
            }
            ContactEvent::FieldChanged { .. }
            | ContactEvent::TagAdded { .. }
            | ContactEvent::TagRemoved { .. }
            | ContactEvent::LinkAdded { .. }
            | ContactEvent::LinkRemoved { .. }
            | ContactEvent::Noted { .. }
            | ContactEvent::NoteWithdrawn { .. }
            | ContactEvent::Removed {}
            | ContactEvent::Restored {}
            | ContactEvent::ReservationLapsed {}
            | ContactEvent::Erased {} => Vec::new(),
        });
        rows.collect()
    }
}
