//! The list of sales and the card of one, and how many stand where, for how much.

use commands::http::views::SaleView;
use cqrs_es::Aggregate as _;
use domain::id::SaleId;
use domain::sale::aggregate::Sale;
use journal::store::Loaded;

use crate::change::Change;
use crate::db::signed;
use crate::projection::{Projection, Shown};

/// The list of sales and the card of one.
pub struct Sales;

impl Projection for Sales {
    const NAME: &'static str = "sales";
    const VERSION: u32 = 1;
    const CATEGORY: &'static str = Sale::TYPE;
    type Record = Loaded<Sale>;
    const FILTERS: &'static [&'static str] = &["stage"];
    const COUNTED_BY: &'static [&'static str] = &["stage", "currency", "measure"];

    fn apply(record: Loaded<Sale>, change: &Change) -> Loaded<Sale> {
        change.follows(record)
    }

    fn shown(id: u64, record: &Loaded<Sale>) -> Shown {
        let Some(view) = SaleView::of(SaleId(id), record) else {
            return Shown::default();
        };
        let filters = vec![Some(view.stage.to_string())];
        Shown::new(&view, filters)
    }

    fn counts(record: &Loaded<Sale>) -> Vec<(Vec<String>, i64)> {
        let Some(sale) = &record.state.open else {
            return Vec::new();
        };
        let by = |measure: &str| {
            vec![
                sale.stage.to_string(),
                sale.amount.currency.to_string(),
                measure.to_owned(),
            ]
        };
        vec![(by("sales"), 1), (by("minor"), signed(sale.amount.minor))]
    }
}
