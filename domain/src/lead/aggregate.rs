//! What a lead decides, how facts change it, and why it refuses.

use cqrs_es::Aggregate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::command::{Gate, LeadCommand};
use super::details::{Details, Edit};
use super::event::{Analysis, LeadEvent};
use super::scoring::{Inputs, Score};
use super::source::{BusinessDomain, LeadSource};
use crate::event::{About, Decide, ERASED, decided};
use crate::id::{ContactId, Keyed, LeadId, SaleId};
use crate::money::Money;
use crate::pipeline::table::{NoStep, Outcome, Place, Table, WonBy};
use crate::pipeline::{PipelineId, StageKey};
use crate::tags::MAX_TAGS;
use crate::text::BadText;

/// A lead as its events made it; the default one has not been opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    /// What is known since it was opened.
    pub open: Option<OpenLead>,
}

/// A lead that was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenLead {
    /// Where it came from.
    pub source: LeadSource,
    /// What it follows.
    #[serde(default = "PipelineId::of_a_lead")]
    pub pipeline: PipelineId,
    /// Where it stands.
    pub stage: StageKey,
    /// What that meant when it came there; read models of an older version do not know it.
    #[serde(default)]
    pub outcome: Outcome,
    /// The line of business, where it is known.
    pub business_domain: Option<BusinessDomain>,
    /// Whose interest it is, where that is known.
    pub contact: Option<ContactId>,
    /// Messages so far.
    pub message_count: u64,
    /// Messages since the newest judgement, or since it came in.
    pub unjudged_messages: u64,
    /// The newest judgement.
    pub analysis: Option<Analysis>,
    /// What it became.
    pub transfer: Option<(SaleId, Money)>,
    /// Where that sale begins.
    #[serde(default = "Place::of_a_sale")]
    pub sale_begins: Place,
    /// What people write of it.
    #[serde(default)]
    pub details: Details,
    /// Whether somebody whom it is or was about was forgotten.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
}

/// Why a lead refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum LeadError {
    /// There is no such lead.
    #[error("This lead does not exist")]
    NotOpen,
    /// It was opened before.
    #[error("This lead was opened before")]
    AlreadyOpen,
    /// The caller looked at an older stage.
    #[error("The lead was '{seen}' on your screen and is '{now}' by now; reload and decide again")]
    Stale {
        /// What the caller saw.
        seen: StageKey,
        /// What is.
        now: StageKey,
    },
    /// The pipeline does not lead there.
    #[error(transparent)]
    NoStep(#[from] NoStep),
    /// Its pipeline is won by a step.
    #[error("Leads of pipeline '{0}' become no sales; PATCH /api/v1/leads/{{id}}/stage wins them")]
    NoTransfer(PipelineId),
    /// A transfer needs an amount, so it has a command of its own.
    #[error(
        "A lead is transferred with POST /api/v1/leads/{{id}}/transfer?amount=…, which opens its sale"
    )]
    UseTransfer,
    /// An increment outside 1 to 10 000.
    #[error("increment must be between 1 and 10000")]
    BadIncrement,
    /// It was handed over before.
    #[error("This lead was already transferred, as sale {sale}")]
    AlreadyTransferred {
        /// The sale it became.
        sale: SaleId,
    },
    /// A final stage admits no more changes.
    #[error("This lead is '{stage}', which is final; open a new lead instead")]
    Closed {
        /// The final stage.
        stage: StageKey,
    },
    /// Not yet judged, or too long ago.
    #[error("This lead has no fresh analysis; POST /api/v1/leads/{{id}}/analyze first")]
    NotAnalyzed,
    /// Judged too low.
    #[error("The lead's score {score} is below the {needed} that a transfer needs")]
    ScoreTooLow {
        /// The lead's.
        score: Score,
        /// The setting's.
        needed: Score,
    },
    /// Sales need to know what it is about.
    #[error("The lead's business_domain is not set; PATCH /api/v1/leads/{{id}} with one first")]
    NoDomain,
    /// A text is no good.
    #[error("{field} {why}")]
    BadText {
        /// Of which field.
        field: String,
        /// Why.
        why: BadText,
    },
    /// More than [`MAX_TAGS`].
    #[error("a lead has at most {MAX_TAGS} tags; take some off first")]
    TooManyTags,
}

impl LeadError {
    pub(super) fn bad_text(field: &str, why: BadText) -> Self {
        Self::BadText {
            field: field.to_owned(),
            why,
        }
    }
}

impl Decide for Lead {
    const STATE: u32 = 2;

