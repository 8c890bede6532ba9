//! What a lead, a sale and a contact look like, wherever they are shown.

use domain::contact::aggregate::Contact;
use domain::contact::link::Link;
use domain::id::{ContactId, LeadId, SaleId};
use domain::lead::aggregate::Lead;
use domain::lead::details::{Details, LeadField};
use domain::lead::scoring::Recommendation;
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::money::{Currency, Money};
use domain::pipeline::{PipelineId, StageKey};
use domain::sale::aggregate::Sale;
use jiff::Timestamp;
use journal::store::Loaded;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::ToSchema;

use super::answer::About;
use super::problem::Problem;

/// A lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeadView {
    /// Its number.
    pub id: u64,
    /// Where it came from.
    pub source: LeadSource,
    /// What it follows.
    #[serde(default = "PipelineId::of_a_lead")]
    pub pipeline: PipelineId,
    /// Where it stands.
    pub stage: StageKey,
    /// The line of business, where it is known.
    pub business_domain: Option<BusinessDomain>,
    /// Whose interest it is, where that is known.
    pub contact_id: Option<u64>,
    /// Whether that contact was removed since; left out where it was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub contact_removed: bool,
    /// Messages so far.
    pub message_count: u64,
    /// How good it is, from 0 to 1, once it was analysed.
    pub ai_score: Option<f64>,
    /// What to do next.
    pub ai_recommendation: Option<Recommendation>,
    /// Why.
    pub ai_reason: Option<String>,
    /// When it was analysed last.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ai_analyzed_at: Option<Timestamp>,
    /// The sale it became.
    pub sale_id: Option<u64>,
    /// What people call it.
    pub title: Option<String>,
    /// Who works on it.
    pub owner: Option<String>,
    /// What it may bring, in whole units: 10000, or 99.9.
    #[schema(value_type = Option<f64>)]
    pub expected_amount: Option<Number>,
    /// ISO 4217.
    pub expected_currency: Option<Currency>,
    /// Its tags, in lower case and in their order.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Where it was found.
    #[serde(default)]
    pub utm: UtmView,
    /// When it came in.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// How many events made it.
    pub version: u64,
}

/// Where a lead was found, as the links of a campaign say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UtmView {
    /// The site that it came from.
    pub source: Option<String>,
    /// The kind of advertisement.
    pub medium: Option<String>,
    /// The campaign.
    pub campaign: Option<String>,
    /// The words that were searched for.
    pub term: Option<String>,
    /// Which of several links or banners.
    pub content: Option<String>,
}

impl UtmView {
    fn of(details: &Details) -> Self {
        let text = |field| details.fields.get(&field).cloned();
        Self {
            source: text(LeadField::UtmSource),
            medium: text(LeadField::UtmMedium),
            campaign: text(LeadField::UtmCampaign),
            term: text(LeadField::UtmTerm),
            content: text(LeadField::UtmContent),
        }
    }
}

impl LeadView {
    /// Whom its texts name, where it has any: its contact, or itself while nobody knows whose it is.
    pub(super) fn names(&self) -> Option<About> {
        let texts = [&self.ai_reason, &self.title, &self.owner];
        let named = texts.iter().any(|text| text.is_some());
        if !named && self.tags.is_empty() && self.utm == UtmView::default() {
            return None;
        }
        Some(About(match self.contact_id {
            Some(contact) => format!("contact-{contact}"),
            None => format!("lead-{}", self.id),
        }))
    }
}

/// A sale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SaleView {
    /// Its number.
    pub id: u64,
    /// The lead it was.
    pub lead_id: u64,
    /// What it follows.
    #[serde(default = "PipelineId::of_a_sale")]
    pub pipeline: PipelineId,
    /// Where it stands.
    pub stage: StageKey,
    /// What it is worth, in whole units: 10000, or 99.9.
    #[schema(value_type = f64)]
    pub amount: Number,
    /// ISO 4217.
    pub currency: Currency,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// How many events made it.
    pub version: u64,
}

/// A contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactView {
    /// Its number.
    pub id: u64,
    /// What the person is called.
    pub name: String,
    /// Where they work.
    pub company: Option<String>,
    /// What they do there.
    pub role: Option<String>,
    /// Their phones.
    pub phones: Vec<String>,
    /// Their emails.
    pub emails: Vec<String>,
    /// Anything else worth knowing.
    pub note: Option<String>,
    /// Their tags, in lower case and in their order.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Pages of the web about them.
    #[serde(default)]
    pub links: Vec<LinkView>,
    /// When we came to know them.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When something last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// How many events made it.
    pub version: u64,
}

