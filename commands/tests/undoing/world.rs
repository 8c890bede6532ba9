//! A lead, a sale and a contact over a log in memory, and two desks that know nothing of each other.

use std::collections::BTreeMap;

use commands::clock::Clock;
use commands::contacts::Contacts;
use commands::desk::Desk;
use commands::numbers::Allocator;
use commands::origin::Origin;
use commands::undo::{Undoing, What};
use domain::contact::address::Phone;
use domain::contact::aggregate::Contact;
use domain::contact::command::{Card, ContactCommand};
use domain::contact::event::ContactEvent;
use domain::id::{ContactId, LeadId, SaleId};
use domain::lead::aggregate::Lead;
use domain::lead::command::LeadCommand;
use domain::lead::details::{Edit, LeadField};
use domain::lead::event::{Analysis, LeadEvent};
use domain::lead::scoring::{Recommendation, Score};
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::money::{Currency, Money};
use domain::pipeline::table::{Place, Table};
use domain::pipeline::{StageKey, built_in};
use domain::sale::aggregate::Sale;
use domain::sale::command::SaleCommand;
use domain::sale::event::SaleEvent;
use journal::Journal;
use journal::entry::readable;
use journal::memory::MemoryJournal;
use journal::position::Position;
use journal::token::{StreamId, Token};
use proptest::prelude::*;
use schemas::any::{DomainEvent, Within as _};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::model::{EXISTENCE, Fact, SUM, Says, Verdict};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Lead,
    Sale,
    Contact,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Lead, Self::Sale, Self::Contact];
}

const TAGS: [&str; 3] = ["hot", "later", "vip"];
const WORTH: Money = Money {
    minor: 100,
    currency: Currency::Uah,
};
const PHONES: [&str; 3] = ["+380671234561", "+380671234562", "+380671234563"];

/// Something done to a record; each kind makes of it what it can.
#[derive(Debug, Clone)]
pub enum Deed {
    Count(u32),
    Move(usize),
    Say(usize, Option<usize>),
    Phones([bool; 3]),
    Judge(u16),
    Remove,
}

impl Deed {
    pub fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            3 => (1..9_u32).prop_map(Self::Count),
            4 => (0..5_usize).prop_map(Self::Move),
            4 => (0..2_usize, proptest::option::of(0..3_usize)).prop_map(|(field, to)| Self::Say(field, to)),
            3 => any::<[bool; 3]>().prop_map(Self::Phones),
            1 => (0..100_u16).prop_map(Self::Judge),
            1 => Just(Self::Remove),
        ]
    }
}

pub struct World {
    journal: Journal,
    desks: [At; 2],
}

/// A desk, and what stands on it.
#[derive(Clone)]
pub struct At {
    desk: Desk,
    contacts: Contacts,
    undoing: Undoing,
}

/// A commit, as the model is told.
pub struct Done {
    pub position: u64,
    /// The position of what it says that it undoes.
    pub undoes: Option<u64>,
    pub facts: Vec<Fact>,
}

fn workspace() -> Token {
    Token::try_new("main").unwrap()
}

fn origin() -> Origin {
    Origin::new(workspace(), "test")
}

impl World {
    pub async fn new() -> Self {
        let journal = Journal::from(MemoryJournal::new());
        let desks = [(), ()].map(|()| At::new(&journal));
        let desk = &desks[0].desk;
        let open = LeadCommand::Open {
            source: LeadSource::Manual,
            business_domain: None,
            contact: None,
            edit: Edit::default(),
            begins: Place::of_a_lead(),
        };
        desk.send::<Lead>(LeadId(1), open, &origin()).await.unwrap();
        let open = SaleCommand::Open {
            lead: LeadId(1),
            amount: WORTH,
            begins: Place::of_a_sale(),
        };
        desk.send::<Sale>(SaleId(1), open, &origin()).await.unwrap();
        let card = Card {
            name: "Olena".into(),
            phones: vec![Phone::try_new(PHONES[0]).unwrap()],
            ..Card::default()
        };
        desks[0].contacts.create(card, &origin()).await.unwrap();
        Self { journal, desks }
    }

    pub fn desk(&self, which: usize) -> At {
        self.desks[which].clone()
    }