    fn decide(&self, command: LeadCommand) -> Result<Vec<LeadEvent>, LeadError> {
        match (&self.open, command) {
            (
                None,
                LeadCommand::Open {
                    source,
                    business_domain,
                    contact,
                    edit,
                    begins: Place { pipeline, stage },
                },
            ) => {
                let opened = LeadEvent::Opened {
                    source,
                    business_domain,
                    contact,
                    pipeline,
                    stage,
                };
                let known = Details::default().edit(&edit)?;
                Ok(std::iter::once(opened).chain(known).collect())
            }
            (Some(_), LeadCommand::Open { .. }) => Err(LeadError::AlreadyOpen),
            (None, _) => Err(LeadError::NotOpen),
            (
                Some(lead),
                LeadCommand::Describe {
                    business_domain,
                    contact,
                    edit,
                },
            ) => lead.describe(business_domain, contact, &edit),
            (Some(lead), LeadCommand::AddTag { tag }) => lead.details.add_tag(&tag),
            (Some(lead), LeadCommand::RemoveTag { tag }) => lead.details.remove_tag(&tag),
            (Some(lead), LeadCommand::Note { text }) => Ok(vec![lead.details.note(&text)?]),
            (
                Some(lead),
                LeadCommand::ChangeStage {
                    to,
                    seen,
                    reason,
                    table,
                },
            ) => lead.change_stage(to, seen, reason, &table),
            (Some(lead), LeadCommand::RecordMessages { increment }) => lead.record(increment),
            (Some(lead), LeadCommand::RecordAnalysis(analysis)) => lead.judge(analysis),
            (Some(_), LeadCommand::Compensate { events }) => Ok(events),
            (Some(lead), LeadCommand::Forget) => Ok(lead.forget()),
            (
                Some(lead),
                LeadCommand::Transfer {
                    sale,
                    amount,
                    gate,
                    table,
                    begins,
                },
            ) => {
                let to = lead.transfer(gate, &table)?;
                let from = lead.stage;
                Ok(vec![LeadEvent::Transferred {
                    from,
                    to,
                    sale,
                    amount,
                    begins,
                }])
            }
        }
    }
}

impl OpenLead {
    /// The six facts that a judgement may use, at this moment.
    #[must_use]
    pub fn inputs(&self, created: Timestamp, at: Timestamp) -> Inputs {
        let days = at.duration_since(created).as_hours() / 24;
        Inputs {
            source: self.source,
            stage: self.stage,
            message_count: self.message_count,
            has_business_domain: self.business_domain.is_some(),
            business_domain: self.business_domain,
            days_since_created: u32::try_from(days.max(0)).unwrap_or(u32::MAX),
        }
    }

    fn alive(&self) -> Result<(), LeadError> {
        match self.outcome {
            Outcome::Won | Outcome::Lost => Err(LeadError::Closed { stage: self.stage }),
            Outcome::Open => Ok(()),
        }
    }

    #[expect(
        clippy::option_option,
        reason = "left out, not known and known are three things"
    )]
    fn describe(
        &self,
        business_domain: Option<Option<BusinessDomain>>,
        contact: Option<Option<ContactId>>,
        edit: &Edit,
    ) -> Result<Vec<LeadEvent>, LeadError> {
        // What is written of it may be corrected also when it has ended.
        if business_domain.is_some() || contact.is_some() {
            self.alive()?;
        }
        let domain = business_domain
            .filter(|said| *said != self.business_domain)
            .map(|said| match said {
                Some(business_domain) => LeadEvent::DomainSet { business_domain },
                None => LeadEvent::DomainCleared {},
            });
        let contact = contact
            .filter(|said| *said != self.contact)
            .map(|said| match said {
                Some(contact) => LeadEvent::ContactLinked { contact },
                None => LeadEvent::ContactUnlinked {},
            });
        let edited = self.details.edit(edit)?;
        Ok(domain.into_iter().chain(contact).chain(edited).collect())
    }

    fn change_stage(
        &self,
        to: StageKey,
        seen: Option<StageKey>,
        reason: Option<String>,
        table: &Table,
    ) -> Result<Vec<LeadEvent>, LeadError> {
        let from = self.stage;
        if from == to {
            return Ok(vec![]);
        }
        if let Some(seen) = seen.filter(|seen| *seen != from) {
            return Err(LeadError::Stale { seen, now: from });
        }
        let outcome = table.step(self.place(), to)?.outcome;
        if (outcome, table.won_by) == (Outcome::Won, WonBy::Transfer) {
            return Err(LeadError::UseTransfer);
        }
        Ok(vec![LeadEvent::StageChanged {
            from,
            to,
            outcome,
            reason,
        }])
    }

    const fn place(&self) -> Place {
        let (pipeline, stage) = (self.pipeline, self.stage);
        Place { pipeline, stage }
    }

    fn forget(&self) -> Vec<LeadEvent> {
        let known = self.analysis.as_ref();
        let written = known.is_some_and(|analysis| analysis.reason != ERASED);
        if self.forgotten && !written && !self.details.is_written() {
            return Vec::new();
        }
        vec![LeadEvent::Forgotten {}]
    }

    fn record(&self, increment: u32) -> Result<Vec<LeadEvent>, LeadError> {
        match increment {
            1..=10_000 => Ok(vec![LeadEvent::MessagesRecorded {
                increment,
                total: self.message_count.saturating_add(increment.into()),
            }]),
            _ => Err(LeadError::BadIncrement),
        }
    }

    fn judge(&self, analysis: Analysis) -> Result<Vec<LeadEvent>, LeadError> {
        self.alive()?;
        Ok(vec![LeadEvent::Analyzed(analysis)])
    }

    /// The stage that a transfer leads to.
    fn transfer(&self, gate: Gate, table: &Table) -> Result<StageKey, LeadError> {
        if let Some((sale, _)) = self.transfer {
            return Err(LeadError::AlreadyTransferred { sale });
        }
        if (table.key, table.won_by) == (self.pipeline, WonBy::Step) {
            return Err(LeadError::NoTransfer(self.pipeline));
        }
        let to = table.transfer(self.place())?.key;
        let fresh = self
            .analysis
            .as_ref()
            .filter(|analysis| analysis.at > gate.fresh_after);
        let score = fresh.ok_or(LeadError::NotAnalyzed)?.score;
        if score < gate.min_score {
            return Err(LeadError::ScoreTooLow {
                score,
                needed: gate.min_score,
            });
        }
        self.business_domain.ok_or(LeadError::NoDomain)?;
        Ok(to)
    }
}

