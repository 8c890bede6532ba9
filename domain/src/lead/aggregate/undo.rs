//! What reverses an earlier event of a lead.

use super::Lead;
use crate::lead::command::LeadCommand;
use crate::lead::details::LeadField;
use crate::lead::event::LeadEvent;
use crate::undo::{Kept, Reverse};

/// What of a lead an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// That it came in.
    Existence,
    /// Where it stands.
    Stage,
    /// Its line of business.
    Domain,
    /// Whose it is.
    Contact,
    /// How many messages were counted: a sum, which everybody may add to.
    Messages,
    /// Its newest judgement.
    Judgement,
    /// One text.
    Field(LeadField),
    /// What it may bring.
    ExpectedAmount,
    /// Whether it has this tag.
    Tag(String),
    /// One note.
    Note(u32),
}

impl Thing {
    fn touched(&self) -> String {
        match self {
            Self::Stage | Self::Existence => "the lead moved on since".to_owned(),
            Self::Domain => "business_domain was changed since".to_owned(),
            Self::Contact => "contact_id was changed since".to_owned(),
            Self::Messages => "these messages were withdrawn since".to_owned(),
            Self::Judgement => "it was analysed or transferred since".to_owned(),
            Self::Field(field) => format!("{field} was changed since"),
            Self::ExpectedAmount => "expected_amount was changed since".to_owned(),
            Self::Tag(_) => "the tag was put on or taken off since".to_owned(),
            Self::Note(_) => "the note was withdrawn or put back since".to_owned(),
        }
    }

    /// Whether it is words that go with a person who is forgotten.
    const fn is_written(&self) -> bool {
        matches!(self, Self::Field(_) | Self::Tag(_) | Self::Note(_))
    }
}

impl Reverse for Lead {
    type Thing = Thing;

    fn thing(event: &LeadEvent) -> Thing {
        match event {
            LeadEvent::Opened { .. } | LeadEvent::Forgotten {} => Thing::Existence,
            LeadEvent::StageChanged { .. } | LeadEvent::Transferred { .. } => Thing::Stage,
            LeadEvent::DomainSet { .. } | LeadEvent::DomainCleared {} => Thing::Domain,
            LeadEvent::ContactLinked { .. } | LeadEvent::ContactUnlinked {} => Thing::Contact,
            LeadEvent::Analyzed(_) | LeadEvent::AnalysisWithdrawn {} => Thing::Judgement,
            LeadEvent::MessagesRecorded { .. } | LeadEvent::MessagesWithdrawn { .. } => {
                Thing::Messages
            }
            LeadEvent::FieldChanged { field, .. } => Thing::Field(*field),
            LeadEvent::ExpectedAmountChanged { .. } => Thing::ExpectedAmount,
            LeadEvent::TagAdded { tag } | LeadEvent::TagRemoved { tag } => Thing::Tag(tag.clone()),
            LeadEvent::Noted { number, .. } | LeadEvent::NoteWithdrawn { number, .. } => {
                Thing::Note(*number)
            }
        }
    }

    /// A transfer stands on the judgement too. Counting is undone whatever else was counted since.
    fn touched(undone: &LeadEvent, later: &LeadEvent) -> Option<String> {
        let thing = Self::thing(undone);
        let transferred = matches!(later, LeadEvent::Transferred { .. });
        if thing.is_written() && matches!(later, LeadEvent::Forgotten {}) {
            return Some("it was forgotten since".to_owned());
        }
        let touched = match thing {
            Thing::Messages => false,
            Thing::Judgement => transferred || Self::thing(later) == thing,
            Thing::Existence
            | Thing::Stage
            | Thing::Domain
            | Thing::Contact
            | Thing::Field(_)
            | Thing::ExpectedAmount
            | Thing::Tag(_)
            | Thing::Note(_) => Self::thing(later) == thing,
        };
        touched.then(|| thing.touched())
    }

