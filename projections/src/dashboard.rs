//! Everything at a glance: how many of the leads and sales that came in in a period, or ever, stand
//! where now. What it says beside reports means the same: [`crate::reports::measures`].

use std::collections::BTreeMap;

use domain::money::Currency;
use domain::pipeline::table::{Kind, Outcome, Table};
use domain::pipeline::{PipelineId, StageKey};
use serde::Serialize;
use utoipa::ToSchema;

use crate::leads::Leads;
use crate::period::When;
use crate::pipelines;
use crate::reports::sums::share;
use crate::sales::Sales;
use crate::slots;
use crate::total::Total;
use crate::views::{ReadError, Reader};

/// Leads, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeadsByStage {
    /// `new`, `contacted`, …
    pub stage: StageKey,
    /// As people name it.
    pub name: String,
    /// Leads that stand there.
    pub count: u64,
    /// The zone whose days `from` and `to` name.
    pub time_zone: String,
}

/// Sales, stage by stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SalesByStage {
    /// `new`, `kyc`, …
    pub stage: StageKey,
    /// As people name it.
    pub name: String,
    /// Sales that stand there.
    pub count: u64,
    /// What they are worth, in whole units, by currency.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub amount: BTreeMap<Currency, Total>,
    /// The zone whose days `from` and `to` name.
    pub time_zone: String,
}

/// Everything at a glance, over all pipelines.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DashboardView {
    /// All leads: `leads` of reports.
    pub total_leads: u64,
    /// All sales: `sales` of reports.
    pub total_sales: u64,
    /// Messages exchanged with all leads.
    pub total_messages: u64,
    /// Leads by stage; those of one key together, whatever they follow. Stages of `sales-team` are named also
    /// where nobody stands.
    pub leads_by_stage: BTreeMap<StageKey, u64>,
    /// Sales by stage; those of one key together, whatever they follow. Stages of `sales` are named also where
    /// nothing stands.
    pub sales_by_stage: BTreeMap<StageKey, u64>,
    /// The share of leads that were won, from 0 to 1; nothing where there are none: `conversion_rate` of reports.
    pub conversion_rate: Option<f64>,
    /// What those sales that are won are worth, in whole units, by currency: `cohort_revenue` of reports.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub paid: BTreeMap<Currency, Total>,
    /// The zone whose days `from` and `to` name.
    pub time_zone: String,
}

/// Leads of a pipeline, stage by stage; every stage is named that is not retired or has leads.
pub async fn leads_by_stage(
    reader: &Reader,
    when: &When,
    table: &Table,
) -> Result<Vec<LeadsByStage>, ReadError> {
    let counts = lead_counts(reader, when).await?;
    let stages = table.stages.iter().filter_map(|stage| {
        let count = stands(&counts, "leads", table, stage.key);
        stage.is_shown(count).then(|| LeadsByStage {
            stage: stage.key,
            name: stage.name.clone(),
            count,
            time_zone: when.zone.clone(),
        })
    });
    Ok(stages.collect())
}

/// Sales of a pipeline, stage by stage; every stage is named that is not retired or has sales.
pub async fn sales_by_stage(
    reader: &Reader,
    when: &When,
    table: &Table,
) -> Result<Vec<SalesByStage>, ReadError> {
    let counts = sale_counts(reader, when).await?;
    let stages = table.stages.iter().filter_map(|stage| {
        let stands = counts.get(&pipelines::word(table.key, stage.key));
        let (count, amount) = stands.cloned().unwrap_or_default();
        stage.is_shown(count).then(|| SalesByStage {
            stage: stage.key,
            name: stage.name.clone(),
            count,
            amount,
            time_zone: when.zone.clone(),
        })
    });
    Ok(stages.collect())
}

/// Everything at a glance, over these pipelines.
pub async fn read(
    reader: &Reader,
    when: &When,
    tables: &[Table],
) -> Result<DashboardView, ReadError> {
    let (lead_counts, sale_counts) = (
        lead_counts(reader, when).await?,
        sale_counts(reader, when).await?,
    );
    let (mut total_leads, mut total_messages, mut won) = (0, 0, 0);
    let (mut leads_by_stage, mut sales_by_stage) = (BTreeMap::new(), BTreeMap::new());
    for (table, stage) in stages(tables, Kind::Lead) {
        let count = stands(&lead_counts, "leads", table, stage);
        total_leads += count;
        total_messages += stands(&lead_counts, "messages", table, stage);
        won += count * u64::from(table.outcome(stage) == Outcome::Won);
        if count > 0 || table.key == PipelineId::of_a_lead() {
            *leads_by_stage.entry(stage).or_insert(0) += count;
        }
    }
    let (mut total_sales, mut paid) = (0, BTreeMap::new());
    for (table, stage) in stages(tables, Kind::Sale) {
        let stands = sale_counts.get(&pipelines::word(table.key, stage));
        let (count, amount) = stands.cloned().unwrap_or_default();
        total_sales += count;
        if count > 0 || table.key == PipelineId::of_a_sale() {
            *sales_by_stage.entry(stage).or_insert(0) += count;
        }
        if table.outcome(stage) == Outcome::Won {
            for (currency, total) in amount {
                paid.entry(currency)
                    .or_insert_with(Total::default)
                    .merge(total);
            }
        }
    }
    Ok(DashboardView {
        total_leads,
        total_sales,
        total_messages,
        leads_by_stage,
        sales_by_stage,
        conversion_rate: share(won, total_leads),
        paid,
        time_zone: when.zone.clone(),
    })
}

fn stages(tables: &[Table], kind: Kind) -> impl Iterator<Item = (&Table, StageKey)> {
    let of_kind = tables.iter().filter(move |table| table.kind == kind);
    of_kind.flat_map(|table| {
        let keys = table.stages.iter().map(|stage| stage.key);
        keys.map(move |stage| (table, stage))
    })
}

fn stands(counts: &LeadCounts, measure: &str, table: &Table, stage: StageKey) -> u64 {
    let key = (measure.to_owned(), pipelines::word(table.key, stage));
    counts.get(&key).copied().unwrap_or(0)
}

/// By measure and place.
type LeadCounts = BTreeMap<(String, String), u64>;

async fn lead_counts(reader: &Reader, when: &When) -> Result<LeadCounts, ReadError> {
    let by = ["measure", "stage"];
    let counts = slots::counted::<Leads>(reader, when.period, &[], &by).await?;
    let pair = |(key, count): (Vec<String>, i64)| {
        let [measure, stage] = <[String; 2]>::try_from(key).unwrap_or_default();
        ((measure, stage), count.unsigned_abs())
    };
    Ok(counts.into_iter().map(pair).collect())
}

/// How many, and what they are worth, by place.
type SaleCounts = BTreeMap<String, (u64, BTreeMap<Currency, Total>)>;

async fn sale_counts(reader: &Reader, when: &When) -> Result<SaleCounts, ReadError> {
    let by = ["stage", "currency", "measure"];
    let counts = slots::counted::<Sales>(reader, when.period, &[], &by).await?;
    let mut found = SaleCounts::new();
    for (key, count) in &counts {
        let Some(currency) = Currency::parse(&key[1]) else {
            continue;
        };
        let (sales, amounts) = found.entry(key[0].clone()).or_default();
        match key[2].as_str() {
            "sales" => *sales += count.unsigned_abs(),
            measure => amounts.entry(currency).or_default().add(measure, *count),
        }
    }
    for (_, amounts) in found.values_mut() {
        amounts.retain(|_, total| !total.is_zero());
    }
    Ok(found)
}
