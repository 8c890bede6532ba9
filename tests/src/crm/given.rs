//! What stories begin with.

use std::fmt;

use serde_json::json;

use super::Crm;

impl Crm {
    /// Opens a lead from a partner for the first domain; its number.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn given_a_lead(&self) -> u64 {
        let lead = self
            .post(
                "/api/v1/leads",
                json!({ "source": "partner", "business_domain": "first" }),
            )
            .await;
        lead.good()["id"].as_u64().expect("a number")
    }

    /// Opens a lead and moves it along these stages; its number.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn given_a_lead_in(&self, stages: &[&str]) -> u64 {
        let lead = self.given_a_lead().await;
        self.move_along(&format!("leads/{lead}"), stages).await;
        lead
    }

    /// Opens a lead that becomes a sale of this amount; the lead's number.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn given_a_transferred_lead(&self, amount: impl fmt::Display) -> u64 {
        let lead = self.given_a_lead_in(&["contacted", "qualified"]).await;
        self.transfer(lead, amount).await;
        lead
    }

    /// Analyses a qualified lead and hands it to sales.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn transfer(&self, lead: u64, amount: impl fmt::Display) {
        for step in ["analyze", &format!("transfer?amount={amount}")] {
            let path = format!("/api/v1/leads/{lead}/{step}");
            self.post(&path, json!(null)).await.good();
        }
    }

    /// Moves a lead or a sale, as `leads/7`, along these stages.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn move_along(&self, record: &str, stages: &[&str]) {
        let path = format!("/api/v1/{record}/stage");
        for stage in stages {
            self.patch(&path, json!({ "stage": stage })).await.good();
        }
    }
}
