//! Which analyst judges, and what a language model needs.

use std::fmt;
use std::time::Duration;

/// A key that no log and no `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key.
    #[must_use]
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key itself, to be sent to its provider and nowhere else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a language model is and how it is called.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// The key; without one the model is not used.
    pub key: Option<Secret>,
    /// The model's name, sent as it is.
    pub model: String,
    /// Where the API begins: `https://api.openai.com/v1/`.
    pub base_url: String,
}

/// Settings of lead analysis.
#[derive(Debug, Clone)]
pub struct AiSettings {
    /// Gemini: `GEMINI_API_KEY`, `GEMINI_MODEL`, `GEMINI_BASE_URL`.
    pub gemini: ModelSettings,
    /// Anything with OpenAI's protocol: `OPENAI_API_KEY`, `OPENAI_MODEL`, `OPENAI_BASE_URL`.
    pub openai: ModelSettings,
    /// How long one call may take.
    pub try_timeout: Duration,
    /// How long a judgement may take with all its calls and pauses.
    pub patience: Duration,
}

impl AiSettings {
    /// Reads the settings by name, as from the environment; what is blank counts as not set.
    #[must_use]
    pub fn read(setting: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| {
            let value = setting(name)?.trim().to_owned();
            (!value.is_empty()).then_some(value)
        };
        let model = |prefix: &str, model: &str, base_url: &str| ModelSettings {
            key: set(&format!("{prefix}_API_KEY")).map(Secret),
            model: set(&format!("{prefix}_MODEL")).unwrap_or_else(|| model.to_owned()),
            base_url: set(&format!("{prefix}_BASE_URL")).unwrap_or_else(|| base_url.to_owned()),
        };
        Self {
            gemini: model(
                "GEMINI",
                "gemini-3.8-flash",
                "https://generativelanguage.googleapis.com/v1beta/",
            ),
            openai: model("OPENAI", "gpt-4o-mini", "https://api.openai.com/v1/"),
            try_timeout: Duration::from_secs(10),
            patience: Duration::from_secs(25),
        }
    }
}

impl Default for AiSettings {
    /// No key: the rules judge.
    fn default() -> Self {
        Self::read(|_| None)
    }
}

#[cfg(test)]
mod tests {
    use super::AiSettings;

    #[test]
    fn a_key_is_never_shown() {
        let settings = AiSettings::read(|name| Some(format!("secret of {name}")));
        let shown = format!("{settings:?}");
        assert!(shown.contains("***"), "{shown}");
        assert!(!shown.contains("secret of GEMINI_API_KEY"), "{shown}");
        assert!(!shown.contains("secret of OPENAI_API_KEY"), "{shown}");
    }
}
