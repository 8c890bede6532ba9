//! Which leads a batch of changes touches. Sales go by their lead.

use std::collections::{HashMap, HashSet};

use cqrs_es::Aggregate as _;
use domain::lead::aggregate::Lead;
use domain::sale::aggregate::Sale;
use domain::sale::event::SaleEvent;
use journal::token::StreamId;

use super::Key;
use super::tables::ReportTables;
use crate::change::{Change, Followed};
use crate::db::{Db, DbError};
use crate::projection::{Poison, poison};

/// What a change means for a lead and its sales.
pub(super) enum Touch<'a> {
    Lead(&'a Change),
    Sale(u64, &'a Change),
    Forget(&'a Change),
}

pub(super) struct Routed<'a> {
    pub(super) touched: Vec<(Key, Touch<'a>)>,
    pub(super) poisoned: Vec<Poison>,
}

/// Which leads these changes touch. Sales go by their lead.
pub(super) async fn route<'a>(
    db: &Db,
    tables: &ReportTables,
    changes: &'a [Followed],
    parked: &HashSet<StreamId>,
) -> Result<Routed<'a>, DbError> {
    let mut poisoned: Vec<Poison> = Vec::new();
    let mut followed = Vec::new();
    for change in changes {
        let Some(stream) = change.stream().filter(is_followed) else {
            continue;
        };
        let stands = parked.contains(&stream) || poisoned.iter().any(|one| one.stream == stream);
        match change {
            // It does not follow the record any more, but it must not show for ever what was erased.
            Followed::Change(change) if stands && !change.erases() => {}
            Followed::Change(change) => match (&change.events, change.number()) {
                (Err(reason), _) if !change.erases() => {
                    poisoned.push(poison(stream, change, reason));
                }
                (_, None) => poisoned.push(poison(stream, change, "its id is no number")),
                (_, Some(id)) => followed.push((stream, id, change)),
            },
            Followed::Unreadable(_) if stands => {}
            Followed::Unreadable(unreadable) => poisoned.extend(Poison::of(unreadable)),
        }
    }
    let leads = leads_of_sales(db, tables, &followed).await?;
    let touch = |(stream, id, change): (StreamId, u64, &'a Change)| {
        let workspace = stream.workspace;
        if stream.category.as_str() == Sale::TYPE {
            let lead = *leads.get(&(workspace.clone(), id))?;
            return Some(((workspace, lead), Touch::Sale(id, change)));
        }
        let touch = if change.erases() {
            Touch::Forget(change)
        } else {
            Touch::Lead(change)
        };
        Some(((workspace, id), touch))
    };
    let touched = followed.into_iter().filter_map(touch).collect();
    Ok(Routed { touched, poisoned })
}

fn is_followed(stream: &StreamId) -> bool {
    [Lead::TYPE, Sale::TYPE].contains(&stream.category.as_str())
}

/// The lead of each sale: as it says when it is opened, and as it said before.
async fn leads_of_sales(
    db: &Db,
    tables: &ReportTables,
    followed: &[(StreamId, u64, &Change)],
) -> Result<HashMap<Key, u64>, DbError> {
    let sales = followed
        .iter()
        .filter(|(stream, ..)| stream.category.as_str() == Sale::TYPE);
    let mut opened = HashMap::new();
    let mut before = Vec::new();
    for (stream, id, change) in sales {
        let key = (stream.workspace.clone(), *id);
        match opens(change) {
            Some(lead) => drop(opened.insert(key, lead)),
            None => before.push(key),
        }
    }
    before.retain(|key| !opened.contains_key(key));
    let mut leads: HashMap<Key, u64> = tables.sales.load(db, before.iter()).await?;
    leads.extend(opened);
    Ok(leads)
}

/// The lead of a sale that a change opens.
pub(super) fn opens(change: &Change) -> Option<u64> {
    let mut events = change.events_of::<SaleEvent>();
    events.find_map(|event| match event {
        SaleEvent::Opened { lead, .. } => Some(lead.0),
        SaleEvent::StageChanged { .. } | SaleEvent::AmountChanged { .. } => None,
    })
}
