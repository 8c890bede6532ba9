//! What reverses an earlier event of a lead.

use super::{Lead, LeadError, OpenLead};
use crate::lead::command::LeadCommand;
use crate::lead::event::LeadEvent;
use crate::undo::{Kept, Reverse};

/// Why a step was not the last one.
const MOVED: &str = "the lead moved on since";

impl Reverse for Lead {
    fn reverse(
        &self,
        before: &Self,
        undone: &LeadEvent,
        later: &[LeadEvent],
    ) -> Result<Vec<LeadEvent>, Kept> {
        let Some(now) = &self.open else {
            return Err(Kept::because("there is no such lead"));
        };
        let before = before.open.as_ref();
        let touched = |same: fn(&LeadEvent) -> bool, why: &str| {
            if later.iter().any(same) {
                Err(Kept::because(why))
            } else {
                Ok(())
            }
        };
        match undone {
            LeadEvent::Opened { .. } => Err(Kept::because(
                "a lead that came in stays; mark it lost instead",
            )),
            LeadEvent::Transferred { sale, .. } => Err(Kept::because(format!(
                "it became sale {sale}; mark that sale lost instead"
            ))),
            LeadEvent::StageChanged { from, to, .. } => {
                touched(is_step, MOVED)?;
                let reason = Some(format!("undo of {from} to {to}"));
                Ok(vec![LeadEvent::StageChanged {
                    from: *to,
                    to: *from,
                    reason,
                }])
            }
            LeadEvent::DomainSet { .. } | LeadEvent::DomainCleared {} => {
                touched(is_domain, "business_domain was changed since")?;
                let event = before.and_then(|lead| lead.business_domain);
                Ok(vec![
                    event.map_or(LeadEvent::DomainCleared {}, |business_domain| {
                        LeadEvent::DomainSet { business_domain }
                    }),
                ])
            }
            LeadEvent::ContactLinked { .. } | LeadEvent::ContactUnlinked {} => {
                touched(is_contact, "contact_id was changed since")?;
                let event = before.and_then(|lead| lead.contact);
                Ok(vec![
                    event.map_or(LeadEvent::ContactUnlinked {}, |contact| {
                        LeadEvent::ContactLinked { contact }
                    }),
                ])
            }
            LeadEvent::Analyzed(_) | LeadEvent::AnalysisWithdrawn {} => {
                touched(is_judgement, "it was analysed or transferred since")?;
                let event = before.and_then(|lead| lead.analysis.clone());
                Ok(vec![event.map_or(
                    LeadEvent::AnalysisWithdrawn {},
                    LeadEvent::Analyzed,
                )])
            }
            LeadEvent::MessagesRecorded { increment, .. } => withdraw(now, *increment),
            LeadEvent::MessagesWithdrawn { decrement, .. } => {
                let total = now.message_count.saturating_add((*decrement).into());
                Ok(vec![LeadEvent::MessagesRecorded {
                    increment: *decrement,
                    total,
                }])
            }
        }
    }

    fn compensate(&self, events: Vec<LeadEvent>) -> LeadCommand {
        LeadCommand::Compensate {
            seen: Box::new(self.clone()),
            events,
        }
    }

    fn is_stale(refusal: &LeadError) -> bool {
        *refusal == LeadError::MovedOn
    }
}

/// Counting is undone whatever else was counted since.
fn withdraw(now: &OpenLead, increment: u32) -> Result<Vec<LeadEvent>, Kept> {
    let total = now.message_count.checked_sub(increment.into());
    let total = total.ok_or_else(|| Kept::because("these messages were withdrawn since"))?;
    Ok(vec![LeadEvent::MessagesWithdrawn {
        decrement: increment,
        total,
    }])
}

const fn is_step(event: &LeadEvent) -> bool {
    matches!(
        event,
        LeadEvent::StageChanged { .. } | LeadEvent::Transferred { .. }
    )
}

const fn is_domain(event: &LeadEvent) -> bool {
    matches!(
        event,
        LeadEvent::DomainSet { .. } | LeadEvent::DomainCleared {}
    )
}

const fn is_contact(event: &LeadEvent) -> bool {
    matches!(
        event,
        LeadEvent::ContactLinked { .. } | LeadEvent::ContactUnlinked {}
    )
}

const fn is_judgement(event: &LeadEvent) -> bool {
    matches!(
        event,
        LeadEvent::Analyzed(_) | LeadEvent::AnalysisWithdrawn {} | LeadEvent::Transferred { .. }
    )
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate as _;

    use super::super::{Lead, LeadError};
    use crate::event::Decide as _;
    use crate::lead::event::LeadEvent;
    use crate::lead::stage::{BusinessDomain, LeadSource, LeadStage};
    use crate::undo::Reverse as _;

    fn after(events: &[LeadEvent]) -> Lead {
        let opened = LeadEvent::Opened {
            source: LeadSource::Manual,
            business_domain: None,
            contact: None,
        };
        let mut lead = Lead::default();
        for event in [opened].iter().chain(events) {
            lead.apply(event.clone());
        }
        lead
    }

    fn step(from: LeadStage, to: LeadStage) -> LeadEvent {
        LeadEvent::StageChanged {
            from,
            to,
            reason: None,
        }
    }

    #[test]
    fn the_last_step_is_taken_back_and_an_earlier_one_is_kept() {
        let (first, second) = (
            step(LeadStage::New, LeadStage::Contacted),
            step(LeadStage::Contacted, LeadStage::Lost),
        );
        let now = after(&[first.clone(), second.clone()]);
        let back = now
            .reverse(&after(std::slice::from_ref(&first)), &second, &[])
            .unwrap();
        let mut undone = now.clone();
        for event in back {
            undone.apply(event);
        }
        assert_eq!(
            undone,
            after(std::slice::from_ref(&first)),
            "as if it had not been"
        );
        assert_eq!(
            now.reverse(&after(&[]), &first, &[second]).unwrap_err().0,
            "the lead moved on since"
        );
    }

    #[test]
    fn a_domain_goes_back_to_the_one_before_or_to_none() {
        let set = |business_domain| LeadEvent::DomainSet { business_domain };
        let (first, second) = (set(BusinessDomain::First), set(BusinessDomain::Second));
        let now = after(&[first.clone(), second.clone()]);
        let before = after(std::slice::from_ref(&first));
        assert_eq!(now.reverse(&before, &second, &[]), Ok(vec![first.clone()]));
        assert_eq!(
            before.reverse(&after(&[]), &first, &[]),
            Ok(vec![LeadEvent::DomainCleared {}])
        );
    }

    #[test]
    fn an_undo_that_comes_too_late_is_refused() {
        let first = step(LeadStage::New, LeadStage::Contacted);
        let seen = after(std::slice::from_ref(&first));
        let back = seen.reverse(&after(&[]), &first, &[]).unwrap();
        let moved = after(&[first, step(LeadStage::Contacted, LeadStage::Qualified)]);
        assert_eq!(moved.decide(seen.compensate(back)), Err(LeadError::MovedOn));
    }
}
