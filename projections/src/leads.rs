//! The list of leads and the card of one, and how many stand where.

use commands::http::views::LeadView;
use cqrs_es::Aggregate as _;
use domain::id::LeadId;
use domain::lead::aggregate::Lead;
use journal::store::Loaded;

use crate::change::Change;
use crate::db::signed;
use crate::projection::{Projection, Shown};
use crate::slots::{self, CAME, SLOT, Slotted};

/// The list of leads and the card of one.
pub struct Leads;

impl Projection for Leads {
    const NAME: &'static str = "leads";
    const VERSION: u32 = 3;
    const READ_SINCE: u32 = 1;
    const CATEGORY: &'static str = Lead::TYPE;
    type Record = Loaded<Lead>;
    const FILTERS: &'static [&'static str] = &["stage", "source", "business_domain", CAME];
    const COUNTED_BY: &'static [&'static str] = &[SLOT, "measure", "stage"];

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
            Some(slots::came(view.created_at)),
        ];
        Shown::new(&view, filters)
    }

    fn counts(record: &Loaded<Lead>) -> Vec<(Vec<String>, i64)> {
        let (Some(lead), Some(came)) = (&record.state.open, record.created_at) else {
            return Vec::new();
        };
        let measures = [("leads", 1), ("messages", signed(lead.message_count))];
        let by = |slot: String| {
            measures.map(|(measure, count)| {
                let key = vec![slot.clone(), measure.to_owned(), lead.stage.to_string()];
                (key, count)
            })
        };
        slots::of(came).into_iter().flat_map(by).collect()
    }
}

impl Slotted for Leads {
    const SLOTTED_SINCE: u32 = 2;
    const SLOT_BEFORE: Option<&'static str> = None;
}