    /// The changes of a record behind this position.
    pub async fn changes(&self, kind: Kind, after: u64) -> Vec<Done> {
        let category = match kind {
            Kind::Lead => "lead",
            Kind::Sale => "sale",
            Kind::Contact => "contact",
        };
        let stream = StreamId::try_new("main", category, "1").unwrap();
        let all = readable(&self.journal.load(&stream, 0).await.unwrap()).unwrap();
        let place = |id: Uuid| {
            all.iter()
                .find(|held| held.commit.commit_id == id)
                .unwrap()
                .position
                .sequence
        };
        let new = all.iter().filter(|held| held.position.sequence > after);
        new.map(|held| Done {
            position: held.position.sequence,
            undoes: held.commit.undoes.map(place),
            facts: match held.commit.undoes {
                Some(_) => Vec::new(),
                None => facts(category, &held.commit.events),
            },
        })
        .collect()
    }

    /// What a record is, thing by thing.
    pub async fn shown(&self, kind: Kind) -> BTreeMap<String, String> {
        let desk = &self.desks[1].desk;
        let shown = match kind {
            Kind::Lead => {
                let lead = desk.load::<Lead>(&workspace(), LeadId(1)).await.unwrap();
                let lead = lead.state.open.clone().unwrap();
                let score = lead.analysis.map(|analysis| analysis.score);
                let title = lead.details.fields.get(&LeadField::Title);
                let mut shown = vec![
                    ("title".to_owned(), format!("{title:?}")),
                    (
                        "expected".to_owned(),
                        format!("{:?}", lead.details.expected),
                    ),
                    ("stage".to_owned(), lead.stage.to_string()),
                    ("domain".to_owned(), format!("{:?}", lead.business_domain)),
                    ("contact".to_owned(), format!("{:?}", lead.contact)),
                    ("score".to_owned(), format!("{score:?}")),
                    (SUM.to_owned(), lead.message_count.to_string()),
                ];
                shown.extend(TAGS.map(|tag| {
                    let has = lead.details.tags.contains(tag);
                    (tag.to_owned(), has.to_string())
                }));
                shown
            }
            Kind::Sale => {
                let sale = desk.load::<Sale>(&workspace(), SaleId(1)).await.unwrap();
                let sale = sale.state.open.clone().unwrap();
                vec![
                    ("stage".to_owned(), sale.stage.to_string()),
                    ("amount".to_owned(), sale.amount.to_string()),
                ]
            }
            Kind::Contact => {
                let contact = desk
                    .load::<Contact>(&workspace(), ContactId(1))
                    .await
                    .unwrap();
                let card = contact.state.card.clone().unwrap();
                let mut shown = vec![
                    (EXISTENCE.to_owned(), (!contact.state.removed).to_string()),
                    ("company".to_owned(), format!("{:?}", card.company)),
                    ("role".to_owned(), format!("{:?}", card.role)),
                ];
                shown.extend(TAGS.map(|tag| {
                    let has = card.tags.contains(tag);
                    (tag.to_owned(), has.to_string())
                }));
                shown.extend(PHONES.map(|phone| {
                    let has = card.phones.contains(&Phone::try_new(phone).unwrap());
                    (phone.to_owned(), has.to_string())
                }));
                shown
            }
        };
        shown.into_iter().collect()
    }
}

impl At {
    fn new(journal: &Journal) -> Self {
        let desk = Desk::local(journal.clone(), Clock::System);
        let contacts = Contacts::new(desk.clone(), Allocator::new(desk.clone()), b"secret");
        let undoing = Undoing::new(desk.clone(), contacts.clone());
        Self {
            desk,
            contacts,
            undoing,
        }
    }

    /// Does it, or is refused.
    pub async fn attempt(&self, kind: Kind, deed: &Deed) {
        match kind {
            Kind::Lead => drop(
                self.desk
                    .send::<Lead>(LeadId(1), on_a_lead(deed), &origin())
                    .await,
            ),
            Kind::Sale => drop(
                self.desk
                    .send::<Sale>(SaleId(1), on_a_sale(deed), &origin())
                    .await,
            ),
            Kind::Contact => drop(
                self.contacts
                    .change(ContactId(1), on_a_contact(deed), &origin())
                    .await,
            ),
        }
    }

