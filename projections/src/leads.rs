//! The list of leads and the card of one, and how many stand where.

use commands::http::views::LeadView;
use cqrs_es::Aggregate as _;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use journal::store::Loaded;

use crate::change::Change;
use crate::db::signed;
use crate::projection::{Projection, Shown};

/// The list of leads and the card of one.
pub struct Leads;

impl Projection for Leads {
    const NAME: &'static str = "leads";
    const VERSION: u32 = 1;
    const CATEGORY: &'static str = Lead::TYPE;
    type Record = Loaded<Lead>;
    const FILTERS: &'static [&'static str] = &["stage", "source", "business_domain"];
    const COUNTED_BY: &'static [&'static str] = &["measure", "stage"];

    fn apply(record: Loaded<Lead>, change: &Change) -> Loaded<Lead> {
        change.follows(record)
    }

    fn shown(id: u64, record: &Loaded<Lead>) -> Shown {
        let Some(view) = LeadView::of(LeadId(id), record) else {
            return Shown::default();
        };
        let filters = vec![
            Some(view.stage.to_string()),
            Some(view.source.to_string()),
            view.business_domain.map(|domain| domain.to_string()),
        ];
        Shown::new(&view, filters)
    }

    fn counts(record: &Loaded<Lead>) -> Vec<(Vec<String>, i64)> {
        let Some(lead) = &record.state.open else {
            return Vec::new();
        };
        let stage = lead.stage.to_string();
        vec![
            (vec!["leads".into(), stage.clone()], 1),
            (vec!["messages".into(), stage], signed(lead.message_count)),
        ]
    }
}
