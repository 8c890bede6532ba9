//! A phone that a living contact shows is held by that contact and no other, in whatever order
//! requests, retries, undos, crashes and pauses of several processes meet.
//!
//! Each request is a future that is polled by hand: before and after every operation on the log the
//! test decides whose turn it is, drops a process as `kill -9` would, or lets one stand still until
//! everybody takes it for dead. Afterwards the log is read from its beginning, and the rule must
//! have held behind every single commit.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Waker};

use commands::clock::Clock;
use commands::contacts::audit::Audit;
use commands::contacts::{Contacts, ContactsError};
use commands::desk::Desk;
use commands::idempotency::{Claiming, claim};
use commands::numbers::Allocator;
use commands::origin::Origin;
use commands::undo::{Undoing, What};
use cqrs_es::Aggregate as _;
use domain::contact::address::Phone;
use domain::contact::aggregate::Contact;
use domain::contact::command::{Card, ContactCommand};
use domain::contact::event::ContactEvent;
use domain::id::ContactId;
use futures::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use journal::entry::Entry;
use journal::memory::MemoryJournal;
use journal::token::Token;
use journal::vault::Vault;
use journal::{Backend, Journal};
use proptest::prelude::*;

const PHONES: [&str; 3] = ["+380670000001", "+380670000002", "+380670000003"];
const PROCESSES: usize = 3;
/// Longer than any request may live.
const FOR_DEAD: SignedDuration = SignedDuration::from_secs(61);
const SECRET: &[u8] = b"secret";

/// What a client asks for.
#[derive(Debug, Clone)]
enum Ask {
    Create { phones: u8 },
    Replace { id: u64, phones: u8 },
    Add { id: u64, phone: usize },
    TakeAway { id: u64, phone: usize },
    Remove { id: u64 },
    Erase { id: u64 },
    Undo { nth: usize },
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// A process begins to serve a request; one with a key may be sent again.
    Begin {
        process: usize,
        ask: Ask,
        keyed: bool,
    },
    /// A request with a key is sent again, to any process.
    Again { process: usize, nth: usize },
    /// One of the requests in work gets so many turns.
    Go { nth: usize, turns: usize },
    /// A process dies.
    Crash { process: usize },
    /// Time passes in which nobody does anything.
    Wait,
}

