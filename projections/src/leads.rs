//! The list of leads and the card of one, and how many stand where.

use std::collections::BTreeSet;

use commands::http::views::LeadView;
use cqrs_es::Aggregate as _;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use domain::lead::details::{LeadField, MAX_FIELD};
use domain::lead::scoring::Score;
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::pipeline::table::Kind;
use domain::{tags, text};
use journal::store::Loaded;

use crate::change::Change;
use crate::columns::{
    self, Column, Kept, Label, Listed, Measure, choice, created, folded, kept_as, key, order,
    place, since, updated, words,
};
use crate::db::{Value, signed};
use crate::pipelines;
use crate::projection::{Projection, Shown};
use crate::slots::{self, CAME, SLOT, Slotted};

/// The kind of words that tags are.
pub(crate) const TAG: &str = "tag";
const OWNER: &str = "owner";

/// The list of leads and the card of one.
pub struct Leads;

impl Projection for Leads {
    const NAME: &'static str = "leads";
    const VERSION: u32 = 5;
    const READ_SINCE: u32 = 2;
    const CATEGORY: &'static str = Lead::TYPE;
    type Record = Loaded<Lead>;
    const COUNTED_BY: &'static [&'static str] = &[SLOT, "measure", "stage"];

    const LABELLED: bool = true;

    fn labels(record: &Loaded<Lead>) -> BTreeSet<(&'static str, String)> {
        let details = record.state.open.iter().map(|lead| &lead.details);
        let labels = details.flat_map(|details| {
            let tags = details.tags.iter().map(|tag| (TAG, tag.clone()));
            let owner = details.fields.get(&LeadField::Owner);
            tags.chain(owner.map(|owner| (OWNER, folded(owner))))
        });
        labels.collect()
    }

    fn columns() -> Vec<Kept> {
        columns::kept::<Self>()
    }

    fn apply(record: Loaded<Lead>, change: &Change) -> Loaded<Lead> {
        change.follows(record)
    }

    fn shown(id: u64, record: &Loaded<Lead>) -> Shown {
        columns::shown::<Self>(LeadView::of(LeadId(id), record))
    }

    fn counts(record: &Loaded<Lead>) -> Vec<(Vec<String>, i64)> {
        let (Some(lead), Some(came)) = (&record.state.open, record.created_at) else {
            return Vec::new();
        };
        let measures = [("leads", 1), ("messages", signed(lead.message_count))];
        let stands = pipelines::word(lead.pipeline, lead.stage);
        let by = |slot: String| {
            measures.map(|(measure, count)| {
                let key = vec![slot.clone(), measure.to_owned(), stands.clone()];
                (key, count)
            })
        };
        slots::of(came).into_iter().flat_map(by).collect()
    }
}

impl Listed for Leads {
    type View = LeadView;
    const LISTED_BY: &'static [Column<LeadView>] = &[
        place(Kind::Lead, |lead| {
            pipelines::word(lead.pipeline, lead.stage).into()
        }),
        choice(
            &["source"],
            "Only from here.",
            || words(LeadSource::ALL, LeadSource::as_str),
            |lead| lead.source.as_str().into(),
        ),
        choice(
            &["business_domain"],
            "Only of this line of business.",
            || [vec![""], words(BusinessDomain::ALL, BusinessDomain::as_str)].concat(),
            |lead| {
                lead.business_domain
                    .map_or("", BusinessDomain::as_str)
                    .into()
            },
        ),
        kept_as(
            CAME,
            created("came in", |lead| slots::came(lead.created_at).into()),
        ),
        key(&["contact_id"], "Only of this contact.", |lead| {
            lead.contact_id.into()
        }),
        updated(|lead| slots::came(lead.updated_at).into()),
        order(
            "ai_score",
            Measure::Fraction,
            &["score_min", "score_max"],
            "the score of the last analysis",
            |lead| score(lead.ai_score),
        ),
        since(
            5,
            order(
                "title",
                Measure::Beginning,
                &["title"],
                "the title",
                |lead| folded(lead.title.as_deref().unwrap_or_default()).into(),
            ),
        ),
    ];
    const LABELLED_BY: &'static [Label] = &[
        Label {
            name: TAG,
            description: "Only with this tag, in small or large letters; the list is in the order of ids.",
            read: tags::tag,
        },
        Label {
            name: OWNER,
            description: "Only of this owner, in small or large letters; the list is in the order of ids.",
            read: |owner| text::required_line(owner, MAX_FIELD).map(|owner| folded(&owner)),
        },
    ];
    const LABELLED_SINCE: u32 = 5;
    const LISTED_SINCE: u32 = 4;
    const EXPANDED_BY: &'static [&'static str] = &["expand"];
}

/// In thousandths; before everything else where there is none.
fn score(fraction: Option<f64>) -> Value {
    let score = fraction.and_then(Score::from_fraction);
    Value::Int(score.map_or(-1, |score| score.thousandths().into()))
}

impl Slotted for Leads {
    const SLOTTED_SINCE: u32 = 2;
    const SLOT_BEFORE: Option<&'static str> = None;
}
