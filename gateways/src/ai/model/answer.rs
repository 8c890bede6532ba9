//! What a model must answer, and the refusal of anything else.

use domain::lead::scoring::{Recommendation, Score};
use domain::text;
use serde::Deserialize;
use serde_json::{Value, json};

/// The longest reason, in characters.
const REASON_MAX: usize = 1000;

/// An answer that holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) score: Score,
    pub(super) recommendation: Recommendation,
    pub(super) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    score: f64,
    recommendation: Recommendation,
    reason: String,
}

/// The shape of an answer, as the provider is told. Ranges and lengths are left to us: not every
/// provider's schema knows them.
pub(super) fn schema() -> Value {
    let recommendations: Vec<_> = Recommendation::ALL
        .iter()
        .map(|word| word.as_str())
        .collect();
    json!({
        "type": "object",
        "properties": {
            "score": { "type": "number", "description": "From 0 to 1." },
            "recommendation": { "type": "string", "enum": recommendations },
            "reason": { "type": "string", "description": "At most 500 characters." },
        },
        "required": ["score", "recommendation", "reason"],
        "additionalProperties": false,
    })
}

/// Reads an answer; the error is a sentence that the model can be told.
pub(super) fn read(text: &str) -> Result<Answer, String> {
    let raw: Raw = serde_json::from_str(text)
        // The parser's message could quote the text, so only its place is kept.
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                "the answer has not exactly the fields score, recommendation and reason".to_owned()
            }
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => "the answer is not one JSON object".to_owned(),
        })?;
    let score = Score::from_fraction(raw.score)
        .ok_or_else(|| format!("score {} is not between 0 and 1", raw.score))?;
    let expected = score.recommendation();
    if raw.recommendation != expected {
        return Err(format!(
            "recommendation {} does not agree with score {score}, which means {expected}",
            raw.recommendation
        ));
    }
    let reason = text::prose(&raw.reason, REASON_MAX).map_err(|bad| format!("reason {bad}"))?;
    Ok(Answer {
        score,
        recommendation: expected,
        reason: reason.ok_or("reason must not be empty")?,
    })
}

#[cfg(test)]
mod tests {
    use domain::lead::scoring::Recommendation;

    use super::read;

    #[test]
    fn an_answer_that_holds_is_taken() {
        let answer =
            read(r#"{"score":0.75,"recommendation":"transfer_to_sales","reason":" Good. "}"#)
                .unwrap();
        assert_eq!(answer.score.thousandths(), 750);
        assert_eq!(answer.recommendation, Recommendation::TransferToSales);
        assert_eq!(answer.reason, "Good.");
    }

    #[test]
    fn whatever_does_not_hold_is_refused_with_a_reason() {
        let long = format!(
            r#"{{"score":0.1,"recommendation":"lost","reason":"{}"}}"#,
            "й".repeat(1001)
        );
        for (answer, why) in [
            (r"```json {} ```", "not one JSON object"),
            (
                r#"{"score":0.1,"recommendation":"lost"#,
                "not one JSON object",
            ),
            (
                r#"{"score":0.1,"recommendation":"lost"}"#,
                "not exactly the fields",
            ),
            (
                r#"{"score":0.1,"recommendation":"lost","reason":"r","x":1}"#,
                "not exactly the fields",
            ),
            (
                r#"{"score":"0.1","recommendation":"lost","reason":"r"}"#,
                "not exactly the fields",
            ),
            (
                r#"{"score":0.1,"recommendation":"buy","reason":"r"}"#,
                "not exactly the fields",
            ),
            (
                r#"{"score":7,"recommendation":"transfer_to_sales","reason":"r"}"#,
                "not between 0 and 1",
            ),
            (
                r#"{"score":-0.1,"recommendation":"lost","reason":"r"}"#,
                "not between 0 and 1",
            ),
            (
                r#"{"score":0.9,"recommendation":"lost","reason":"r"}"#,
                "which means transfer_to_sales",
            ),
            (
                r#"{"score":0.1,"recommendation":"lost","reason":"  "}"#,
                "reason must not be empty",
            ),
            (long.as_str(), "at most 1000 characters"),
        ] {
            let refusal = read(answer).unwrap_err();
            assert!(refusal.contains(why), "{answer}: {refusal}");
        }
    }
}
