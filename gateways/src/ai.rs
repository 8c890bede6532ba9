//! Judges how good a lead is.
//!
//! - [`settings`]: which analyst, and its key
//! - [`rules`]: the documented, deterministic scorer, which needs no key
//! - [`model`]: language models: Gemini, and whatever speaks OpenAI's protocol
//!
//! Invariant: an analyst sees the six facts of [`Inputs`] and nothing else, so no personal data
//! leaves with them.

pub mod model;
pub mod rules;
pub mod settings;

use std::sync::Arc;

use domain::lead::scoring::{Inputs, Recommendation, Score};
use futures::future::BoxFuture;

use model::Model;
use rules::Rules;
use settings::AiSettings;

/// Judges leads.
pub trait Analyst: Send + Sync {
    /// Who it is, as a judgement records it: `rules`, `gemini/gemini-3.8-flash`.
    fn name(&self) -> &str;

    /// Judges one lead.
    fn judge(&self, inputs: Inputs) -> BoxFuture<'_, Result<Judgement, AnalystError>>;
}

/// What an analyst thinks of a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How good it is.
    pub score: Score,
    /// What to do; always the one that the score's thresholds say.
    pub recommendation: Recommendation,
    /// Why: one to a thousand characters.
    pub reason: String,
    /// The analyst's name.
    pub analyst: String,
}

/// Why there is no judgement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnalystError {
    /// The language model cannot be used now.
    #[error("AI service unavailable: {detail}; look at {variable}")]
    Unavailable {
        /// The setting to look at: `GEMINI_API_KEY` or `OPENAI_API_KEY`.
        variable: &'static str,
        /// What happened, in words that hold neither the key nor what the provider wrote.
        detail: String,
    },
}

/// The analyst that the settings ask for: the model whose key is set, Gemini before OpenAI;
/// without a key, the rules.
#[must_use]
pub fn from_settings(settings: &AiSettings) -> Arc<dyn Analyst> {
    match Model::from_settings(settings) {
        Some(model) => Arc::new(model),
        None => Arc::new(Rules),
    }
}

#[cfg(test)]
mod tests {
    use super::from_settings;
    use super::settings::AiSettings;

    fn chosen(set: &[(&str, &str)]) -> String {
        let settings = AiSettings::read(|name| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        from_settings(&settings).name().to_owned()
    }

    #[test]
    fn without_a_key_the_rules_judge() {
        assert_eq!(chosen(&[]), "rules");
        assert_eq!(
            chosen(&[("GEMINI_API_KEY", " "), ("OPENAI_API_KEY", "")]),
            "rules"
        );
    }

    #[test]
    fn a_key_chooses_its_model_and_gemini_goes_first() {
        let openai = ("OPENAI_API_KEY", "k");
        assert_eq!(chosen(&[openai]), "openai/gpt-4o-mini");
        assert_eq!(chosen(&[openai, ("OPENAI_MODEL", "local")]), "openai/local");
        assert_eq!(
            chosen(&[
                openai,
                ("GEMINI_API_KEY", "k"),
                ("GEMINI_MODEL", "gemini-x")
            ]),
            "gemini/gemini-x"
        );
    }
}