    fn reverse(&self, before: &Self, undone: &LeadEvent) -> Result<LeadEvent, Kept> {
        let Some(now) = &self.open else {
            return Err(Kept::because("there is no such lead"));
        };
        let before = before.open.as_ref();
        match undone {
            LeadEvent::Opened { .. } => Err(Kept::because(
                "a lead that came in stays; mark it lost instead",
            )),
            LeadEvent::Forgotten {} => Err(Kept::because("an erasure is for ever")),
            LeadEvent::Transferred { sale, .. } => Err(Kept::because(format!(
                "it became sale {sale}; mark that sale lost instead"
            ))),
            LeadEvent::StageChanged { from, to, .. } => Ok(LeadEvent::StageChanged {
                from: *to,
                to: *from,
                outcome: before.map(|lead| lead.outcome).unwrap_or_default(),
                reason: Some(format!("undo of {from} to {to}")),
            }),
            LeadEvent::DomainSet { .. } | LeadEvent::DomainCleared {} => {
                let domain = before.and_then(|lead| lead.business_domain);
                Ok(
                    domain.map_or(LeadEvent::DomainCleared {}, |business_domain| {
                        LeadEvent::DomainSet { business_domain }
                    }),
                )
            }
            LeadEvent::ContactLinked { .. } | LeadEvent::ContactUnlinked {} => {
                let contact = before.and_then(|lead| lead.contact);
                Ok(contact.map_or(LeadEvent::ContactUnlinked {}, |contact| {
                    LeadEvent::ContactLinked { contact }
                }))
            }
            LeadEvent::Analyzed(_) | LeadEvent::AnalysisWithdrawn {} => {
                let analysis = before.and_then(|lead| lead.analysis.clone());
                Ok(analysis.map_or(LeadEvent::AnalysisWithdrawn {}, LeadEvent::Analyzed))
            }
            LeadEvent::MessagesRecorded { increment, .. } => {
                let total = now.message_count.checked_sub((*increment).into());
                Ok(LeadEvent::MessagesWithdrawn {
                    decrement: *increment,
                    total: total.ok_or_else(|| Kept::because(Thing::Messages.touched()))?,
                })
            }
            LeadEvent::MessagesWithdrawn { decrement, .. } => Ok(LeadEvent::MessagesRecorded {
                increment: *decrement,
                total: now.message_count.saturating_add((*decrement).into()),
            }),
            LeadEvent::FieldChanged { field, from, to } => Ok(LeadEvent::FieldChanged {
                field: *field,
                from: to.clone(),
                to: from.clone(),
            }),
            LeadEvent::ExpectedAmountChanged { from, to } => Ok(LeadEvent::ExpectedAmountChanged {
                from: *to,
                to: *from,
            }),
            LeadEvent::TagAdded { tag } => Ok(LeadEvent::TagRemoved { tag: tag.clone() }),
            LeadEvent::TagRemoved { tag } => Ok(LeadEvent::TagAdded { tag: tag.clone() }),
            LeadEvent::Noted { number, text } => Ok(LeadEvent::NoteWithdrawn {
                number: *number,
                text: text.clone(),
            }),
            LeadEvent::NoteWithdrawn { number, text } => Ok(LeadEvent::Noted {
                number: *number,
                text: text.clone(),
            }),
        }
    }

