//! A model of reports: all leads and sales as the log says, looked through for each row.

use std::collections::{BTreeMap, BTreeSet};

use domain::lead::details::LeadField;
use domain::lead::event::LeadEvent;
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::money::Money;
use domain::sale::event::SaleEvent;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use journal::entry::Entry;
use projections::change::{Change, Followed};
use projections::reports::calendar::Per;
use projections::reports::facts::Dimension;
use projections::reports::read::Question;

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Whole(i128),
    About(f64),
    None,
}

impl Value {
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Whole(0) | Self::None)
    }

    #[expect(clippy::cast_precision_loss, reason = "compared within limits")]
    pub fn is(&self, expected: &Self) -> bool {
        match (self, expected) {
            (Self::About(told), Self::About(truth)) => {
                // Medians are within 5 percent, shares within a ten thousandth.
                (told - truth).abs() <= (truth.abs() * 0.05).max(0.0001)
            }
            (Self::Whole(told), Self::About(truth)) => {
                (*told as f64 - truth).abs() <= (truth.abs() * 0.000_001).max(1.0)
            }
            (one, other) => one == other,
        }
    }
}

/// A lead or a sale.
#[derive(Debug, Clone, Default)]
struct Thing {
    opened: Option<Timestamp>,
    stage: String,
    moved: Option<Timestamp>,
    reason: Option<String>,
    amount: Option<Money>,
    source: Option<LeadSource>,
    domain: Option<BusinessDomain>,
    owner: Option<String>,
    tags: BTreeSet<String>,
}

impl Thing {
    fn outcome(&self) -> &'static str {
        match self.stage.as_str() {
            "transferred" | "paid" => "won",
            "lost" => "lost",
            _ => "open",
        }
    }

    fn closed(&self) -> Option<Timestamp> {
        self.moved.filter(|_| self.outcome() != "open")
    }

    fn values(&self, dimension: Dimension) -> Vec<String> {
        let one = match dimension {
            Dimension::Tag if !self.tags.is_empty() => return self.tags.iter().cloned().collect(),
            Dimension::Tag => None,
            Dimension::Currency => self.amount.map(|amount| amount.currency.to_string()),
            Dimension::Pipeline if self.amount.is_some() => Some("sales".into()),
            Dimension::Pipeline => Some("sales-team".into()),
            Dimension::Stage => Some(self.stage.clone()),
            Dimension::Outcome => Some(self.outcome().into()),
            Dimension::Source => self.source.map(|source| source.to_string()),
            Dimension::BusinessDomain => self.domain.map(|domain| domain.to_string()),
            Dimension::Owner => self.owner.clone(),
            Dimension::Reason => self.reason.clone(),
        };
        vec![one.unwrap_or_default()]
    }
}

/// The log.
pub struct Naive(Vec<Change>);

impl Naive {
    pub fn of(log: Vec<Entry>) -> Self {
        let changes = log.into_iter().map(Followed::from);
        let changes = changes.map(|followed| match followed {
            Followed::Change(change) => change,
            Followed::Unreadable(_) => panic!("all of it can be read"),
        });
        Self(changes.collect())
    }

    /// Every value that anything ever had.
    pub fn values(&self, dimension: Dimension) -> Vec<String> {
        let (leads, sales) = self.things(None);
        let all = leads.values().chain(sales.values());
        let values: BTreeSet<_> = all.flat_map(|thing| thing.values(dimension)).collect();
        values.into_iter().collect()
    }

    fn things(&self, as_of: Option<Timestamp>) -> (BTreeMap<u64, Thing>, BTreeMap<u64, Thing>) {
        let (mut leads, mut sales) = (BTreeMap::new(), BTreeMap::new());
        let mut lead_of = BTreeMap::new();
        for (place, change) in self.0.iter().enumerate() {
            let at = change.recorded.commit.at;
            let id = change.number().unwrap_or_default();
            if as_of.is_some_and(|then| at > then) {
                continue;
            }
            for event in change.events_of::<LeadEvent>() {
                let told = self.tells(place, id, at);
                lead(leads.entry(id).or_default(), event, at, told);
            }
            for event in change.events_of::<SaleEvent>() {
                if let SaleEvent::Opened { lead, .. } = event {
                    lead_of.insert(id, lead.0);
                }
                let told = self.tells(place, lead_of[&id], at);
                sale(sales.entry(id).or_default(), event, at, told);
            }
        }
        for (id, sale) in &mut sales {
            let lead: &Thing = &leads[&lead_of[id]];
            (sale.source, sale.domain) = (lead.source, lead.domain);
            (sale.owner, sale.tags) = (lead.owner.clone(), lead.tags.clone());
        }
        (leads, sales)
    }

