//! A transferred lead gets its sale, also where the request that transferred it died.

use cqrs_es::{Aggregate as _, AggregateError};
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::event::LeadEvent;
use journal::JournalError;
use journal::envelope::Recorded;

use super::Policy;
use crate::desk::Desk;
use crate::sales::open_sale;

/// Opens the sales that transfers fixed.
pub struct OpenSales {
    desk: Desk,
}

impl OpenSales {
    /// Over this desk.
    #[must_use]
    pub const fn new(desk: Desk) -> Self {
        Self { desk }
    }
}

impl Policy for OpenSales {
    fn name(&self) -> &'static str {
        "transfer"
    }

    async fn react(&self, recorded: &Recorded) -> Result<(), JournalError> {
        let commit = &recorded.commit;
        if commit.category.as_str() != Lead::TYPE {
            return Ok(());
        }
        for event in &commit.events {
            let Ok(LeadEvent::Transferred { sale, amount, .. }) = schemas::codec::decode(event)
            else {
                continue;
            };
            let Ok(lead) = commit.id.as_str().parse().map(LeadId) else {
                continue;
            };
            let opened = open_sale(
                &self.desk,
                &commit.workspace,
                lead,
                sale,
                amount,
                commit.correlation,
                commit.commit_id,
            )
            .await;
            match opened {
                Ok(_) => {}
                Err(AggregateError::UserError(refusal)) => {
                    tracing::error!(%refusal, sale.id = %sale, "a transfer's sale was refused");
                }
                Err(error) => return Err(JournalError::unavailable(error.to_string())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{LeadId, SaleId};
    use domain::lead::aggregate::Lead;
    use domain::lead::command::{Gate, LeadCommand};
    use domain::lead::event::Analysis;
    use domain::lead::scoring::{Recommendation, Score};
    use domain::lead::stage::{BusinessDomain, LeadSource, LeadStage};
    use domain::money::{Currency, Money};
    use domain::sale::aggregate::Sale;
    use jiff::Timestamp;
    use journal::Journal;
    use journal::memory::MemoryJournal;
    use journal::token::Token;

    use super::OpenSales;
    use crate::clock::Clock;
    use crate::desk::Desk;
    use crate::numbers::Allocator;
    use crate::origin::Origin;
    use crate::policies::run;
    use crate::sales::Transfers;

    const LEAD: LeadId = LeadId(1);
    const AMOUNT: Money = Money {
        minor: 5_000_000,
        currency: Currency::Uah,
    };

    fn gate() -> Gate {
        Gate {
            min_score: Score::from_thousandths(600).unwrap(),
            fresh_after: Timestamp::UNIX_EPOCH,
        }
    }

    async fn given_a_lead_ready_for_sales(desk: &Desk, origin: &Origin) {
        let score = Score::from_thousandths(750).unwrap();
        let to = |to| LeadCommand::ChangeStage {
            to,
            seen: None,
            reason: None,
        };
        let commands = [
            LeadCommand::Open {
                source: LeadSource::Partner,
                business_domain: Some(BusinessDomain::First),
                contact: None,
            },
            to(LeadStage::Contacted),
            to(LeadStage::Qualified),
            LeadCommand::RecordAnalysis(Analysis {
                score,
                recommendation: Recommendation::TransferToSales,
                reason: "good".into(),
                analyst: "rules".into(),
                at: Clock::System.now(),
            }),
        ];
        for command in commands {
            desk.send::<Lead>(LEAD, command, origin).await.unwrap();
        }
    }

    fn desk() -> (Desk, Journal, Origin) {
        let journal = Journal::from(MemoryJournal::new());
        let origin = Origin::new(Token::try_new("main").unwrap(), "test");
        (Desk::local(journal.clone(), Clock::System), journal, origin)
    }

    #[tokio::test]
    async fn a_sale_is_opened_for_a_transfer_whose_request_died() {
        let (desk, journal, origin) = desk();
        given_a_lead_ready_for_sales(&desk, &origin).await;
        let transfer = LeadCommand::Transfer {
            sale: SaleId(9),
            amount: AMOUNT,
            gate: gate(),
        };
        desk.send::<Lead>(LEAD, transfer, &origin).await.unwrap();

        let policy = tokio::spawn(run(
            OpenSales::new(desk.clone()),
            journal.clone(),
            Clock::System,
        ));
        let opened = loop {
            let sale = desk
                .load::<Sale>(&origin.workspace, SaleId(9))
                .await
                .unwrap();
            if let Some(open) = &sale.state.open {
                break open.clone();
            }
            tokio::task::yield_now().await;
        };
        policy.abort();
        assert_eq!((opened.lead, opened.amount), (LEAD, AMOUNT));
    }

    #[tokio::test]
    async fn request_and_policies_together_open_it_once() {
        let (desk, journal, origin) = desk();
        given_a_lead_ready_for_sales(&desk, &origin).await;
        let policies: Vec<_> = (0..2)
            .map(|_| {
                tokio::spawn(run(
                    OpenSales::new(desk.clone()),
                    journal.clone(),
                    Clock::System,
                ))
            })
            .collect();
        let transfers = Transfers::new(desk.clone(), Allocator::new(desk.clone()));
        let (sale, _) = transfers
            .transfer(LEAD, AMOUNT, gate(), &origin)
            .await
            .unwrap();
        let again = transfers.transfer(LEAD, AMOUNT, gate(), &origin).await;
        assert!(again.is_err(), "a lead is transferred once");
        let last = desk
            .load::<Lead>(&origin.workspace, LEAD)
            .await
            .unwrap()
            .last;
        // Both policies have seen the transfer once their feed is behind it.
        while journal.heads().await.unwrap()[0].sequence < last + 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(sale, SaleId(1));
        assert_eq!(
            desk.load::<Sale>(&origin.workspace, sale)
                .await
                .unwrap()
                .version,
            1
        );
        policies.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
