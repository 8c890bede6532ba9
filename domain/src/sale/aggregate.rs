//! What a sale decides, how facts change it, and why it refuses.

use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};

use super::command::SaleCommand;
use super::event::SaleEvent;
use crate::event::{About, Decide, decided};
use crate::id::{Keyed, LeadId, SaleId};
use crate::money::Money;
use crate::pipeline::table::{NoStep, Outcome, Place, Table};
use crate::pipeline::{PipelineId, StageKey};
use crate::undo::{Kept, Reverse};

/// A sale as its events made it; the default one has not been opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sale {
    /// What is known since it was opened.
    pub open: Option<OpenSale>,
}

/// A sale that was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenSale {
    /// The lead it was.
    pub lead: LeadId,
    /// What it is worth.
    pub amount: Money,
    /// What it follows.
    #[serde(default = "PipelineId::of_a_sale")]
    pub pipeline: PipelineId,
    /// Where it stands.
    pub stage: StageKey,
    /// What that meant when it came there; read models of an older version do not know it.
    #[serde(default)]
    pub outcome: Outcome,
}

/// Why a sale refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum SaleError {
    /// There is no such sale.
    #[error("This sale does not exist")]
    NotOpen,
    /// It was opened before, for another lead.
    #[error("This sale was opened before, for lead {lead}")]
    AlreadyOpen {
        /// The lead it is for.
        lead: LeadId,
    },
    /// The caller looked at an older stage.
    #[error("The sale was '{seen}' on your screen and is '{now}' by now; reload and decide again")]
    Stale {
        /// What the caller saw.
        seen: StageKey,
        /// What is.
        now: StageKey,
    },
    /// A final stage admits no more changes.
    #[error("This sale is '{stage}', which is final; its amount stays as it is")]
    Closed {
        /// The final stage.
        stage: StageKey,
    },
    /// The pipeline does not lead there.
    #[error(transparent)]
    NoStep(#[from] NoStep),
}

impl Decide for Sale {
    const STATE: u32 = 2;

    fn decide(&self, command: SaleCommand) -> Result<Vec<SaleEvent>, SaleError> {
        match (&self.open, command) {
            (
                None,
                SaleCommand::Open {
                    lead,
                    amount,
                    begins: Place { pipeline, stage },
                },
            ) => Ok(vec![SaleEvent::Opened {
                lead,
                amount,
                pipeline,
                stage,
            }]),
            // The policy that opens sales may ask again after a crash, also when the amount was
            // corrected since: a lead is transferred once.
            (Some(sale), SaleCommand::Open { lead, .. }) if sale.lead == lead => Ok(vec![]),
            (Some(sale), SaleCommand::Open { .. }) => {
                Err(SaleError::AlreadyOpen { lead: sale.lead })
            }
            (
                None,
                SaleCommand::ChangeStage { .. }
                | SaleCommand::ChangeAmount { .. }
                | SaleCommand::Compensate { .. },
            ) => Err(SaleError::NotOpen),
            (Some(_), SaleCommand::Compensate { events }) => Ok(events),
            (
                Some(sale),
                SaleCommand::ChangeStage {
                    to,
                    seen,
                    reason,
                    table,
                },
            ) => sale.change_stage(to, seen, reason, &table),
            (Some(sale), SaleCommand::ChangeAmount { amount }) => sale.change_amount(amount),
        }
    }
}

impl OpenSale {
    /// What was paid or given up stays what it was worth then.
    fn change_amount(&self, to: Money) -> Result<Vec<SaleEvent>, SaleError> {
        let from = self.amount;
        match self.outcome {
            _ if from == to => Ok(vec![]),
            Outcome::Won | Outcome::Lost => Err(SaleError::Closed { stage: self.stage }),
            Outcome::Open => Ok(vec![SaleEvent::AmountChanged { from, to }]),
        }
    }

