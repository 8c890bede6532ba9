//! Which rules of a workspace act by themselves, and when.

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Decide, decided, stored};
use crate::id::Keyed;
use crate::words::words;

words! {
    /// Rules that can act by themselves.
    pub enum Rule {
        /// Analyse a lead once it has this many messages since the last analysis.
        AnalyzeAfterMessages = "analyze_after_messages",
        /// Transfer a lead once an analysis lets it pass every gate.
        TransferWhenReady = "transfer_when_ready",
    }
}

/// How a rule is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Whether it acts.
    pub enabled: bool,
    /// Its number: messages to wait for, or the sale's amount in whole units.
    pub value: u64,
}

impl Rule {
    /// How the rule is set until somebody changes it: off.
    #[must_use]
    pub const fn initial(self) -> Setting {
        match self {
            Self::AnalyzeAfterMessages => Setting {
                enabled: false,
                value: 5,
            },
            Self::TransferWhenReady => Setting {
                enabled: false,
                value: 10_000,
            },
        }
    }

    /// What it does and what its value means, for people.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::AnalyzeAfterMessages => {
                "Analyses a lead once it has `value` new messages since its last analysis"
            }
            Self::TransferWhenReady => {
                "Transfers a lead for `value` whole units once an analysis lets it pass every gate"
            }
        }
    }

    const fn most(self) -> u64 {
        match self {
            Self::AnalyzeAfterMessages => 10_000,
            Self::TransferWhenReady => crate::money::Money::MAX_WHOLE,
        }
    }
}

words! {
    /// A workspace has one automation.
    pub enum AutomationId {
        /// The one.
        Rules = "rules",
    }
}

/// The settings of all rules, as events made them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// What differs from [`Rule::initial`].
    pub set: BTreeMap<Rule, Setting>,
}

impl Automation {
    /// How a rule is set now.
    #[must_use]
    pub fn setting(&self, rule: Rule) -> Setting {
        self.set.get(&rule).copied().unwrap_or(rule.initial())
    }
}

/// Switch a rule, or change its value; what is `None` stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRule {
    /// Which.
    pub rule: Rule,
    /// Whether it acts.
    pub enabled: Option<bool>,
    /// Its number.
    pub value: Option<u64>,
}

/// What happened to the automation of a workspace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum AutomationEvent {
    /// A rule was switched or changed.
    #[serde(rename = "automation.rule_set")]
    RuleSet {
        /// Which.
        rule: Rule,
        /// How it is set from now on.
        setting: Setting,
    },
}

stored!(AutomationEvent { RuleSet = "automation.rule_set" v 1 });

/// Why a rule cannot be set so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AutomationError {
    /// The number makes no sense for this rule.
    #[error("value must be between 1 and {most}")]
    BadValue {
        /// The largest that does.
        most: u64,
    },
}

impl Decide for Automation {
    const STATE: u32 = 1;

    fn decide(&self, command: SetRule) -> Result<Vec<AutomationEvent>, AutomationError> {
        let SetRule {
            rule,
            enabled,
            value,
        } = command;
        let now = self.setting(rule);
        let setting = Setting {
            enabled: enabled.unwrap_or(now.enabled),
            value: value.unwrap_or(now.value),
        };
        match setting {
            Setting { value, .. } if !(1..=rule.most()).contains(&value) => {
                Err(AutomationError::BadValue { most: rule.most() })
            }
            _ if setting == now => Ok(vec![]),
            _ => Ok(vec![AutomationEvent::RuleSet { rule, setting }]),
        }
    }
}

impl Aggregate for Automation {
    const TYPE: &'static str = "automation";
    type Command = SetRule;
    type Event = AutomationEvent;
    type Error = AutomationError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: AutomationEvent) {
        let AutomationEvent::RuleSet { rule, setting } = event;
        self.set.insert(rule, setting);
    }
}

impl Keyed for Automation {
    type Id = AutomationId;
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::{Automation, AutomationError, AutomationEvent, Rule, SetRule, Setting};

    const RULE: Rule = Rule::AnalyzeAfterMessages;

    fn automation() -> TestFramework<Automation> {
        TestFramework::with(())
    }

    fn set(enabled: Option<bool>, value: Option<u64>) -> SetRule {
        SetRule {
            rule: RULE,
            enabled,
            value,
        }
    }

    fn was_set(enabled: bool, value: u64) -> AutomationEvent {
        AutomationEvent::RuleSet {
            rule: RULE,
            setting: Setting { enabled, value },
        }
    }

    #[test]
    fn a_rule_is_off_until_somebody_switches_it_on() {
        automation()
            .given_no_previous_events()
            .when(set(Some(true), None))
            .then_expect_events(vec![was_set(true, 5)]);
        automation()
            .given(vec![was_set(true, 5)])
            .when(set(None, Some(9)))
            .then_expect_events(vec![was_set(true, 9)]);
    }

    #[test]
    fn setting_it_as_it_is_changes_nothing() {
        automation()
            .given_no_previous_events()
            .when(set(Some(false), Some(5)))
            .then_expect_events(vec![]);
    }

    #[test]
    fn a_senseless_value_is_refused() {
        for value in [0, 10_001] {
            automation()
                .given_no_previous_events()
                .when(set(None, Some(value)))
                .then_expect_error(AutomationError::BadValue { most: 10_000 });
        }
    }
}
