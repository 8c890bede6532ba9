//! The list of sales and the card of one, and how many stand where, for how much.

use commands::http::views::SaleView;
use cqrs_es::Aggregate as _;
use domain::id::SaleId;
use domain::money::{Currency, Money};
use domain::pipeline::table::Kind;
use domain::sale::aggregate::Sale;
use journal::store::Loaded;

use crate::change::Change;
use crate::columns::{
    self, Column, Kept, Listed, Measure, choice, created, kept_as, key, order, place, updated,
    words,
};
use crate::db::Value;
use crate::pipelines;
use crate::projection::{Projection, Shown};
use crate::slots::{self, CAME, SLOT, Slotted};
use crate::total;

/// The list of sales and the card of one.
pub struct Sales;

impl Projection for Sales {
    const NAME: &'static str = "sales";
    const VERSION: u32 = 4;
    const READ_SINCE: u32 = 2;
    const CATEGORY: &'static str = Sale::TYPE;
    type Record = Loaded<Sale>;
    const COUNTED_BY: &'static [&'static str] = &[SLOT, "stage", "currency", "measure"];

    fn columns() -> Vec<Kept> {
        columns::kept::<Self>()
    }

    fn apply(record: Loaded<Sale>, change: &Change) -> Loaded<Sale> {
        change.follows(record)
    }

    fn shown(id: u64, record: &Loaded<Sale>) -> Shown {
        columns::shown::<Self>(SaleView::of(SaleId(id), record))
    }

    fn counts(record: &Loaded<Sale>) -> Vec<(Vec<String>, i64)> {
        let (Some(sale), Some(came)) = (&record.state.open, record.created_at) else {
            return Vec::new();
        };
        let [high, low] = total::parts(sale.amount);
        let measures = [("sales", 1), high, low];
        let stands = pipelines::word(sale.pipeline, sale.stage);
        let by = |slot: String| {
            measures.map(|(measure, count)| {
                let currency = sale.amount.currency;
                let key = [&slot, stands.as_str(), currency.as_str(), measure];
                (key.map(ToOwned::to_owned).to_vec(), count)
            })
        };
        slots::of(came).into_iter().flat_map(by).collect()
    }
}

impl Listed for Sales {
    type View = SaleView;
    const LISTED_BY: &'static [Column<SaleView>] = &[
        place(Kind::Sale, |sale| {
            pipelines::word(sale.pipeline, sale.stage).into()
        }),
        kept_as(
            CAME,
            created("was opened", |sale| slots::came(sale.created_at).into()),
        ),
        choice(
            &["currency"],
            "Only in this currency.",
            || words(Currency::ALL, Currency::as_str),
            |sale| sale.currency.as_str().into(),
        ),
        key(&["lead_id"], "Only the one of this lead.", |sale| {
            sale.lead_id.into()
        }),
        updated(|sale| slots::came(sale.updated_at).into()),
        order(
            "amount",
            Measure::Amount,
            &["amount_min", "amount_max"],
            "the amount in whole units of its currency",
            minor,
        ),
    ];
    const LISTED_SINCE: u32 = 3;
    const EXPANDED_BY: &'static [&'static str] = &["expand"];
}

fn minor(sale: &SaleView) -> Value {
    let money = Money::parse_whole(&sale.amount.to_string(), sale.currency);
    money.map_or(0, |money| money.minor).into()
}

impl Slotted for Sales {
    const SLOTTED_SINCE: u32 = 2;
    const SLOT_BEFORE: Option<&'static str> = None;
}
