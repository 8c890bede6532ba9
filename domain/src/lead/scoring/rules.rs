//! The points that make a score; the default ones are the documented table.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Inputs, Score};
use crate::lead::source::LeadSource;
use crate::pipeline::{StageKey, built_in};

/// The points that make a score. In a file they are fractions, and what is left out is as in the
/// documented table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// By where a lead came from.
    pub source: Sources,
    /// By where it stands.
    pub stage: Stages,
    /// For each message.
    pub message: Points,
    /// Messages beyond this many count nothing.
    pub messages_at_most: u16,
    /// For a known line of business.
    pub business_domain: Points,
    /// For a lead of at most `young_days`.
    pub young: Points,
    /// Days.
    pub young_days: u32,
    /// For a lead of at most `recent_days` that is not young.
    pub recent: Points,
    /// Days.
    pub recent_days: u32,
}

/// Points by where a lead came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    /// Sent by a partner.
    pub partner: Points,
    /// Entered by hand.
    pub manual: Points,
    /// Found by a scanner.
    pub scanner: Points,
}

/// Points by where a lead stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stages {
    /// We are talking.
    pub contacted: Points,
    /// Worth selling to, or handed to sales.
    pub qualified: Points,
}

/// Thousandths of a score; a fraction in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Points(u16);

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / 1000.0)
    }
}

impl<'de> Deserialize<'de> for Points {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let points = Score::from_fraction(f64::deserialize(deserializer)?);
        let points = points.ok_or_else(|| serde::de::Error::custom("points are from 0 to 1"))?;
        Ok(Self(points.thousandths()))
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            partner: Points(250),
            manual: Points(150),
            scanner: Points(50),
        }
    }
}

impl Default for Stages {
    fn default() -> Self {
        Self {
            contacted: Points(100),
            qualified: Points(200),
        }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            source: Sources::default(),
            stage: Stages::default(),
            message: Points(30),
            messages_at_most: 10,
            business_domain: Points(200),
            young: Points(100),
            young_days: 7,
            recent: Points(50),
            recent_days: 30,
        }
    }
}

impl Rules {
    /// The score by these rules, and each point's reason.
    #[must_use]
    pub fn score(&self, inputs: &Inputs) -> (Score, String) {
        let counted = inputs.message_count.min(self.messages_at_most.into());
        let messages = u64::from(self.message.0).saturating_mul(counted);
        let known = if inputs.has_business_domain {
            (self.business_domain, "known")
        } else {
            (Points(0), "unknown")
        };
        let points = [
            (
                self.of_source(inputs.source),
                format!("source {}", inputs.source),
            ),
            (
                self.of_stage(inputs.stage),
                format!("stage {}", inputs.stage),
            ),
            (
                Points(u16::try_from(messages).unwrap_or(u16::MAX)),
                format!("{} messages", inputs.message_count),
            ),
            (known.0, format!("business domain is {}", known.1)),
            (
                self.of_age(inputs.days_since_created),
                format!("created {} days ago", inputs.days_since_created),
            ),
        ];
        let total: u32 = points
            .iter()
            .map(|(Points(points), _)| u32::from(*points))
            .sum();
        let reasons = points
            .iter()
            .map(|(points, why)| format!("{why} +{}", points.in_hundredths()));
        let reasons = reasons.collect::<Vec<_>>().join(", ");
        (
            Score(u16::try_from(total.min(1000)).unwrap_or(1000)),
            reasons,
        )
    }

    const fn of_source(&self, source: LeadSource) -> Points {
        match source {
            LeadSource::Partner => self.source.partner,
            LeadSource::Manual => self.source.manual,
            LeadSource::Scanner => self.source.scanner,
        }
    }

    /// Only the stages of `sales-team` that the documented table names have points.
    fn of_stage(&self, stage: StageKey) -> Points {
        match stage {
            built_in::QUALIFIED | built_in::TRANSFERRED => self.stage.qualified,
            built_in::CONTACTED => self.stage.contacted,
            _ => Points(0),
        }
    }

    const fn of_age(&self, days: u32) -> Points {
        if days <= self.young_days {
            self.young
        } else if days <= self.recent_days {
            self.recent
        } else {
            Points(0)
        }
    }
}

impl Points {
    fn in_hundredths(self) -> String {
        format!("{}.{:02}", self.0 / 1000, self.0 % 1000 / 10)
    }
}