impl Aggregate for Lead {
    const TYPE: &'static str = "lead";
    type Command = LeadCommand;
    type Event = LeadEvent;
    type Error = LeadError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: LeadEvent) {
        if let LeadEvent::Opened {
            source,
            business_domain,
            contact,
            pipeline,
            stage,
        } = event
        {
            self.open = Some(OpenLead {
                source,
                pipeline,
                stage,
                outcome: Outcome::Open,
                business_domain,
                contact,
                message_count: 0,
                unjudged_messages: 0,
                analysis: None,
                transfer: None,
                sale_begins: Place::of_a_sale(),
                details: Details::default(),
                forgotten: false,
            });
        } else if let Some(lead) = &mut self.open {
            lead.apply(event);
        }
    }
}

impl OpenLead {
    fn apply(&mut self, event: LeadEvent) {
        match event {
            // The text of a note is in the history alone.
            LeadEvent::Opened { .. } | LeadEvent::NoteWithdrawn { .. } => {}
            LeadEvent::DomainSet { business_domain } => {
                self.business_domain = Some(business_domain);
            }
            LeadEvent::ContactLinked { contact } => self.contact = Some(contact),
            LeadEvent::StageChanged { to, outcome, .. } => {
                (self.stage, self.outcome) = (to, outcome);
            }
            LeadEvent::MessagesRecorded { increment, total } => {
                self.message_count = total;
                self.unjudged_messages = self.unjudged_messages.saturating_add(increment.into());
            }
            LeadEvent::Analyzed(analysis) => {
                self.unjudged_messages = 0;
                self.analysis = Some(analysis);
            }
            LeadEvent::DomainCleared {} => self.business_domain = None,
            LeadEvent::ContactUnlinked {} => self.contact = None,
            LeadEvent::MessagesWithdrawn { decrement, total } => {
                self.message_count = total;
                self.unjudged_messages = self.unjudged_messages.saturating_sub(decrement.into());
            }
            LeadEvent::AnalysisWithdrawn {} => self.analysis = None,
            LeadEvent::Forgotten {} => {
                self.forgotten = true;
                self.details.forget();
                if let Some(analysis) = &mut self.analysis {
                    ERASED.clone_into(&mut analysis.reason);
                }
            }
            LeadEvent::FieldChanged { field, to, .. } => self.details.set_field(field, to),
            LeadEvent::ExpectedAmountChanged { to, .. } => self.details.expected = to,
            LeadEvent::TagAdded { tag } => {
                self.details.tags.insert(tag);
            }
            LeadEvent::TagRemoved { tag } => {
                self.details.tags.remove(&tag);
            }
            LeadEvent::Noted { number, .. } => {
                (self.details.notes, self.details.noted) = (self.details.notes.max(number), true);
            }
            LeadEvent::Transferred {
                to,
                sale,
                amount,
                begins,
                ..
            } => {
                (self.stage, self.outcome) = (to, Outcome::Won);
                (self.transfer, self.sale_begins) = (Some((sale, amount)), begins);
            }
        }
    }
}

impl Keyed for Lead {
    type Id = LeadId;

    fn about(&self) -> About {
        let contact = self.open.as_ref().and_then(|lead| lead.contact);
        contact.map_or(About::Itself, About::Contact)
    }
}

mod undo;

#[cfg(test)]
mod tests;