    pub async fn undo(&self, position: u64, again: Option<(Uuid, bool)>) -> Vec<Verdict> {
        let mut origin = origin();
        if let Some((seed, retried)) = again {
            (origin.seed, origin.retried) = (Some(seed), retried);
        }
        let at = Position {
            partition: 0,
            sequence: position,
        };
        let (undone, _) = self.undoing.undo(What::At(at), &origin).await.unwrap();
        let verdict = |kept: Option<String>| match kept {
            None => Verdict::Reversed,
            Some(why) if why.starts_with("it was undone already, at 0:") => Verdict::UndoneAlready,
            Some(_) => Verdict::Kept,
        };
        undone
            .into_iter()
            .map(|undone| verdict(undone.kept))
            .collect()
    }
}

fn on_a_lead(deed: &Deed) -> LeadCommand {
    match deed {
        Deed::Count(increment) => LeadCommand::RecordMessages {
            increment: *increment,
        },
        Deed::Move(to) => LeadCommand::ChangeStage {
            to: nth(&built_in::sales_team(), *to),
            seen: None,
            reason: None,
            table: built_in::sales_team(),
        },
        Deed::Say(0, to) => LeadCommand::Describe {
            business_domain: Some(Some(
                BusinessDomain::ALL[to.unwrap_or_default() % BusinessDomain::ALL.len()],
            )),
            contact: None,
            edit: Edit::default(),
        },
        Deed::Say(_, to) => LeadCommand::Describe {
            business_domain: None,
            contact: to.map(|to| Some(ContactId(to as u64))),
            edit: Edit::default(),
        },
        // Several things at once.
        Deed::Phones(tagged) => {
            let tags = TAGS.iter().zip(tagged).filter(|(_, tagged)| **tagged);
            edited(Edit {
                fields: [(LeadField::Title, tagged[0].then(|| "a title".to_owned()))].into(),
                expected: Some(tagged[1].then_some(WORTH)),
                tags: Some(tags.map(|(tag, _)| (*tag).to_owned()).collect()),
            })
        }
        Deed::Remove => LeadCommand::RemoveTag {
            tag: TAGS[0].to_owned(),
        },
        Deed::Judge(score) => LeadCommand::RecordAnalysis(Analysis {
            score: Score::from_thousandths(*score).unwrap(),
            recommendation: Recommendation::ALL[0],
            reason: "so it is".into(),
            analyst: "rules".into(),
            at: Clock::System.now(),
        }),
    }
}

fn edited(edit: Edit) -> LeadCommand {
    LeadCommand::Describe {
        business_domain: None,
        contact: None,
        edit,
    }
}

fn on_a_sale(deed: &Deed) -> SaleCommand {
    let to = match deed {
        Deed::Judge(more) => {
            let minor = WORTH.minor + u64::from(*more);
            let amount = Money { minor, ..WORTH };
            return SaleCommand::ChangeAmount { amount };
        }
        Deed::Move(to) => *to,
        Deed::Count(to) => *to as usize,
        Deed::Say(..) | Deed::Phones(_) | Deed::Remove => 1,
    };
    SaleCommand::ChangeStage {
        to: nth(&built_in::sales(), to),
        seen: None,
        reason: None,
        table: built_in::sales(),
    }
}

fn on_a_contact(deed: &Deed) -> ContactCommand {
    let words = |to: Option<usize>| to.map(|to| format!("word {to}"));
    let (mut company, mut role, mut phones) = (None, None, None);
    match deed {
        Deed::Say(0, to) => company = Some(words(*to)),
        Deed::Say(_, to) => role = Some(words(*to)),
        Deed::Phones(held) => {
            let held = PHONES.iter().zip(held).filter(|(_, held)| **held);
            phones = Some(
                held.map(|(phone, _)| Phone::try_new(phone).unwrap())
                    .collect(),
            );
        }
        // Several things at once.
        Deed::Move(to) => {
            (company, role) = (Some(words(Some(*to))), Some(words(None)));
            phones = Some(vec![Phone::try_new(PHONES[to % 3]).unwrap()]);
        }
        Deed::Judge(tag) => {
            let tag = TAGS[usize::from(*tag) % TAGS.len()].to_owned();
            return ContactCommand::AddTag { tag };
        }
        Deed::Count(tag) => {
            let tag = TAGS[*tag as usize % TAGS.len()].to_owned();
            return ContactCommand::RemoveTag { tag };
        }
        Deed::Remove => return ContactCommand::Remove,
    }
    ContactCommand::Change {
        name: None,
        company,
        role,
        phones,
        emails: None,
        note: None,
        tags: None,
        links: None,
    }
}

