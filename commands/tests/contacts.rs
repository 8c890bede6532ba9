//! What a request about a contact costs the log, and what is mended in a log from before.

use commands::clock::Clock;
use commands::contacts::audit::Audit;
use commands::contacts::{Contacts, ContactsError};
use commands::desk::Desk;
use commands::numbers::Allocator;
use commands::origin::Origin;
use cqrs_es::AggregateError;
use domain::contact::address::{Email, Phone};
use domain::contact::aggregate::{Contact, ContactError};
use domain::contact::command::{Card, ContactCommand};
use domain::contact::event::ContactEvent;
use domain::id::ContactId;
use domain::unique::{Reservations, ShardId, UniqueCommand, UniqueKind};
use jiff::{SignedDuration, Timestamp};
use journal::Journal;
use journal::memory::MemoryJournal;
use journal::token::Token;

struct Program {
    journal: Journal,
    desk: Desk,
    clock: Clock,
    contacts: Contacts,
}

impl Program {
    fn new() -> Self {
        let journal = Journal::from(MemoryJournal::new());
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let desk = Desk::local(journal.clone(), clock.clone());
        let contacts = Contacts::new(desk.clone(), Allocator::new(desk.clone()), b"secret");
        Self {
            journal,
            desk,
            clock,
            contacts,
        }
    }

    async fn commits(&self) -> u64 {
        self.journal.head(0).await.unwrap().sequence
    }

    async fn create(&self, card: Card) -> Result<ContactId, ContactsError> {
        let made = self.contacts.create(card, &origin()).await;
        made.map(|(id, _)| id)
    }

    async fn change(
        &self,
        id: ContactId,
        command: ContactCommand,
    ) -> Result<Contact, ContactsError> {
        let changed = self.contacts.change(id, command, &origin()).await;
        changed.map(|contact| contact.state.clone())
    }

    async fn audit(&self) -> Vec<String> {
        let audit = Audit::of(&self.contacts, &self.journal).await.unwrap();
        let found = audit.disagreements();
        found.iter().map(ToString::to_string).collect()
    }

    async fn mend(&self) -> Vec<Result<(), ContactsError>> {
        let audit = Audit::of(&self.contacts, &self.journal).await.unwrap();
        let mut outcomes = Vec::new();
        for found in audit.disagreements() {
            outcomes.push(self.contacts.mend(&found, &origin()).await);
        }
        outcomes
    }

    /// Takes every reservation away, as releases of before could.
    async fn forget_reservations(&self) {
        for shard in 0..domain::unique::SHARDS {
            let shard = ShardId::root(UniqueKind::Phone, shard);
            let held = self
                .desk
                .load::<Reservations>(&workspace(), shard)
                .await
                .unwrap();
            for (value, held) in &held.state.held {
                for attempt in &held.attempts {
                    let release = UniqueCommand::Release {
                        attempt: *attempt,
                        values: vec![value.clone()],
                    };
                    let origin = origin();
                    let released = self.desk.send::<Reservations>(shard, release, &origin);
                    released.await.unwrap();
                }
            }
        }
    }
}

fn workspace() -> Token {
    Token::try_new("main").unwrap()
}

fn origin() -> Origin {
    Origin::new(workspace(), "test")
}

fn phone(n: usize) -> Phone {
    Phone::try_new(&format!("+3806700000{n:02}")).unwrap()
}

fn email(n: usize) -> Email {
    Email::try_new(&format!("o{n}@example.com")).unwrap()
}

fn card(phones: impl IntoIterator<Item = usize>) -> Card {
    Card {
        name: "Olena".into(),
        phones: phones.into_iter().map(phone).collect(),
        ..Card::default()
    }
}

fn replace(phones: impl IntoIterator<Item = usize>) -> ContactCommand {
    ContactCommand::Change {
        name: None,
        company: None,
        role: None,
        phones: Some(phones.into_iter().map(phone).collect()),
        emails: None,
        note: None,
        tags: None,
        links: None,
    }
}

