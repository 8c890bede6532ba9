//! The list of sales and the card of one, and how many stand where, for how much.

use commands::http::views::SaleView;
use cqrs_es::Aggregate as _;
use domain::id::SaleId;
use domain::sale::aggregate::Sale;
use journal::store::Loaded;

use crate::change::Change;
use crate::projection::{Projection, Shown};
use crate::slots::{self, CAME, SLOT, Slotted};
use crate::total;

/// The list of sales and the card of one.
pub struct Sales;

impl Projection for Sales {
    const NAME: &'static str = "sales";
    const VERSION: u32 = 2;
    const READ_SINCE: u32 = 1;
    const CATEGORY: &'static str = Sale::TYPE;
    type Record = Loaded<Sale>;
    const FILTERS: &'static [&'static str] = &["stage", CAME];
    const COUNTED_BY: &'static [&'static str] = &[SLOT, "stage", "currency", "measure"];

    fn apply(record: Loaded<Sale>, change: &Change) -> Loaded<Sale> {
        change.follows(record)
    }

    fn shown(id: u64, record: &Loaded<Sale>) -> Shown {
        let Some(view) = SaleView::of(SaleId(id), record) else {
            return Shown::default();
        };
        let came = slots::came(view.created_at);
        let filters = vec![Some(view.stage.to_string()), Some(came)];
        Shown::new(&view, filters)
    }

    fn counts(record: &Loaded<Sale>) -> Vec<(Vec<String>, i64)> {
        let (Some(sale), Some(came)) = (&record.state.open, record.created_at) else {
            return Vec::new();
        };
        let [high, low] = total::parts(sale.amount);
        let measures = [("sales", 1), high, low];
        let by = |slot: String| {
            measures.map(|(measure, count)| {
                let (stage, currency) = (sale.stage, sale.amount.currency);
                let key = [&slot, stage.as_str(), currency.as_str(), measure];
                (key.map(ToOwned::to_owned).to_vec(), count)
            })
        };
        slots::of(came).into_iter().flat_map(by).collect()
    }
}

impl Slotted for Sales {
    const SLOTTED_SINCE: u32 = 2;
    const SLOT_BEFORE: Option<&'static str> = None;
}
