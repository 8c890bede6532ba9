//! The list of contacts and the card of one.

use commands::http::views::ContactView;
use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::id::ContactId;
use journal::store::Loaded;

use crate::change::Change;
use crate::projection::{Projection, Shown};

/// The list of contacts and the card of one.
pub struct Contacts;

impl Projection for Contacts {
    const NAME: &'static str = "contacts";
    const VERSION: u32 = 2;
    const READ_SINCE: u32 = 1;
    const CATEGORY: &'static str = Contact::TYPE;
    type Record = Loaded<Contact>;

    fn apply(record: Loaded<Contact>, change: &Change) -> Loaded<Contact> {
        change.follows(record)
    }

    fn shown(id: u64, record: &Loaded<Contact>) -> Shown {
        ContactView::of(ContactId(id), record)
            .map(|view| Shown::new(&view, Vec::new()))
            .unwrap_or_default()
    }
}