#[tokio::test]
async fn what_is_refused_costs_the_log_nothing() {
    let program = Program::new();
    let first = program.create(card([1])).await.unwrap();
    let before = program.commits().await;
    let nameless = Card {
        name: "\u{200b}".into(),
        ..card([2])
    };
    for refused in [nameless, card(0..21), card([1, 3])] {
        assert!(program.create(refused).await.is_err());
    }
    let second = program.create(card([])).await.unwrap();
    assert_eq!(second.0, first.0 + 1, "what was refused used no number");
    let made = program.commits().await;
    assert_eq!(made, before + 2, "a number and a contact");
    for refused in [replace(0..21), replace([1, 3, 4])] {
        assert!(program.change(second, refused).await.is_err());
    }
    assert_eq!(program.commits().await, made);
}

#[tokio::test]
async fn a_request_costs_one_commit_for_each_shard_at_most() {
    let program = Program::new();
    let full = Card {
        emails: (0..20).map(email).collect(),
        ..card(0..20)
    };
    let id = program.create(full.clone()).await.unwrap();
    let made = program.commits().await;
    assert!(made <= 40 + 2, "{made}");
    for command in [replace(0..20), replace([]), ContactCommand::Remove] {
        program.change(id, command).await.unwrap();
    }
    assert_eq!(
        program.commits().await,
        made + 2,
        "what is lost is given back by nobody"
    );
    program.create(full).await.unwrap();
    assert_eq!(program.audit().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_value_comes_and_goes_with_the_contact_that_shows_it() {
    let program = Program::new();
    let [one, two] = [
        program.create(card([1])).await.unwrap(),
        program.create(card([])).await.unwrap(),
    ];
    let add = ContactCommand::AddPhone { phone: phone(1) };
    let taken = program.change(two, add.clone()).await.unwrap_err();
    assert!(matches!(taken, ContactsError::Taken { owner, .. } if owner == one));
    let remove = ContactCommand::RemovePhone { phone: phone(1) };
    program.change(one, remove).await.unwrap();
    program.change(two, add.clone()).await.unwrap();
    let taken = program.change(one, add.clone()).await.unwrap_err();
    assert!(matches!(taken, ContactsError::Taken { owner, .. } if owner == two));
    program.contacts.erase(two, &origin()).await.unwrap();
    program.change(one, add).await.unwrap();
    assert_eq!(program.audit().await, Vec::<String>::new());
}

#[tokio::test]
async fn who_died_before_it_used_its_reservation_keeps_it_for_a_minute() {
    let program = Program::new();
    let one = program.create(card([])).await.unwrap();
    // A request that dies behind its reservation: the shard is found by what a whole one leaves.
    let add = ContactCommand::AddPhone { phone: phone(1) };
    program.change(one, add.clone()).await.unwrap();
    let remove = ContactCommand::RemovePhone { phone: phone(1) };
    program.change(one, remove).await.unwrap();
    let (shard, value) = place_of_the_only_phone(&program).await;
    let contact = program
        .desk
        .load::<Contact>(&workspace(), one)
        .await
        .unwrap();
    let reserve = UniqueCommand::Reserve {
        owner: one,
        seen: contact.version,
        attempt: uuid::Uuid::from_u128(1),
        at: program.clock.now(),
        values: vec![domain::unique::Wanted { value, idle: None }],
    };
    program
        .desk
        .send::<Reservations>(shard, reserve, &origin())
        .await
        .unwrap();

    let busy = program.create(card([1])).await.unwrap_err();
    assert!(
        matches!(busy, ContactsError::Busy { seconds: 1, .. }),
        "it may be about to use it"
    );
    program.clock.turn(SignedDuration::from_secs(20));
    let busy = program.create(card([1])).await.unwrap_err();
    assert!(
        matches!(busy, ContactsError::Busy { seconds: 40, .. }),
        "{busy}"
    );
    program.clock.turn(SignedDuration::from_secs(41));
    let two = program.create(card([1])).await.unwrap();
    // It wakes up, and goes on where it stood.
    let origin = origin();
    let late = program
        .desk
        .send_at::<Contact>(one, add, contact.version, &origin);
    assert!(matches!(late.await, Err(AggregateError::AggregateConflict)));
    let lapsed = program
        .desk
        .load::<Contact>(&workspace(), one)
        .await
        .unwrap();
    assert_eq!(
        (lapsed.version, &lapsed.state),
        (contact.version + 1, &contact.state)
    );
    let taken = program.change(one, replace([1])).await.unwrap_err();
    assert!(matches!(taken, ContactsError::Taken { owner, .. } if owner == two));
    assert_eq!(program.audit().await, Vec::<String>::new());
}

async fn place_of_the_only_phone(program: &Program) -> (ShardId, String) {
    for shard in 0..domain::unique::SHARDS {
        let shard = ShardId::root(UniqueKind::Phone, shard);
        let held = program
            .desk
            .load::<Reservations>(&workspace(), shard)
            .await
            .unwrap();
        if let Some(value) = held.state.held.keys().next() {
            return (shard, value.clone());
        }
    }
    panic!("nothing is held")
}

#[tokio::test]
async fn what_nobody_holds_is_found_and_held_again() {
    let program = Program::new();
    let one = program.create(card([1])).await.unwrap();
    program.forget_reservations().await;
    let found = program.audit().await;
    assert_eq!(found, ["contact 1 of main shows a phone that nobody holds"]);
    assert!(program.mend().await.iter().all(Result::is_ok));
    assert_eq!(program.audit().await, Vec::<String>::new());
    let taken = program.create(card([1])).await.unwrap_err();
    assert!(matches!(taken, ContactsError::Taken { owner, .. } if owner == one));
}

#[tokio::test]
async fn what_two_contacts_show_is_left_to_a_person() {
    let program = Program::new();
    let one = program.create(card([1])).await.unwrap();
    program.forget_reservations().await;
    let two = program.create(card([1])).await.unwrap();
    let found = program.audit().await;
    assert!(
        found[0].starts_with("contacts 1 and 2 of main show the same phone"),
        "{found:?}"
    );
    assert!(!found[0].contains("380"), "nobody's phone is told");
    assert!(program.mend().await.iter().all(Result::is_err));
    let remove = ContactCommand::RemovePhone { phone: phone(1) };
    program.change(two, remove).await.unwrap();
    let found = program.audit().await;
    assert_eq!(
        found,
        ["contact 1 of main shows a phone that contact 2 holds"]
    );
    assert!(program.mend().await.iter().all(Result::is_ok));
    assert_eq!(program.audit().await, Vec::<String>::new());
    let taken = program.create(card([1])).await.unwrap_err();
    assert!(matches!(taken, ContactsError::Taken { owner, .. } if owner == one));
}

#[tokio::test]
async fn an_undo_that_takes_back_what_another_has_is_refused() {
    let program = Program::new();
    let one = program.create(card([1])).await.unwrap();
    program.change(one, replace([])).await.unwrap();
    program.create(card([1])).await.unwrap();
    let seen = program
        .desk
        .load::<Contact>(&workspace(), one)
        .await
        .unwrap();
    let undo = ContactCommand::Compensate {
        seen: Box::new(seen.state.clone()),
        events: vec![ContactEvent::PhoneAdded { phone: phone(1) }],
    };
    let refused = program.change(one, undo).await.unwrap_err();
    assert!(matches!(refused, ContactsError::Taken { .. }));
    let stale = ContactCommand::Compensate {
        seen: Box::default(),
        events: vec![ContactEvent::Removed {}],
    };
    let refused = program.change(one, stale).await.unwrap_err();
    assert!(matches!(
        refused,
        ContactsError::Contact(AggregateError::UserError(ContactError::MovedOn))
    ));
}
