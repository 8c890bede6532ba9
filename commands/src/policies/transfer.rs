//! A transferred lead gets its sale, also where the request that transferred it died.

use cqrs_es::{Aggregate as _, AggregateError};
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::event::LeadEvent;
use domain::policy::{PolicyId, Start};
use journal::JournalError;
use schemas::any::DomainEvent;

use super::{Fact, Policy};
use crate::desk::Desk;
use crate::sales::{POLICY, open_sale};

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
    fn id(&self) -> PolicyId {
        PolicyId::Transfer
    }

    fn starts(&self) -> Start {
        Start::Beginning
    }

    fn concerns(&self, category: &str) -> bool {
        category == Lead::TYPE
    }

    async fn react(&self, fact: &Fact<'_>) -> Result<(), JournalError> {
        let DomainEvent::Lead(LeadEvent::Transferred {
            sale,
            amount,
            begins,
            ..
        }) = &fact.event
        else {
            return Ok(());
        };
        let id = fact.recorded.commit.id.as_str();
        let lead = id.parse().map(LeadId).map_err(JournalError::unavailable)?;
        let origin = fact.origin(POLICY, 0);
        match open_sale(&self.desk, lead, *sale, (*amount, *begins), &origin).await {
            Ok(_) => Ok(()),
            Err(AggregateError::UserError(refusal)) => {
                tracing::error!(%refusal, sale.id = %sale, "a transfer's sale was refused");
                Ok(())
            }
            Err(error) => Err(JournalError::unavailable(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::id::{LeadId, SaleId};
    use domain::lead::aggregate::Lead;
    use domain::lead::command::{Gate, LeadCommand};
    use domain::lead::details::Edit;
    use domain::lead::event::Analysis;
    use domain::lead::scoring::{Recommendation, Score};
    use domain::lead::source::{BusinessDomain, LeadSource};
    use domain::money::{Currency, Money};
    use domain::pipeline::built_in;
    use domain::pipeline::table::Place;
    use domain::policy::PolicyId;
    use domain::sale::aggregate::Sale;
    use jiff::Timestamp;
    use journal::Journal;
    use journal::cursor::name_of;
    use journal::memory::MemoryJournal;
    use journal::token::Token;

    use super::OpenSales;
    use crate::clock::Clock;
    use crate::desk::Desk;
    use crate::numbers::Allocator;
    use crate::origin::Origin;
    use crate::pipelines::Pipelines;
    use crate::policies::cursor::State;
    use crate::policies::run;
    use crate::sales::{Handover, Transfers};

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

    fn handover() -> Handover {
        Handover {
            amount: AMOUNT,
            gate: gate(),
            pipeline: built_in::SALES,
        }
    }

    async fn given_a_lead_ready_for_sales(desk: &Desk, origin: &Origin) {
        let score = Score::from_thousandths(750).unwrap();
        let to = |to| LeadCommand::ChangeStage {
            to,
            seen: None,
            reason: None,
            table: built_in::sales_team(),
        };
        let commands = [
            LeadCommand::Open {
                source: LeadSource::Partner,
                business_domain: Some(BusinessDomain::First),
                contact: None,
                edit: Edit::default(),
                begins: Place::of_a_lead(),
            },
            to(built_in::CONTACTED),
            to(built_in::QUALIFIED),
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
        let (desk, _, origin) = desk();
        given_a_lead_ready_for_sales(&desk, &origin).await;
        let transfer = LeadCommand::Transfer {
            sale: SaleId(9),
            amount: AMOUNT,
            gate: gate(),
            table: built_in::sales_team(),
            begins: Place::of_a_sale(),
        };
        desk.send::<Lead>(LEAD, transfer, &origin).await.unwrap();

        let policy = tokio::spawn(run(
            OpenSales::new(desk.clone()),
            desk.clone(),
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

    /// How far the policy has come.
    async fn met(journal: &Journal) -> u64 {
        let name = name_of(PolicyId::Transfer, 0).unwrap();
        let kept = journal.cursor(&name).await.unwrap();
        kept.map_or(0, |kept| State::from_bytes(&kept.body).unwrap().sequence)
    }

    #[tokio::test]
    async fn request_and_policies_together_open_it_once() {
        let (desk, journal, origin) = desk();
        given_a_lead_ready_for_sales(&desk, &origin).await;
        let policies: Vec<_> = (0..2)
            .map(|_| {
                let policy = OpenSales::new(desk.clone());
                tokio::spawn(run(policy, desk.clone(), Clock::System))
            })
            .collect();
        let transfers = Transfers::new(
            desk.clone(),
            Allocator::new(desk.clone()),
            Pipelines::new(desk.clone()),
        );
        let (sale, _) = transfers.transfer(LEAD, handover(), &origin).await.unwrap();
        let again = transfers.transfer(LEAD, handover(), &origin).await;
        assert!(again.is_err(), "a lead is transferred once");
        let transferred = desk
            .load::<Lead>(&origin.workspace, LEAD)
            .await
            .unwrap()
            .last;
        let reacted = async {
            while met(&journal).await < transferred {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reacted = tokio::time::timeout(Duration::from_secs(30), reacted).await;
        assert!(reacted.is_ok(), "no policy has reacted to the transfer");
        assert_eq!(sale, SaleId(1));
        let opened = desk.load::<Sale>(&origin.workspace, sale).await.unwrap();
        assert_eq!(opened.version, 1);
        policies.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
