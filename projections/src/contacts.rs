//! The list of contacts and the card of one.

use std::collections::BTreeSet;

use commands::http::views::ContactView;
use cqrs_es::Aggregate as _;
use domain::contact::aggregate::Contact;
use domain::id::ContactId;
use domain::tags;
use journal::store::Loaded;

use crate::addresses::{EMAIL, PHONE};
use crate::change::Change;
use crate::columns::{self, Column, Kept, Label, Listed, Measure, created, folded, order, updated};
use crate::leads::TAG;
use crate::projection::{Projection, Shown};
use crate::slots;

/// The list of contacts and the card of one.
pub struct Contacts;

impl Projection for Contacts {
    const NAME: &'static str = "contacts";
    const VERSION: u32 = 4;
    const READ_SINCE: u32 = 2;
    const CATEGORY: &'static str = Contact::TYPE;
    type Record = Loaded<Contact>;

    const LABELLED: bool = true;

    fn labels(record: &Loaded<Contact>) -> BTreeSet<(&'static str, String)> {
        let tags = record
            .state
            .present()
            .into_iter()
            .flat_map(|card| &card.tags);
        tags.map(|tag| (TAG, tag.clone())).collect()
    }

    fn columns() -> Vec<Kept> {
        columns::kept::<Self>()
    }

    fn apply(record: Loaded<Contact>, change: &Change) -> Loaded<Contact> {
        change.follows(record)
    }

    fn shown(id: u64, record: &Loaded<Contact>) -> Shown {
        columns::shown::<Self>(ContactView::of(ContactId(id), record))
    }
}

impl Listed for Contacts {
    type View = ContactView;
    const LISTED_BY: &'static [Column<ContactView>] = &[
        created("came to be known", |contact| {
            slots::came(contact.created_at).into()
        }),
        updated(|contact| slots::came(contact.updated_at).into()),
        order(
            "name",
            Measure::Beginning,
            &["name"],
            "the name",
            |contact| folded(&contact.name).into(),
        ),
        order(
            "company",
            Measure::Beginning,
            &["company"],
            "the company",
            |contact| folded(contact.company.as_deref().unwrap_or_default()).into(),
        ),
    ];
    const LISTED_SINCE: u32 = 3;
    const LABELLED_BY: &'static [Label] = &[Label {
        name: TAG,
        description: "Only with this tag, in small or large letters; the list is in the order of ids.",
        read: tags::tag,
    }];
    const LABELLED_SINCE: u32 = 4;
    const LOOKED_UP_BY: &'static [&'static str] = &[PHONE, EMAIL];
}
