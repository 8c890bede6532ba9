//! The documented rules as an analyst: needs no key, always answers the same.

use domain::lead::scoring::{Inputs, score};
use futures::future::{self, BoxFuture, FutureExt};

use super::{Analyst, AnalystError, Judgement};

/// Scores by the table in [`domain::lead::scoring`].
#[derive(Debug, Clone, Copy)]
pub struct Rules;

const NAME: &str = "rules";

impl Analyst for Rules {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, inputs: Inputs) -> BoxFuture<'_, Result<Judgement, AnalystError>> {
        let (score, reason) = score(&inputs);
        let judgement = Judgement {
            score,
            recommendation: score.recommendation(),
            reason,
            analyst: NAME.to_owned(),
        };
        future::ready(Ok(judgement)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use domain::lead::scoring::{Inputs, Recommendation};
    use domain::lead::source::LeadSource;
    use domain::pipeline::built_in;

    use super::{Analyst, Rules};

    #[tokio::test]
    async fn the_rules_explain_every_point() {
        let inputs = Inputs {
            source: LeadSource::Scanner,
            stage: built_in::NEW,
            message_count: 2,
            has_business_domain: false,
            business_domain: None,
            days_since_created: 40,
        };
        let judgement = Rules.judge(inputs).await.unwrap();
        assert_eq!(judgement.score.thousandths(), 110);
        assert_eq!(judgement.recommendation, Recommendation::Lost);
        assert!(
            judgement.reason.contains("2 messages +0.06"),
            "{}",
            judgement.reason
        );
        assert_eq!(judgement.analyst, "rules");
    }
}