    /// Whether words at this place may be told: nobody asked later that they be forgotten, nor a
    /// moment before.
    fn tells(&self, place: usize, lead: u64, at: Timestamp) -> bool {
        let forgets = |(other, change): (usize, &Change)| {
            change.number() == Some(lead)
                && change.erases()
                && (other > place || at.duration_since(change.recorded.commit.at).as_secs() < 60)
        };
        !self.0.iter().enumerate().any(forgets)
    }

    /// The rows that are not nothing.
    pub fn report(
        &self,
        question: &Question,
        per: Option<Per>,
        zone: &TimeZone,
    ) -> BTreeMap<(Option<Date>, Vec<String>), Value> {
        let (leads, sales) = self.things(question.as_of);
        let name = question.measure.name;
        let of_leads = name.starts_with("lead") || name.contains("conver");
        let things: Vec<Thing> = if of_leads { leads } else { sales }.into_values().collect();
        let wanted = |thing: &&Thing| {
            let mut only = question.only.iter();
            only.all(|(by, value)| *by == Dimension::Tag || thing.values(*by).contains(value))
        };
        let things: Vec<&Thing> = things.iter().filter(wanted).collect();
        let mut rows = BTreeMap::new();
        for (period, from, to) in periods(question, per, zone) {
            let mut groups: BTreeMap<Vec<String>, Vec<&Thing>> = BTreeMap::new();
            for thing in &things {
                for group in groups_of(thing, question) {
                    groups.entry(group).or_default().push(thing);
                }
            }
            for (group, things) in groups {
                let value = figure(name, &things, from, to);
                if !value.is_nothing() {
                    rows.insert((period, group), value);
                }
            }
        }
        rows
    }
}

/// What can be read, and may be told.
fn words(text: Option<&String>, told: bool) -> Option<String> {
    text.filter(|text| told && *text != "erased").cloned()
}

fn lead(lead: &mut Thing, event: &LeadEvent, at: Timestamp, told: bool) {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a model of what is reported"
    )]
    match event {
        LeadEvent::Opened {
            source,
            business_domain,
            ..
        } => {
            (lead.opened, lead.moved) = (Some(at), Some(at));
            (lead.source, lead.domain) = (Some(*source), *business_domain);
            lead.stage = "new".into();
        }
        LeadEvent::StageChanged { to, reason, .. } => {
            (lead.stage, lead.moved) = (to.to_string(), Some(at));
            lead.reason = words(reason.as_ref(), told);
        }
        LeadEvent::Transferred { .. } => {
            (lead.stage, lead.moved) = ("transferred".into(), Some(at));
            lead.reason = None;
        }
        LeadEvent::DomainSet { business_domain } => lead.domain = Some(*business_domain),
        LeadEvent::DomainCleared {} => lead.domain = None,
        LeadEvent::FieldChanged { field, to, .. } if *field == LeadField::Owner => {
            lead.owner = words(to.as_ref(), told);
        }
        LeadEvent::TagAdded { tag } => lead.tags.extend(words(Some(tag), told)),
        LeadEvent::TagRemoved { tag } => drop(lead.tags.remove(tag)),
        _ => {}
    }
}

fn sale(sale: &mut Thing, event: &SaleEvent, at: Timestamp, told: bool) {
    match event {
        SaleEvent::Opened { amount, .. } => {
            (sale.opened, sale.moved) = (Some(at), Some(at));
            (sale.stage, sale.amount) = ("new".into(), Some(*amount));
        }
        SaleEvent::StageChanged { to, reason, .. } => {
            (sale.stage, sale.moved) = (to.to_string(), Some(at));
            sale.reason = words(reason.as_ref(), told);
        }
        SaleEvent::AmountChanged { to, .. } => sale.amount = Some(*to),
    }
}

/// A thing is in the group of each of its tags.
fn groups_of(thing: &Thing, question: &Question) -> Vec<Vec<String>> {
    let tags = question.only.iter().find(|(by, _)| *by == Dimension::Tag);
    let tags = tags.map(|(_, tag)| tag);
    let is_tagged = tags.is_none_or(|tag| thing.values(Dimension::Tag).contains(tag));
    let mut groups: Vec<Vec<String>> = is_tagged.then(Vec::new).into_iter().collect();
    for by in question.grouped_by() {
        let values = thing.values(by).into_iter();
        let values =
            values.filter(|value| by != Dimension::Tag || tags.is_none_or(|tag| tag == value));
        let with = |value: String| {
            let with = move |group: &Vec<String>| [group.clone(), vec![value.clone()]].concat();
            groups.iter().map(with).collect::<Vec<_>>()
        };
        groups = values.flat_map(with).collect();
    }
    groups
}