    fn compensate(&self, events: Vec<LeadEvent>) -> LeadCommand {
        LeadCommand::Compensate { events }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::Lead;
    use crate::lead::event::LeadEvent;
    use crate::lead::source::{BusinessDomain, LeadSource};
    use crate::pipeline::table;
    use crate::pipeline::{StageKey, built_in};
    use crate::undo::{Change, Kept, Outcome, Undoes, outcomes};

    /// A lead that came in, and what was done to it; each with the place of what it undoes.
    fn history(changes: &[(LeadEvent, Undoes)]) -> Vec<Change<LeadEvent>> {
        let opened = LeadEvent::Opened {
            source: LeadSource::Manual,
            business_domain: None,
            contact: None,
            pipeline: built_in::SALES_TEAM,
            stage: built_in::NEW,
        };
        let all = [(opened, Undoes::Nothing)].into_iter();
        (0..)
            .zip(all.chain(changes.iter().cloned()))
            .map(|(id, (event, undoes))| Change {
                id: Uuid::from_u128(id),
                undoes,
                events: vec![event],
            })
            .collect()
    }

    fn undo(changes: &[(LeadEvent, Undoes)], place: usize) -> Outcome<LeadEvent> {
        outcomes::<Lead>(&history(changes), place).remove(0)
    }

    const fn plain(event: LeadEvent) -> (LeadEvent, Undoes) {
        (event, Undoes::Nothing)
    }

    const fn undoing(place: u128, event: LeadEvent) -> (LeadEvent, Undoes) {
        (event, Undoes::Commit(Uuid::from_u128(place)))
    }

    fn step(from: StageKey, to: StageKey) -> LeadEvent {
        LeadEvent::StageChanged {
            from,
            to,
            outcome: built_in::sales_team().outcome(to),
            reason: None,
        }
    }

    const fn counted(increment: u32, total: u64) -> LeadEvent {
        LeadEvent::MessagesRecorded { increment, total }
    }

    const fn withdrawn(decrement: u32, total: u64) -> LeadEvent {
        LeadEvent::MessagesWithdrawn { decrement, total }
    }

    fn kept(reason: &str) -> Outcome<LeadEvent> {
        Outcome::Kept(Kept::because(reason))
    }

    #[test]
    fn the_last_step_is_taken_back_and_an_earlier_one_is_kept() {
        let steps = [
            plain(step(built_in::NEW, built_in::CONTACTED)),
            plain(step(built_in::CONTACTED, built_in::LOST)),
        ];
        let back = LeadEvent::StageChanged {
            from: built_in::LOST,
            to: built_in::CONTACTED,
            outcome: table::Outcome::Open,
            reason: Some("undo of contacted to lost".into()),
        };
        assert_eq!(undo(&steps, 2), Outcome::Reversed(back.clone()));
        assert_eq!(undo(&steps, 1), kept("the lead moved on since"));
        let [first, second] = steps;
        let undone = [first, second, undoing(2, back)];
        assert_eq!(undo(&undone, 2), Outcome::UndoneBy(3));
        assert!(
            matches!(undo(&undone, 1), Outcome::Reversed(_)),
            "what was undone again has touched nothing"
        );
    }

    #[test]
    fn a_domain_goes_back_to_the_one_before_or_to_none() {
        let set = |business_domain| plain(LeadEvent::DomainSet { business_domain });
        let first = set(BusinessDomain::First);
        let both = [first.clone(), set(BusinessDomain::Second)];
        assert_eq!(undo(&both, 2), Outcome::Reversed(first.0.clone()));
        assert_eq!(
            undo(&[first], 1),
            Outcome::Reversed(LeadEvent::DomainCleared {})
        );
    }

    #[test]
    fn a_count_is_taken_back_once_whatever_was_counted_since() {
        let counts = [plain(counted(100, 100)), plain(counted(5, 105))];
        assert_eq!(undo(&counts, 1), Outcome::Reversed(withdrawn(100, 5)));
        let [first, second] = counts;
        let mut all = vec![first, second, undoing(2, withdrawn(5, 100))];
        assert_eq!(undo(&all, 2), Outcome::UndoneBy(3));
        assert_eq!(undo(&all, 3), Outcome::Reversed(counted(5, 105)));
        all.push(undoing(3, counted(5, 105)));
        assert_eq!(undo(&all, 3), Outcome::UndoneBy(4));
        assert_eq!(undo(&all, 2), Outcome::Reversed(withdrawn(5, 100)));
    }

    #[test]
    fn a_count_that_an_older_program_may_have_undone_is_kept() {
        let counts = [
            plain(counted(5, 5)),
            (withdrawn(5, 0), Undoes::Unnamed),
            plain(counted(7, 7)),
        ];
        let unclear = "an older undo, which does not say of what, was made since";
        assert_eq!(undo(&counts, 1), kept(unclear));
        assert_eq!(undo(&counts, 3), Outcome::Reversed(withdrawn(7, 0)));
    }
}
