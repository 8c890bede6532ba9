//! Everything that one request did: what cannot be undone holds up nothing else, and says why.

use commands::clock::{Clock, fresh_id};
use commands::contacts::Contacts;
use commands::desk::Desk;
use commands::numbers::Allocator;
use commands::origin::Origin;
use commands::undo::{Undoing, What};
use domain::contact::address::Phone;
use domain::contact::command::{Card, ContactCommand};
use domain::id::ContactId;
use journal::Journal;
use journal::memory::MemoryJournal;
use journal::token::Token;

fn named(name: &str, phone: &str) -> Card {
    Card {
        name: name.into(),
        phones: vec![Phone::try_new(phone).unwrap()],
        ..Card::default()
    }
}

#[tokio::test]
async fn what_cannot_come_back_is_kept_and_everything_else_comes_back() {
    let desk = Desk::local(Journal::from(MemoryJournal::new()), Clock::System);
    let contacts = Contacts::new(desk.clone(), Allocator::new(desk.clone()), b"secret");
    let undoing = Undoing::new(desk, contacts.clone());
    let origin = Origin::new(Token::try_new("main").unwrap(), "test");
    for (name, phone) in [("Olena", "+380671234561"), ("Oleh", "+380671234562")] {
        contacts.create(named(name, phone), &origin).await.unwrap();
    }
    let removal = Origin {
        correlation: fresh_id(),
        ..origin.clone()
    };
    for id in [1, 2] {
        let removed = contacts.change(ContactId(id), ContactCommand::Remove, &removal);
        removed.await.unwrap();
    }
    let other = named("Oksana", "+380671234562");
    contacts.create(other, &origin).await.unwrap();

    let what = What::Request(removal.correlation);
    let (undone, _) = undoing.undo(what, &origin).await.unwrap();
    let undone: Vec<_> = undone
        .iter()
        .map(|undone| (undone.id.as_str(), undone.kept.as_deref()))
        .collect();
    assert_eq!(
        undone,
        [("2", Some("contact 3 has this phone")), ("1", None)]
    );
}