type Spanned = (Option<Date>, i64, i64);

/// Day by day, those that have the same name together.
fn periods(question: &Question, per: Option<Per>, zone: &TimeZone) -> Vec<Spanned> {
    let (Some(first), Some(last)) = (question.parts.first(), question.parts.last()) else {
        return vec![(None, i64::MIN, i64::MAX)];
    };
    let Some(per) = per else {
        return vec![(None, first.from, last.to)];
    };
    let mut periods: Vec<Spanned> = Vec::new();
    let mut begin = first.from;
    while begin < last.to {
        let day = zone
            .to_datetime(Timestamp::from_microsecond(begin).unwrap())
            .date();
        let next = day.tomorrow().unwrap().to_zoned(zone.clone()).unwrap();
        let end = next.timestamp().as_microsecond().min(last.to);
        let name = match per {
            Per::Day => day,
            Per::Week => day.iso_week_date().first_of_week().unwrap().date(),
            Per::Month => Date::new(day.year(), day.month(), 1).unwrap(),
        };
        match periods.last_mut() {
            Some(known) if known.0 == Some(name) => known.2 = end,
            _ => periods.push((Some(name), begin, end)),
        }
        begin = end;
    }
    periods
}

#[expect(clippy::cast_precision_loss, reason = "compared within limits")]
fn figure(name: &str, things: &[&Thing], from: i64, to: i64) -> Value {
    let within =
        |at: Option<Timestamp>| at.is_some_and(|at| (from..to).contains(&at.as_microsecond()));
    let by_then = |at: Option<Timestamp>| at.is_some_and(|at| at.as_microsecond() < to);
    let things = || things.iter().copied();
    let opened: Vec<&Thing> = things().filter(|thing| within(thing.opened)).collect();
    let ended = |outcome: &'static str| -> Vec<&Thing> {
        let ended = things().filter(|thing| within(thing.closed()));
        ended.filter(|thing| thing.outcome() == outcome).collect()
    };
    let (won, lost) = (ended("won"), ended("lost"));
    let open: Vec<&Thing> = things()
        .filter(|thing| by_then(thing.opened) && !by_then(thing.closed()))
        .collect();
    let is_won = |thing: &&&Thing| thing.outcome() == "won";
    let converted: Vec<&Thing> = opened.iter().filter(is_won).copied().collect();
    let number = |things: &[&Thing]| Value::Whole(things.len() as i128);
    let minor = |things: &[&Thing]| -> i128 {
        let amounts = things.iter().filter_map(|thing| thing.amount);
        amounts.map(|amount| i128::from(amount.minor)).sum()
    };
    let mut times: Vec<f64> = won
        .iter()
        .map(|thing| {
            let lasted = thing.moved.unwrap().duration_since(thing.opened.unwrap());
            lasted.as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let share = |part: usize, whole: usize| match whole {
        0 => Value::None,
        _ => Value::About(part as f64 / whole as f64),
    };
    match name {
        "leads" | "sales" => number(&opened),
        "leads_converted" => number(&converted),
        "conversion_rate" => share(converted.len(), opened.len()),
        "leads_won" | "sales_won" => number(&won),
        "leads_lost" | "sales_lost" => number(&lost),
        "win_rate" => share(won.len(), won.len() + lost.len()),
        "sales_value" => Value::Whole(minor(&opened)),
        "revenue" => Value::Whole(minor(&won)),
        "lost_value" => Value::Whole(minor(&lost)),
        "cohort_revenue" => Value::Whole(minor(&converted)),
        "open_sales" => number(&open),
        "open_value" => Value::Whole(minor(&open)),
        _ if won.is_empty() => Value::None,
        "average_sale" => Value::About(minor(&won) as f64 / won.len() as f64),
        "average_time_to_convert" | "average_time_to_win" => Value::About(mean),
        "median_time_to_convert" | "median_time_to_win" => {
            Value::About(times[(times.len() - 1) / 2])
        }
        "sales_velocity" if mean == 0.0 => Value::None,
        "sales_velocity" => {
            let rate = won.len() as f64 / (won.len() + lost.len()) as f64;
            let average = minor(&won) as f64 / won.len() as f64;
            let velocity = open.len() as f64 * rate * average / (mean / 86_400.0);
            if velocity < 0.5 {
                Value::None
            } else {
                Value::About(velocity)
            }
        }
        unknown => panic!("the model knows no {unknown}"),
    }
}