    fn change_stage(
        &self,
        to: StageKey,
        seen: Option<StageKey>,
        reason: Option<String>,
        table: &Table,
    ) -> Result<Vec<SaleEvent>, SaleError> {
        let from = self.stage;
        match seen {
            _ if from == to => Ok(vec![]),
            Some(seen) if seen != from => Err(SaleError::Stale { seen, now: from }),
            _ => {
                let (pipeline, stage) = (self.pipeline, from);
                let outcome = table.step(Place { pipeline, stage }, to)?.outcome;
                Ok(vec![SaleEvent::StageChanged {
                    from,
                    to,
                    outcome,
                    reason,
                }])
            }
        }
    }
}

impl Aggregate for Sale {
    const TYPE: &'static str = "sale";
    type Command = SaleCommand;
    type Event = SaleEvent;
    type Error = SaleError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: SaleEvent) {
        match event {
            SaleEvent::Opened {
                lead,
                amount,
                pipeline,
                stage,
            } => {
                self.open = Some(OpenSale {
                    lead,
                    amount,
                    pipeline,
                    stage,
                    outcome: Outcome::Open,
                });
            }
            SaleEvent::AmountChanged { to, .. } => {
                if let Some(sale) = &mut self.open {
                    sale.amount = to;
                }
            }
            SaleEvent::StageChanged { to, outcome, .. } => {
                if let Some(sale) = &mut self.open {
                    (sale.stage, sale.outcome) = (to, outcome);
                }
            }
        }
    }
}

/// What of a sale an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// That it was opened.
    Existence,
    /// Where it stands.
    Stage,
    /// What it is worth.
    Amount,
}

impl Reverse for Sale {
    type Thing = Thing;

    fn thing(event: &SaleEvent) -> Thing {
        match event {
            SaleEvent::Opened { .. } => Thing::Existence,
            SaleEvent::StageChanged { .. } => Thing::Stage,
            SaleEvent::AmountChanged { .. } => Thing::Amount,
        }
    }

    fn touched(undone: &SaleEvent, later: &SaleEvent) -> Option<String> {
        let thing = Self::thing(undone);
        let told = match thing {
            Thing::Existence | Thing::Stage => "the sale moved on since",
            Thing::Amount => "amount was changed since",
        };
        (thing == Self::thing(later)).then(|| told.to_owned())
    }

    fn reverse(&self, before: &Self, undone: &SaleEvent) -> Result<SaleEvent, Kept> {
        match undone {
            SaleEvent::Opened { .. } => Err(Kept::because(
                "a sale that was opened stays; mark it lost instead",
            )),
            SaleEvent::StageChanged { from, to, .. } => Ok(SaleEvent::StageChanged {
                from: *to,
                to: *from,
                outcome: before
                    .open
                    .as_ref()
                    .map(|sale| sale.outcome)
                    .unwrap_or_default(),
                reason: Some(format!("undo of {from} to {to}")),
            }),
            SaleEvent::AmountChanged { from, to } => Ok(SaleEvent::AmountChanged {
                from: *to,
                to: *from,
            }),
        }
    }

    fn compensate(&self, events: Vec<SaleEvent>) -> SaleCommand {
        SaleCommand::Compensate { events }
    }
}

impl Keyed for Sale {
    type Id = SaleId;

    fn about(&self) -> About {
        let sale = self.open.as_ref();
        sale.map_or(About::Itself, |sale| About::Lead(sale.lead))
    }
}

#[cfg(test)]
mod tests {
    use cqrs_es::Aggregate;
    use cqrs_es::test::TestFramework;
    use proptest::prelude::*;

    use super::{Decide, Sale, SaleCommand, SaleError, SaleEvent};
    use crate::id::LeadId;
    use crate::money::{Currency, Money};
    use crate::pipeline::StageKey;
    use crate::pipeline::built_in::{
        self, AGREEMENT as Agreement, KYC as Kyc, LOST as Lost, NEW as New, PAID as Paid,
    };
    use crate::pipeline::table::{NoStep, Place};

