//! What people write of a lead, as a body says it.

use std::collections::BTreeMap;

use domain::lead::details::{Edit, LeadField};
use domain::money::{Currency, Money};
use serde::Deserialize;
use serde_json::Number;
use utoipa::ToSchema;

use crate::http::api::Api;
use crate::http::field::clearable;
use crate::http::problem::Problem;

/// Where it was found, as the links of a campaign say; what is left out stays, `null` clears.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUtm {
    /// The site that it came from.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub source: Option<Option<String>>,
    /// The kind of advertisement.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub medium: Option<Option<String>>,
    /// The campaign.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub campaign: Option<Option<String>>,
    /// The words that were searched for.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub term: Option<Option<String>>,
    /// Which of several links or banners.
    #[serde(default, deserialize_with = "clearable")]
    #[schema(value_type = Option<String>, max_length = 200)]
    pub content: Option<Option<String>>,
}

impl ChangeUtm {
    /// `null` for the whole clears every part.
    fn cleared() -> Self {
        Self {
            source: Some(None),
            medium: Some(None),
            campaign: Some(None),
            term: Some(None),
            content: Some(None),
        }
    }
}

/// What a body says of a lead's details, whichever body it is.
#[expect(
    clippy::option_option,
    reason = "left out, nothing and a value are three things"
)]
pub(super) struct Said {
    pub title: Option<Option<String>>,
    pub owner: Option<Option<String>>,
    pub expected_amount: Option<Option<Number>>,
    pub expected_currency: Option<Currency>,
    pub tags: Option<Vec<String>>,
    pub utm: Option<Option<ChangeUtm>>,
}

impl Said {
    /// The edit that this comes to.
    pub(super) fn edit(self, api: &Api) -> Result<Edit, Problem> {
        let utm = self.utm.map(|utm| utm.unwrap_or_else(ChangeUtm::cleared));
        let utm = utm.unwrap_or_default();
        let fields = [
            (LeadField::Title, self.title),
            (LeadField::Owner, self.owner),
            (LeadField::UtmSource, utm.source),
            (LeadField::UtmMedium, utm.medium),
            (LeadField::UtmCampaign, utm.campaign),
            (LeadField::UtmTerm, utm.term),
            (LeadField::UtmContent, utm.content),
        ];
        let said = |(field, text): (LeadField, Option<_>)| text.map(|text| (field, text));
        let fields: BTreeMap<_, _> = fields.into_iter().filter_map(said).collect();
        let currency = self.expected_currency;
        if currency.is_some() && !matches!(self.expected_amount, Some(Some(_))) {
            return Err(Problem::invalid(
                "expected_currency",
                "expected_currency goes with expected_amount; send both",
            ));
        }
        let currency = currency.unwrap_or(api.settings.currency);
        let money = |said: Option<Number>| {
            let said = said.as_ref();
            said.map(|amount| money("expected_amount", amount, currency))
                .transpose()
        };
        Ok(Edit {
            fields,
            expected: self.expected_amount.map(money).transpose()?,
            tags: self.tags,
        })
    }
}

/// An amount in whole units, as JSON has it: 10000, or 99.9.
pub(in crate::http) fn money(
    field: &'static str,
    amount: &Number,
    currency: Currency,
) -> Result<Money, Problem> {
    let text = amount.to_string();
    // A number that a calculator made: 10000.0.
    money_of(field, text.strip_suffix(".0").unwrap_or(&text), currency)
}

/// An amount in whole units, as decimal text.
pub(super) fn money_of(
    field: &'static str,
    text: &str,
    currency: Currency,
) -> Result<Money, Problem> {
    Money::parse_whole(text, currency)
        .map_err(|error| Problem::invalid(field, format!("{field} {error}")))
}