fn facts(category: &str, events: &[Box<RawValue>]) -> Vec<Fact> {
    let decoded = events
        .iter()
        .map(|event| DomainEvent::decode(category, event).unwrap());
    decoded.map(|event| fact(&event)).collect()
}

fn fact(event: &DomainEvent) -> Fact {
    let of_lead = LeadEvent::within(event).map(of_lead);
    let of_sale = || SaleEvent::within(event).map(of_sale);
    let of_contact = || ContactEvent::within(event).map(of_contact);
    let fact = of_lead.or_else(of_sale).or_else(of_contact);
    fact.unwrap_or_else(|| unreachable!("another record: {event:?}"))
}

fn plain(thing: &str, is: Says) -> Fact {
    Fact {
        thing: thing.to_owned(),
        is,
        whole: false,
        forever: false,
    }
}

fn value(thing: &str, value: String) -> Fact {
    plain(thing, Says::Value(value))
}

fn forever() -> Fact {
    Fact {
        forever: true,
        ..value("opened", "true".to_owned())
    }
}

fn of_lead(event: &LeadEvent) -> Fact {
    match event {
        LeadEvent::Opened { .. } => forever(),
        LeadEvent::StageChanged { to, .. } => value("stage", to.to_string()),
        LeadEvent::DomainSet { business_domain } => {
            value("domain", format!("{:?}", Some(business_domain)))
        }
        LeadEvent::ContactLinked { contact } => value("contact", format!("{:?}", Some(contact))),
        LeadEvent::MessagesRecorded { increment, .. } => {
            plain(SUM, Says::More((*increment).into()))
        }
        LeadEvent::Analyzed(analysis) => value("score", format!("{:?}", Some(analysis.score))),
        LeadEvent::FieldChanged { field, to, .. } => value(field.as_str(), format!("{to:?}")),
        LeadEvent::ExpectedAmountChanged { to, .. } => value("expected", format!("{to:?}")),
        LeadEvent::TagAdded { tag } => value(tag, "true".to_owned()),
        LeadEvent::TagRemoved { tag } => value(tag, "false".to_owned()),
        LeadEvent::DomainCleared {}
        | LeadEvent::ContactUnlinked {}
        | LeadEvent::MessagesWithdrawn { .. }
        | LeadEvent::Noted { .. }
        | LeadEvent::NoteWithdrawn { .. }
        | LeadEvent::AnalysisWithdrawn {}
        | LeadEvent::Forgotten {}
        | LeadEvent::Transferred { .. } => unreachable!("only undos do this here: {event:?}"),
    }
}

fn of_sale(event: &SaleEvent) -> Fact {
    match event {
        SaleEvent::Opened { .. } => forever(),
        SaleEvent::StageChanged { to, .. } => value("stage", to.to_string()),
        SaleEvent::AmountChanged { to, .. } => value("amount", to.to_string()),
    }
}

fn of_contact(event: &ContactEvent) -> Fact {
    match event {
        ContactEvent::Created { .. } => Fact {
            whole: true,
            ..value(EXISTENCE, "true".to_owned())
        },
        ContactEvent::FieldChanged { field, to, .. } => value(field.as_str(), format!("{to:?}")),
        ContactEvent::PhoneAdded { phone } => value(&phone.to_string(), "true".to_owned()),
        ContactEvent::PhoneRemoved { phone } => value(&phone.to_string(), "false".to_owned()),
        ContactEvent::TagAdded { tag } => value(tag, "true".to_owned()),
        ContactEvent::TagRemoved { tag } => value(tag, "false".to_owned()),
        ContactEvent::Removed {} => value(EXISTENCE, "false".to_owned()),
        ContactEvent::EmailAdded { .. }
        | ContactEvent::EmailRemoved { .. }
        | ContactEvent::LinkAdded { .. }
        | ContactEvent::LinkRemoved { .. }
        | ContactEvent::Noted { .. }
        | ContactEvent::NoteWithdrawn { .. }
        | ContactEvent::Restored {}
        | ContactEvent::ReservationLapsed {}
        | ContactEvent::Erased {} => unreachable!("not done here: {event:?}"),
    }
}

fn nth(table: &Table, place: usize) -> StageKey {
    table.stages[place % table.stages.len()].key
}