    const AMOUNT: Money = Money {
        minor: 100,
        currency: Currency::Uah,
    };

    fn sale() -> TestFramework<Sale> {
        TestFramework::with(())
    }

    fn open(lead: u64) -> SaleCommand {
        SaleCommand::Open {
            lead: LeadId(lead),
            amount: AMOUNT,
            begins: Place::of_a_sale(),
        }
    }

    fn opened() -> SaleEvent {
        SaleEvent::Opened {
            lead: LeadId(1),
            amount: AMOUNT,
            pipeline: built_in::SALES,
            stage: New,
        }
    }

    fn moved(from: StageKey, to: StageKey) -> SaleEvent {
        SaleEvent::StageChanged {
            from,
            to,
            outcome: built_in::sales().outcome(to),
            reason: None,
        }
    }

    fn leads_on(from: StageKey, to: StageKey) -> bool {
        let table = built_in::sales();
        table.step(table.place(from), to).is_ok()
    }

    fn move_to(to: StageKey) -> SaleCommand {
        SaleCommand::ChangeStage {
            to,
            seen: None,
            reason: None,
            table: built_in::sales(),
        }
    }

    #[test]
    fn a_transfer_opens_a_sale_exactly_once() {
        sale()
            .given_no_previous_events()
            .when(open(1))
            .then_expect_events(vec![opened()]);
        sale()
            .given(vec![opened()])
            .when(open(1))
            .then_expect_events(vec![]);
        sale()
            .given(vec![opened()])
            .when(open(2))
            .then_expect_error(SaleError::AlreadyOpen { lead: LeadId(1) });
    }

    #[test]
    fn it_is_paid_step_by_step() {
        sale()
            .given(vec![opened(), moved(New, Kyc), moved(Kyc, Agreement)])
            .when(move_to(Paid))
            .then_expect_events(vec![moved(Agreement, Paid)]);
        sale()
            .given(vec![opened()])
            .when(move_to(Paid))
            .then_expect_error(SaleError::NoStep(NoStep::Forbidden {
                from: New,
                to: Paid,
            }));
    }

    #[test]
    fn a_paid_sale_is_final() {
        sale()
            .given(vec![
                opened(),
                moved(New, Kyc),
                moved(Kyc, Agreement),
                moved(Agreement, Paid),
            ])
            .when(move_to(Lost))
            .then_expect_error(SaleError::NoStep(NoStep::Forbidden {
                from: Paid,
                to: Lost,
            }));
    }

    #[test]
    fn a_stale_screen_is_refused_and_asking_twice_is_not() {
        sale()
            .given(vec![opened(), moved(New, Kyc)])
            .when(SaleCommand::ChangeStage {
                to: Lost,
                seen: Some(New),
                reason: None,
                table: built_in::sales(),
            })
            .then_expect_error(SaleError::Stale {
                seen: New,
                now: Kyc,
            });
        sale()
            .given(vec![opened(), moved(New, Kyc)])
            .when(move_to(Kyc))
            .then_expect_events(vec![]);
    }

    #[test]
    fn what_was_never_opened_cannot_move() {
        sale()
            .given_no_previous_events()
            .when(move_to(Kyc))
            .then_expect_error(SaleError::NotOpen);
    }

    proptest! {
        /// Whatever is asked in whatever order, the sale only takes steps that the table has.
        #[test]
        fn no_sequence_of_commands_leaves_the_table(
            stages in prop::collection::vec(prop::sample::select(vec![New, Kyc, Agreement, Paid, Lost, built_in::QUALIFIED]), 0..40)
        ) {
            let mut sale = Sale::default();
            sale.apply(opened());
            for to in stages {
                let stage = |sale: &Sale| sale.open.as_ref().unwrap().stage;
                let from = stage(&sale);
                for event in sale.decide(move_to(to)).unwrap_or_default() {
                    sale.apply(event);
                }
                prop_assert!(from == stage(&sale) || leads_on(from, stage(&sale)));
            }
        }
    }
}
