//! The documented score of a lead: each point has a reason that a person can check.
//!
//! | what | points |
//! | --- | --- |
//! | source: partner, manual, scanner | 0.25, 0.15, 0.05 |
//! | stage: qualified, contacted | 0.20, 0.10 |
//! | each message, up to ten | 0.03 |
//! | business domain is known | 0.20 |
//! | created at most 7 days ago, at most 30 | 0.10, 0.05 |
//!
//! The best possible is 0.25 + 0.20 + 0.30 + 0.20 + 0.10, held at 1.0.

mod rules;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source::{BusinessDomain, LeadSource};
use crate::pipeline::StageKey;
use crate::words::words;
pub use rules::Rules;

/// How good a lead is, in thousandths from 0 to 1000: 750 is what the API shows as 0.75.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "u16")]
pub struct Score(u16);

impl Score {
    /// The best there is.
    pub const MAX: Self = Self(1000);

    /// From thousandths; `None` above 1000.
    #[must_use]
    pub const fn from_thousandths(thousandths: u16) -> Option<Self> {
        if thousandths <= 1000 {
            Some(Self(thousandths))
        } else {
            None
        }
    }

    /// From a fraction between 0 and 1, rounded to thousandths; `None` outside of it.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked"
    )]
    pub fn from_fraction(fraction: f64) -> Option<Self> {
        (0.0..=1.0)
            .contains(&fraction)
            .then(|| Self((fraction * 1000.0).round() as u16))
    }

    /// As the API shows it: 0.0 to 1.0.
    #[must_use]
    pub fn as_fraction(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// Thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// What to do with a lead of this score, by the thresholds 0.3 and 0.6.
    #[must_use]
    pub const fn recommendation(self) -> Recommendation {
        match self.0 {
            ..300 => Recommendation::Lost,
            300..600 => Recommendation::ContinueNurturing,
            600.. => Recommendation::TransferToSales,
        }
    }
}

impl TryFrom<u16> for Score {
    type Error = &'static str;

    fn try_from(thousandths: u16) -> Result<Self, Self::Error> {
        Self::from_thousandths(thousandths).ok_or("a score is at most 1000 thousandths")
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_fraction().fmt(f)
    }
}

words! {
    /// What to do with a lead.
    pub enum Recommendation {
        /// Let it go: below 0.3.
        Lost = "lost",
        /// Keep talking: from 0.3.
        ContinueNurturing = "continue_nurturing",
        /// Ready to buy: from 0.6.
        TransferToSales = "transfer_to_sales",
    }
}

/// The six facts a judgement may use, and nothing else: no name, no message text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Where it came from.
    pub source: LeadSource,
    /// Where it stands.
    pub stage: StageKey,
    /// Messages so far.
    pub message_count: u64,
    /// Whether the line of business is known.
    pub has_business_domain: bool,
    /// The line of business.
    pub business_domain: Option<BusinessDomain>,
    /// Whole days since it was created.
    pub days_since_created: u32,
}

/// The score by the documented rules, and each point's reason.
#[must_use]
pub fn score(inputs: &Inputs) -> (Score, String) {
    Rules::default().score(inputs)
}

#[cfg(test)]
mod tests {
    use super::{Inputs, Recommendation, Rules, Score, score};
    use crate::lead::source::{BusinessDomain, LeadSource};
    use crate::pipeline::built_in;

    fn inputs() -> Inputs {
        Inputs {
            source: LeadSource::Partner,
            stage: built_in::QUALIFIED,
            message_count: 0,
            has_business_domain: true,
            business_domain: Some(BusinessDomain::First),
            days_since_created: 0,
        }
    }

    #[test]
    fn every_point_is_explained() {
        let (score, reason) = score(&inputs());
        assert_eq!(score, Score(750));
        assert_eq!(
            reason,
            "source partner +0.25, stage qualified +0.20, 0 messages +0.00, \
             business domain is known +0.20, created 0 days ago +0.10"
        );
    }

    #[test]
    fn a_fresh_busy_partner_lead_is_held_at_one() {
        let busy = Inputs {
            message_count: 5_000_000,
            ..inputs()
        };
        assert_eq!(score(&busy).0, Score::MAX);
    }

    #[test]
    fn thresholds_are_those_of_the_contract() {
        let of = |thousandths| Score(thousandths).recommendation();
        assert_eq!(of(0), Recommendation::Lost);
        assert_eq!(of(299), Recommendation::Lost);
        assert_eq!(of(300), Recommendation::ContinueNurturing);
        assert_eq!(of(599), Recommendation::ContinueNurturing);
        assert_eq!(of(600), Recommendation::TransferToSales);
        assert_eq!(of(1000), Recommendation::TransferToSales);
    }

    #[test]
    fn rules_of_a_file_name_only_what_differs() {
        let rules: Rules =
            serde_json::from_str(r#"{"source": {"partner": 0.4}, "messages_at_most": 0}"#).unwrap();
        assert_eq!(rules.score(&inputs()).0, Score(900));
        let today = serde_json::to_string(&Rules::default()).unwrap();
        assert_eq!(
            serde_json::from_str::<Rules>(&today).unwrap(),
            Rules::default()
        );
        for wrong in [
            r#"{"sauce": {}}"#,
            r#"{"message": 1.5}"#,
            r#"{"message": -0.1}"#,
        ] {
            assert!(serde_json::from_str::<Rules>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fraction_outside_zero_and_one_is_no_score() {
        assert_eq!(Score::from_fraction(0.75), Some(Score(750)));
        for fraction in [-0.1, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(Score::from_fraction(fraction), None, "{fraction}");
        }
    }
}