fn asks() -> impl Strategy<Value = Ask> {
    let phones = 0_u8..8;
    prop_oneof![
        3 => phones.clone().prop_map(|phones| Ask::Create { phones }),
        5 => (1_u64..5, phones).prop_map(|(id, phones)| Ask::Replace { id, phones }),
        2 => (1_u64..5, 0..PHONES.len()).prop_map(|(id, phone)| Ask::Add { id, phone }),
        2 => (1_u64..5, 0..PHONES.len()).prop_map(|(id, phone)| Ask::TakeAway { id, phone }),
        1 => (1_u64..5).prop_map(|id| Ask::Remove { id }),
        1 => (1_u64..5).prop_map(|id| Ask::Erase { id }),
        2 => any::<usize>().prop_map(|nth| Ask::Undo { nth }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let process = 0..PROCESSES;
    let step = prop_oneof![
        8 => (process.clone(), asks(), any::<bool>())
            .prop_map(|(process, ask, keyed)| Step::Begin { process, ask, keyed }),
        1 => (process.clone(), any::<usize>()).prop_map(|(process, nth)| Step::Again { process, nth }),
        20 => (any::<usize>(), 1_usize..24).prop_map(|(nth, turns)| Step::Go { nth, turns }),
        1 => process.prop_map(|process| Step::Crash { process }),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// A request in work, and where.
struct InWork {
    process: usize,
    work: Work,
}

#[derive(Clone)]
struct Process {
    journal: Journal,
    clock: Clock,
    contacts: Contacts,
    undoing: Undoing,
}

impl Process {
    fn started(memory: &MemoryJournal, vault: &Vault, clock: &Clock) -> Self {
        let journal = Journal::new(Backend::Memory(memory.clone()), vault.clone());
        let desk = Desk::local(journal.clone(), clock.clone());
        let contacts = Contacts::new(desk.clone(), Allocator::new(desk.clone()), SECRET);
        Self {
            undoing: Undoing::new(desk, contacts.clone()),
            journal,
            clock: clock.clone(),
            contacts,
        }
    }

    async fn serve(self, ask: Ask, key: Option<usize>) {
        let mut origin = Origin::new(workspace(), "test");
        if let Some(key) = key {
            let key = key.to_string();
            let scope: [&[u8]; 1] = [key.as_bytes()];
            let claimed = claim(
                &self.journal,
                &self.clock,
                &workspace(),
                &scope,
                key.clone(),
            )
            .await;
            let Ok(Claiming::Go(claimed)) = claimed else {
                return;
            };
            origin = origin.claimed(claimed);
        }
        // Whatever is answered: the log says what happened.
        match ask {
            Ask::Create { phones } => drop(self.contacts.create(card(phones), &origin).await),
            Ask::Replace { id, phones } => {
                drop(
                    self.contacts
                        .change(ContactId(id), replace(phones), &origin)
                        .await,
                );
            }
            Ask::Add { id, phone } => {
                let phone = Phone::try_new(PHONES[phone]).unwrap();
                let add = ContactCommand::AddPhone { phone };
                drop(self.contacts.change(ContactId(id), add, &origin).await);
            }
            Ask::TakeAway { id, phone } => {
                let phone = Phone::try_new(PHONES[phone]).unwrap();
                let remove = ContactCommand::RemovePhone { phone };
                drop(self.contacts.change(ContactId(id), remove, &origin).await);
            }
            Ask::Remove { id } => {
                let remove = self
                    .contacts
                    .change(ContactId(id), ContactCommand::Remove, &origin);
                drop(remove.await);
            }
            Ask::Erase { id } => drop(self.contacts.erase(ContactId(id), &origin).await),
            Ask::Undo { nth } => {
                let changes = changes(&self.journal).await;
                if !changes.is_empty() {
                    let what = What::At(changes[nth % changes.len()]);
                    drop(self.undoing.undo(what, &origin).await);
                }
            }
        }
    }
}

fn workspace() -> Token {
    Token::try_new("main").unwrap()
}

fn some_of(phones: u8) -> Vec<Phone> {
    let chosen = PHONES
        .iter()
        .enumerate()
        .filter(|(bit, _)| phones >> bit & 1 == 1);
    chosen
        .map(|(_, phone)| Phone::try_new(phone).unwrap())
        .collect()
}

fn card(phones: u8) -> Card {
    Card {
        name: "Olena".into(),
        phones: some_of(phones),
        ..Card::default()
    }
}

fn replace(phones: u8) -> ContactCommand {
    ContactCommand::Change {
        name: None,
        company: None,
        role: None,
        phones: Some(some_of(phones)),
        emails: None,
        note: None,
        tags: None,
        links: None,
    }
}

async fn changes(journal: &Journal) -> Vec<journal::position::Position> {
    let all = journal.read(0, 0, usize::MAX).await.unwrap();
    let is_of_a_contact =
        |entry: &&Entry| entry.stream().unwrap().category.as_str() == Contact::TYPE;
    all.iter()
        .filter(is_of_a_contact)
        .map(Entry::position)
        .collect()
}

/// Everything that a case works with.
struct World {
    memory: MemoryJournal,
    vault: Vault,
    clock: Clock,
    processes: Vec<Process>,
    in_work: Vec<InWork>,
    keyed: Vec<Ask>,
}

impl World {
    fn new() -> Self {
        let (memory, vault) = (MemoryJournal::new(), Vault::in_memory());
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let stepping = memory.stepping();
        let process = |_| Process::started(&stepping, &vault, &clock);
        Self {
            processes: (0..PROCESSES).map(process).collect(),
            memory,
            vault,
            clock,
            in_work: Vec::new(),
            keyed: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Begin {
                process,
                ask,
                keyed,
            } => {
                let key = keyed.then(|| {
                    self.keyed.push(ask.clone());
                    self.keyed.len() - 1
                });
                self.begin(process, ask, key);
            }
            Step::Again { process, nth } if !self.keyed.is_empty() => {
                let key = nth % self.keyed.len();
                self.begin(process, self.keyed[key].clone(), Some(key));
            }
            Step::Go { nth, turns } if !self.in_work.is_empty() => {
                let at = nth % self.in_work.len();
                if self.turns(at, turns) {
                    drop(self.in_work.remove(at));
                }
            }
            Step::Again { .. } | Step::Go { .. } => {}
            Step::Crash { process } => {
                self.in_work.retain(|work| work.process != process);
                self.processes[process] =
                    Process::started(&self.memory.stepping(), &self.vault, &self.clock);
            }
            Step::Wait => self.clock.turn(FOR_DEAD),
        }
    }

    fn begin(&mut self, process: usize, ask: Ask, key: Option<usize>) {
        let work = self.processes[process]
            .clone()
            .serve(ask, key)
            .boxed_local();
        self.in_work.push(InWork { process, work });
    }

    /// Whether it has ended.
    fn turns(&mut self, at: usize, turns: usize) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        (0..turns).any(|_| self.in_work[at].work.as_mut().poll(&mut context).is_ready())
    }

    fn finish(&mut self) {
        for _ in 0..100_000 {
            if self.in_work.is_empty() {
                return;
            }
            let ended: Vec<bool> = (0..self.in_work.len())
                .map(|at| self.turns(at, 1))
                .collect();
            let mut ended = ended.into_iter();
            self.in_work.retain(|_| !ended.next().unwrap_or_default());
        }
        panic!("a request does not end");
    }

    /// Reads the whole log; tells who shows which phone in the end.
    fn check(&self) -> Result<BTreeMap<Phone, ContactId>, TestCaseError> {
        let journal = Journal::new(Backend::Memory(self.memory.clone()), self.vault.clone());
        let all = journal
            .read(0, 0, usize::MAX)
            .now_or_never()
            .unwrap()
            .unwrap();
        let mut contacts = BTreeMap::<ContactId, Contact>::new();
        let mut audit = Audit::new(&self.processes[0].contacts);
        for entry in all {
            audit.note(&entry);
            let wrong = audit.disagreements();
            prop_assert!(wrong.is_empty(), "at {}: {}", entry.position(), wrong[0]);
            let recorded = entry.commit().unwrap();
            if recorded.commit.category.as_str() != Contact::TYPE {
                continue;
            }
            let id = ContactId(recorded.commit.id.as_str().parse().unwrap());
            for event in &recorded.commit.events {
                let event: ContactEvent = schemas::codec::decode(event).unwrap();
                contacts.entry(id).or_default().apply(event);
            }
        }
        let mut shown = BTreeMap::new();
        for (id, contact) in contacts {
            for phone in contact.present().into_iter().flat_map(|card| &card.phones) {
                let other = shown.insert(phone.clone(), id);
                prop_assert_eq!(other, None, "{} is shown by {} too", phone, id);
            }
        }
        Ok(shown)
    }

    /// What is shown is taken, and what is not is free, once nobody is in the middle of anything.
    fn everything_is_free_or_taken(
        &self,
        shown: &BTreeMap<Phone, ContactId>,
    ) -> Result<(), TestCaseError> {
        self.clock.turn(FOR_DEAD);
        let process = Process::started(&self.memory, &self.vault, &self.clock);
        for bit in 0..PHONES.len() {
            let wanted = card(1 << bit);
            let holder = shown.get(&wanted.phones[0]).copied();
            let origin = Origin::new(workspace(), "test");
            let outcome = process
                .contacts
                .create(wanted, &origin)
                .now_or_never()
                .unwrap();
            match (holder, outcome) {
                (None, Ok(_)) => {}
                (Some(holder), Err(ContactsError::Taken { owner, .. })) => {
                    prop_assert_eq!(holder, owner);
                }
                (holder, outcome) => prop_assert!(
                    false,
                    "shown by {:?}: {:?}",
                    holder,
                    outcome.map(|(id, _)| id)
                ),
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_living_contact_shows_is_its_own(steps in steps()) {
        // Snapshots are taken in the background.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.check()?;
        world.finish();
        let shown = world.check()?;
        world.everything_is_free_or_taken(&shown)?;
    }
}
