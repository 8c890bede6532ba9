//! Everything at a glance: how many of the leads and sales that came in in a period, or ever, stand
//! where now.

use std::collections::BTreeMap;

use domain::lead::stage::LeadStage;
use domain::money::Currency;
use domain::sale::stage::SaleStage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::funnel::share;
use crate::leads::Leads;
use crate::period::When;
use crate::sales::Sales;
use crate::slots;
use crate::total::Total;
use crate::views::{ReadError, Reader};

/// Leads, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeadsByStage {
    /// `new`, `contacted`, …
    pub stage: LeadStage,
    /// Leads that stand there.
    pub count: u64,
    /// The zone whose days `from` and `to` name.
    pub time_zone: String,
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
    pub amount: BTreeMap<Currency, Total>,
    /// The zone whose days `from` and `to` name.
    pub time_zone: String,
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
    pub paid: BTreeMap<Currency, Total>,
    /// The zone whose days `from` and `to` name.
    pub time_zone: String,
}

/// Leads, stage by stage; every stage is named.
pub async fn leads_by_stage(reader: &Reader, when: &When) -> Result<Vec<LeadsByStage>, ReadError> {
    let counts = lead_counts(reader, when).await?;
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
            time_zone: when.zone.clone(),
        })
        .collect())
}

/// Sales, stage by stage; every stage is named.
pub async fn sales_by_stage(reader: &Reader, when: &When) -> Result<Vec<SalesByStage>, ReadError> {
    let by = ["stage", "currency", "measure"];
    let counts = slots::counted::<Sales>(reader, when.period, &[], &by).await?;
    let mut stages: BTreeMap<SaleStage, SalesByStage> = SaleStage::ALL
        .iter()
        .map(|stage| {
            (
                *stage,
                SalesByStage {
                    stage: *stage,
                    count: 0,
                    amount: BTreeMap::new(),
                    time_zone: when.zone.clone(),
                },
            )
        })
        .collect();
    for (key, count) in &counts {
        let (stage, currency) = (SaleStage::parse(&key[0]), Currency::parse(&key[1]));
        let (Some(found), Some(currency)) =
            (stage.and_then(|stage| stages.get_mut(&stage)), currency)
        else {
            continue;
        };
        match key[2].as_str() {
            "sales" => found.count += count.unsigned_abs(),
            measure => found
                .amount
                .entry(currency)
                .or_default()
                .add(measure, *count),
        }
    }
    for found in stages.values_mut() {
        found.amount.retain(|_, total| !total.is_zero());
    }
    Ok(stages.into_values().collect())
}

/// Everything at a glance.
pub async fn read(reader: &Reader, when: &When) -> Result<DashboardView, ReadError> {
    let leads = lead_counts(reader, when).await?;
    let sales = sales_by_stage(reader, when).await?;
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
        time_zone: when.zone.clone(),
    })
}

async fn lead_counts(
    reader: &Reader,
    when: &When,
) -> Result<BTreeMap<(String, String), u64>, ReadError> {
    let by = ["measure", "stage"];
    let counts = slots::counted::<Leads>(reader, when.period, &[], &by).await?;
    let pair = |(key, count): (Vec<String>, i64)| {
        let [measure, stage] = <[String; 2]>::try_from(key).unwrap_or_default();
        ((measure, stage), count.unsigned_abs())
    };
    Ok(counts.into_iter().map(pair).collect())
}
