//! What may be asked of leads over HTTP, and what of it is refused.

use domain::event::Decide as _;
use domain::lead::aggregate::Lead;
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::money::{Currency, Money};
use domain::pipeline::table::Kind;
use domain::pipeline::{PipelineId, StageKey, built_in};
use domain::text;
use serde::Deserialize;
use serde_json::Number;
use utoipa::{IntoParams, ToSchema};

use super::details::{ChangeUtm, Said, money, money_of};
use super::opening::{Opening, Whose};
use crate::http::api::Api;
use crate::http::caller::Caller;
use crate::http::contacts::CreateContact;
use crate::http::field::{clearable, given};
use crate::http::problem::Problem;

/// The longest reason, in characters.
const MAX_REASON: usize = 1000;

/// A new lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenLead {
    /// Where it came from.
    pub source: LeadSource,
    /// What it follows; `sales-team` unless named.
    pub pipeline: Option<PipelineId>,
    /// The line of business, where it is known.
    pub business_domain: Option<BusinessDomain>,
    /// Whose interest it is, where that is known.
    #[schema(minimum = 1)]
    pub contact_id: Option<u64>,
    /// Whose interest it is, where their number is not known: found by phone or email and completed, or
    /// made.
    pub contact: Option<CreateContact>,
    /// What people call it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub title: Option<Option<String>>,
    /// Who works on it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub owner: Option<Option<String>>,
    /// What it may bring, in whole units: 10000, or 99.9.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub expected_amount: Option<Option<Number>>,
    /// ISO 4217; the configured one unless named.
    pub expected_currency: Option<Currency>,
    /// All tags from now on; they are kept in lower case.
    #[schema(max_items = 50)]
    pub tags: Option<Vec<String>>,
    /// Where it was found.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<ChangeUtm>)]
    pub utm: Option<Option<ChangeUtm>>,
}

impl OpenLead {
    /// What is to be opened, once nothing of it is refused: what is takes no number, and makes nobody.
    pub(super) async fn opening(mut self, api: &Api, caller: &Caller) -> Result<Opening, Problem> {
        let whose = Whose::said(self.contact_id, self.contact.take(), api, caller.role)?;
        let (workspace, pipeline) = (&caller.workspace, self.pipeline);
        let pipeline = pipeline.unwrap_or(built_in::SALES_TEAM);
        let begins = api.pipelines.beginning(workspace, pipeline, Kind::Lead);
        let begins = begins.await?;
        let (source, business_domain) = (self.source, self.business_domain);
        let opening = Opening {
            source,
            business_domain,
            edit: self.said().edit(api)?,
            begins,
            whose,
        };
        Lead::default().decide(opening.command(None))?;
        Ok(opening)
    }

    fn said(self) -> Said {
        Said {
            title: self.title,
            owner: self.owner,
            expected_amount: self.expected_amount,
            expected_currency: self.expected_currency,
            tags: self.tags,
            utm: self.utm,
        }
    }
}

/// What became known about a lead; what is left out stays, `null` is not known after all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeLead {
    /// The line of business.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<BusinessDomain>)]
    pub business_domain: Option<Option<BusinessDomain>>,
    /// Whose interest it is.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    pub contact_id: Option<Option<u64>>,
    /// What people call it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub title: Option<Option<String>>,
    /// Who works on it.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub owner: Option<Option<String>>,
    /// What it may bring, in whole units: 10000, or 99.9.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub expected_amount: Option<Option<Number>>,
    /// ISO 4217; the configured one unless named.
    pub expected_currency: Option<Currency>,
    /// All tags from now on; they are kept in lower case.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Vec<String>, max_items = 50)]
    pub tags: Option<Vec<String>>,
    /// Where it was found.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<ChangeUtm>)]
    pub utm: Option<Option<ChangeUtm>>,
}

/// A tag to put on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddTag {
    /// One line; it is kept in lower case.
    #[schema(min_length = 1, max_length = 50)]
    pub tag: String,
}

/// Something to write down.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddNote {
    /// What; it stands in the timeline.
    #[schema(min_length = 1, max_length = 10000)]
    pub text: String,
}

impl DescribeLead {
    pub(super) fn said(self) -> Said {
        Said {
            title: self.title,
            owner: self.owner,
            expected_amount: self.expected_amount,
            expected_currency: self.expected_currency,
            tags: self.tags,
            utm: self.utm,
        }
    }
}

/// A step along the pipeline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeLeadStage {
    /// Where to.
    pub stage: StageKey,
    /// The stage you were looking at; another one by now is refused.
    pub seen: Option<StageKey>,
    /// Why.
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// Messages exchanged with a lead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordMessages {
    /// How many more.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 10000)]
    pub increment: u32,
}

const fn one() -> u32 {
    1
}

/// What a transfer is worth, where the query does not say it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferLead {
    /// Whole units: 10000, or 99.9.
    #[schema(value_type = Option<f64>, exclusive_minimum = 0, maximum = 1_000_000_000_000_u64)]
    pub amount: Option<Number>,
    /// ISO 4217; the configured one unless named.
    pub currency: Option<Currency>,
    /// What the sale follows; `sales` unless named.
    pub pipeline: Option<PipelineId>,
}

/// What a transfer is worth.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TransferParams {
    /// Whole units, at most two decimals and at most 1000000000000: `10000`, `99.90`.
    #[param(pattern = r"^[0-9]{1,13}(\.[0-9]{1,2})?$")]
    pub amount: Option<String>,
    /// ISO 4217; the configured one unless named.
    pub currency: Option<Currency>,
}

impl TransferParams {
    /// What the query says, or the body; not both.
    pub(super) fn amount(&self, body: &TransferLead, usual: Currency) -> Result<Money, Problem> {
        let said = (&self.amount, &body.amount);
        let currency = match (self.currency, body.currency) {
            (Some(_), Some(_)) => return Err(said_twice("currency")),
            (one, other) => one.or(other).unwrap_or(usual),
        };
        match said {
            (Some(_), Some(_)) => Err(said_twice("amount")),
            (Some(text), None) => money_of("amount", text, currency),
            (None, Some(amount)) => money("amount", amount, currency),
            (None, None) => Err(Problem::invalid(
                "amount",
                "say what the sale is worth: {\"amount\": 10000} as the body, or ?amount=10000",
            )),
        }
    }
}

fn said_twice(field: &str) -> Problem {
    Problem::invalid(
        field,
        format!("{field} goes into the body, or into the query; not into both"),
    )
}

/// A reason in its one form, or that it is an essay.
pub(in crate::http) fn checked_reason(reason: Option<&str>) -> Result<Option<String>, Problem> {
    let checked = reason.map(|reason| text::prose(reason, MAX_REASON));
    checked
        .transpose()
        .map(Option::flatten)
        .map_err(|bad| Problem::invalid("reason", format!("reason {bad}")))
}