/// A page of the web about a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    /// What it is.
    pub label: Option<String>,
    /// Its address, as browsers write it.
    pub url: String,
}

impl LinkView {
    fn of(link: &Link) -> Self {
        let Link { label, url } = link.clone();
        Self { label, url }
    }
}

/// Minor units as a JSON number in whole units: `10000`, not `10000.0`; `99.9`.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "amounts are below 2^53 minor units"
)]
pub fn whole_units(money: Money) -> Number {
    match money.minor % 100 {
        0 => Number::from(money.minor / 100),
        _ => Number::from_f64(money.minor as f64 / 100.0).unwrap_or_else(|| Number::from(0)),
    }
}

impl LeadView {
    /// The lead, if it was ever opened.
    #[must_use]
    pub fn of(id: LeadId, loaded: &Loaded<Lead>) -> Option<Self> {
        let lead = loaded.state.open.as_ref()?;
        let (analysis, details) = (lead.analysis.as_ref(), &lead.details);
        Some(Self {
            id: id.0,
            source: lead.source,
            pipeline: lead.pipeline,
            stage: lead.stage,
            business_domain: lead.business_domain,
            contact_id: lead.contact.map(|ContactId(id)| id),
            contact_removed: false,
            message_count: lead.message_count,
            ai_score: analysis.map(|analysis| analysis.score.as_fraction()),
            ai_recommendation: analysis.map(|analysis| analysis.recommendation),
            ai_reason: analysis.map(|analysis| analysis.reason.clone()),
            ai_analyzed_at: analysis.map(|analysis| analysis.at),
            sale_id: lead.transfer.map(|(SaleId(id), _)| id),
            title: details.fields.get(&LeadField::Title).cloned(),
            owner: details.fields.get(&LeadField::Owner).cloned(),
            expected_amount: details.expected.map(whole_units),
            expected_currency: details.expected.map(|money| money.currency),
            tags: details.tags.iter().cloned().collect(),
            utm: UtmView::of(details),
            created_at: loaded.created_at?,
            updated_at: loaded.updated_at?,
            version: loaded.version,
        })
    }

    /// The lead, or that there is none.
    pub fn found(id: LeadId, loaded: &Loaded<Lead>) -> Result<Self, Problem> {
        Self::of(id, loaded).ok_or_else(|| Problem::unknown("lead", id))
    }
}

impl SaleView {
    /// The sale, if it was ever opened.
    #[must_use]
    pub fn of(id: SaleId, loaded: &Loaded<Sale>) -> Option<Self> {
        let sale = loaded.state.open.as_ref()?;
        Some(Self {
            id: id.0,
            lead_id: sale.lead.0,
            pipeline: sale.pipeline,
            stage: sale.stage,
            amount: whole_units(sale.amount),
            currency: sale.amount.currency,
            created_at: loaded.created_at?,
            updated_at: loaded.updated_at?,
            version: loaded.version,
        })
    }

    /// The sale, or that there is none.
    pub fn found(id: SaleId, loaded: &Loaded<Sale>) -> Result<Self, Problem> {
        Self::of(id, loaded).ok_or_else(|| Problem::unknown("sale", id))
    }
}

impl ContactView {
    /// The contact, if it is there.
    #[must_use]
    pub fn of(id: ContactId, loaded: &Loaded<Contact>) -> Option<Self> {
        let card = loaded.state.present()?;
        Some(Self {
            id: id.0,
            name: card.name.clone(),
            company: card.company.clone(),
            role: card.role.clone(),
            phones: card.phones.iter().map(ToString::to_string).collect(),
            emails: card.emails.iter().map(ToString::to_string).collect(),
            note: card.note.clone(),
            tags: card.tags.iter().cloned().collect(),
            links: card.links.iter().map(LinkView::of).collect(),
            created_at: loaded.created_at?,
            updated_at: loaded.updated_at?,
            version: loaded.version,
        })
    }

    /// The contact, or that there is none.
    pub fn found(id: ContactId, loaded: &Loaded<Contact>) -> Result<Self, Problem> {
        Self::of(id, loaded).ok_or_else(|| Problem::unknown("contact", id))
    }
}
