//! Everything at a glance: how many leads and sales stand where.

use std::collections::BTreeMap;

use commands::http::views::whole_units;
use domain::lead::stage::LeadStage;
use domain::money::{Currency, Money};
use domain::sale::stage::SaleStage;
use sea_query::{Expr, ExprTrait as _, Query};
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;

use crate::funnel::share;
use crate::leads::Leads;
use crate::sales::Sales;
use crate::table::Tables;
use crate::views::{ReadError, Reader};

/// Leads, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeadsByStage {
    /// `new`, `contacted`, …
    pub stage: LeadStage,
    /// Leads that stand there.
    pub count: u64,
}

/// Sales, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SalesByStage {
    /// `new`, `kyc`, …
    pub stage: SaleStage,
    /// Sales that stand there.
    pub count: u64,
    /// What they are worth, in whole units, by currency.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub amount: BTreeMap<Currency, Number>,
}

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DashboardView {
    /// All leads.
    pub total_leads: u64,
    /// All sales.
    pub total_sales: u64,
    /// Messages exchanged with all leads.
    pub total_messages: u64,
    /// Leads by stage.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub leads_by_stage: BTreeMap<LeadStage, u64>,
    /// Sales by stage.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub sales_by_stage: BTreeMap<SaleStage, u64>,
    /// The share of leads that became sales, from 0 to 1; nothing where there are none.
    pub conversion_rate: Option<f64>,
    /// What was paid, in whole units, by currency.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub paid: BTreeMap<Currency, Number>,
}

/// Leads, stage by stage; every stage is named.
pub async fn leads_by_stage(reader: &Reader) -> Result<Vec<LeadsByStage>, ReadError> {
    let counts = lead_counts(reader).await?;
    let count = |stage: LeadStage| {
        counts
            .get(&("leads".to_owned(), stage.to_string()))
            .copied()
            .unwrap_or(0)
    };
    Ok(LeadStage::ALL
        .iter()
        .map(|stage| LeadsByStage {
            stage: *stage,
            count: count(*stage),
        })
        .collect())
}

/// Sales, stage by stage; every stage is named.
pub async fn sales_by_stage(reader: &Reader) -> Result<Vec<SalesByStage>, ReadError> {
    let rows = reader
        .rows::<Sales>(|tables| counted(reader, tables, &["stage", "currency", "measure"]))
        .await?;
    let mut stages: BTreeMap<SaleStage, SalesByStage> = SaleStage::ALL
        .iter()
        .map(|stage| {
            (
                *stage,
                SalesByStage {
                    stage: *stage,
                    count: 0,
                    amount: BTreeMap::new(),
                },
            )
        })
        .collect();
    for row in &rows {
        let (stage, currency) = (SaleStage::parse(row.text(0)), Currency::parse(row.text(1)));
        let (Some(found), Some(currency)) =
            (stage.and_then(|stage| stages.get_mut(&stage)), currency)
        else {
            continue;
        };
        match row.text(2) {
            "sales" => found.count += row.count(3),
            _ if row.int(3) == 0 => {}
            _ => drop(found.amount.insert(
                currency,
                whole_units(Money {
                    minor: row.count(3),
                    currency,
                }),
            )),
        }
    }
    Ok(stages.into_values().collect())
}

/// Everything at a glance.
pub async fn read(reader: &Reader) -> Result<DashboardView, ReadError> {
    let (leads, sales) = (lead_counts(reader).await?, sales_by_stage(reader).await?);
    let of = |measure: &str, stage: &LeadStage| {
        leads
            .get(&(measure.to_owned(), stage.to_string()))
            .copied()
            .unwrap_or(0)
    };
    let sum = |measure: &str| LeadStage::ALL.iter().map(|stage| of(measure, stage)).sum();
    let (total_leads, transferred) = (sum("leads"), of("leads", &LeadStage::Transferred));
    let paid = sales.iter().find(|sales| sales.stage == SaleStage::Paid);
    Ok(DashboardView {
        total_leads,
        total_sales: sales.iter().map(|sales| sales.count).sum(),
        total_messages: sum("messages"),
        leads_by_stage: LeadStage::ALL
            .iter()
            .map(|stage| (*stage, of("leads", stage)))
            .collect(),
        conversion_rate: share(transferred, total_leads),
        paid: paid.map(|paid| paid.amount.clone()).unwrap_or_default(),
        sales_by_stage: sales
            .into_iter()
            .map(|sales| (sales.stage, sales.count))
            .collect(),
    })
}

async fn lead_counts(reader: &Reader) -> Result<BTreeMap<(String, String), u64>, ReadError> {
    let rows = reader
        .rows::<Leads>(|tables| counted(reader, tables, &["measure", "stage"]))
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            (
                (row.text(0).to_owned(), row.text(1).to_owned()),
                row.count(2),
            )
        })
        .collect())
}

fn counted(reader: &Reader, tables: &Tables, by: &[&'static str]) -> sea_query::SelectStatement {
    let mut query = Query::select();
    query
        .columns(by.iter().copied().chain(["n"]))
        .from(tables.counts());
    query.and_where(Expr::col("workspace").eq(reader.workspace().as_str()));
    query
}
