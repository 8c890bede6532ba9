//! Reports are what all events say, read one after the other by a model that knows no table: over a
//! random history with undo, corrections, two currencies, days of 23 hours and people who are forgotten.

mod naive;

use std::collections::{BTreeMap, BTreeSet};

use commands::clock::Clock;
use commands::desk::Desk;
use commands::forget;
use commands::origin::Origin;
use domain::id::{LeadId, SaleId};
use domain::lead::aggregate::Lead;
use domain::lead::command::{Gate, LeadCommand};
use domain::lead::details::{Edit, LeadField};
use domain::lead::event::{Analysis, LeadEvent};
use domain::lead::scoring::{Recommendation, Score};
use domain::lead::source::{BusinessDomain, LeadSource};
use domain::money::{Currency, Money};
use domain::pipeline::built_in;
use domain::pipeline::table::Place;
use domain::sale::aggregate::Sale;
use domain::sale::command::SaleCommand;
use domain::sale::event::SaleEvent;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use journal::position::Position;
use projections::dashboard;
use projections::db::Statement;
use projections::period::When;
use projections::reports::calendar::{Part, Per};
use projections::reports::facts::Dimension;
use projections::reports::measures::{MEASURES, Measure};
use projections::reports::read::Question;
use projections::reports::sums::Figure;
use projections::screens;
use projections::views::Reader;
use stories::dice::Dice;
use stories::servers::eventually;

use crate::kept::{Kept, built_in_tables, main_workspace};
use naive::{Naive, Value};

/// Steps between two comparisons.
const STEPS: u64 = 90;
/// Comparisons of one history.
const ROUNDS: u64 = 3;
/// Questions of each comparison.
const QUESTIONS: u64 = 60;

const BEGIN: &str = "2026-03-20T05:06:07.000008Z";
const ZONES: [&str; 4] = ["UTC", "Europe/Kyiv", "Asia/Kathmandu", "America/New_York"];
const OWNERS: [&str; 3] = ["anna", "=bohdan", "chen"];
const TAGS: [&str; 4] = ["vip", "two words", "\"quoted\"", "cold"];

struct History {
    desk: Desk,
    clock: Clock,
    dice: Dice,
    leads: u64,
    /// Sales by their number, which is their lead's.
    sales: BTreeSet<u64>,
    forgotten: BTreeSet<u64>,
    last: Option<Position>,
}

impl History {
    async fn step(&mut self) {
        let minutes = i64::try_from(1 + self.dice.below(40 * 60)).unwrap();
        let micros = i64::try_from(self.dice.below(60_000_000)).unwrap();
        self.clock
            .turn(SignedDuration::from_mins(minutes) + SignedDuration::from_micros(micros));
        let lead = 1 + self.dice.below(self.leads.max(1));
        match self.dice.below(12) {
            _ if self.leads == 0 => self.open().await,
            0..=2 => self.open().await,
            3..=4 => self.move_lead(lead).await,
            5 => self.transfer(lead).await,
            6..=7 => self.move_sale(lead).await,
            8 => self.change_amount(lead).await,
            9..=10 => self.edit(lead).await,
            _ if self.dice.once_in(3) => self.forget(lead).await,
            _ => self.undo(lead).await,
        }
    }

    async fn open(&mut self) {
        self.leads += 1;
        let domain = *self.dice.one_of(BusinessDomain::ALL);
        let command = LeadCommand::Open {
            source: *self.dice.one_of(LeadSource::ALL),
            business_domain: (!self.dice.once_in(3)).then_some(domain),
            contact: None,
            edit: self.words(),
            begins: Place::of_a_lead(),
        };
        self.lead(self.leads, command).await;
    }

    fn words(&mut self) -> Edit {
        let owner = (*self.dice.one_of(&OWNERS)).to_owned();
        let owner = (!self.dice.once_in(4)).then_some(owner);
        let tags = TAGS.iter().filter(|_| self.dice.once_in(3));
        let tags = tags.map(|tag| (*tag).to_owned()).collect();
        Edit {
            fields: BTreeMap::from([(LeadField::Owner, owner)]),
            expected: None,
            tags: Some(tags),
        }
    }

    async fn edit(&mut self, lead: u64) {
        let command = LeadCommand::Describe {
            business_domain: None,
            contact: None,
            edit: self.words(),
        };
        self.lead(lead, command).await;
    }

    /// What only one lead has, so that it is found wherever it stands.
    fn reason(&mut self, lead: u64) -> Option<String> {
        (!self.dice.once_in(3)).then(|| format!("because-{lead}-{}", self.dice.below(2)))
    }

    async fn move_lead(&mut self, lead: u64) {
        let to = self.dice.one_of(&built_in::sales_team().stages).key;
        let reason = self.reason(lead);
        let command = LeadCommand::ChangeStage {
            to,
            seen: None,
            reason,
            table: built_in::sales_team(),
        };
        self.lead(lead, command).await;
    }

    async fn transfer(&mut self, lead: u64) {
        for to in [built_in::CONTACTED, built_in::QUALIFIED] {
            let command = LeadCommand::ChangeStage {
                to,
                seen: None,
                reason: None,
                table: built_in::sales_team(),
            };
            self.lead(lead, command).await;
        }
        let analysis = Analysis {
            score: Score::MAX,
            recommendation: Recommendation::TransferToSales,
            reason: "model".into(),
            analyst: "rules".into(),
            at: self.clock.now(),
        };
        self.lead(lead, LeadCommand::RecordAnalysis(analysis)).await;
        let amount = self.amount();
        let gate = Gate {
            min_score: Score::MAX,
            fresh_after: Timestamp::UNIX_EPOCH,
        };
        let sale = SaleId(lead);
        let command = LeadCommand::Transfer {
            sale,
            amount,
            gate,
            table: built_in::sales_team(),
            begins: Place::of_a_sale(),
        };
        if self.lead(lead, command).await {
            let lead_id = LeadId(lead);
            let command = SaleCommand::Open {
                lead: lead_id,
                amount,
                begins: Place::of_a_sale(),
            };
            self.sale(lead, command).await;
            self.sales.insert(lead);
        }
    }

    fn amount(&mut self) -> Money {
        let currency = *self.dice.one_of(&[Currency::Uah, Currency::Eur]);
        // Now and then one of the largest, of which a hundred thousand are more than 64 bits hold.
        let minor = if self.dice.once_in(5) {
            Money::MAX_WHOLE * 100
        } else {
            1 + self.dice.below(1_000_000)
        };
        Money { minor, currency }
    }

    async fn move_sale(&mut self, sale: u64) {
        let to = self.dice.one_of(&built_in::sales().stages).key;
        for to in [to, built_in::AGREEMENT, built_in::PAID] {
            let reason = self.reason(sale);
            let command = SaleCommand::ChangeStage {
                to,
                seen: None,
                reason,
                table: built_in::sales(),
            };
            self.sale(sale, command).await;
            if self.dice.once_in(2) {
                return;
            }
        }
    }

    async fn change_amount(&mut self, sale: u64) {
        let amount = self.amount();
        self.sale(sale, SaleCommand::ChangeAmount { amount }).await;
    }

    /// Back to where it stood before its last step, as an undo appends it.
    async fn undo(&mut self, lead: u64) {
        let sale = self
            .desk
            .load::<Sale>(&main_workspace(), SaleId(lead))
            .await;
        if let Some(open) = sale.unwrap().state.open.as_ref() {
            let events = vec![SaleEvent::StageChanged {
                from: open.stage,
                to: built_in::NEW,
                outcome: domain::pipeline::table::Outcome::Open,
                reason: Some("undo".into()),
            }];
            if open.stage != built_in::NEW {
                self.sale(lead, SaleCommand::Compensate { events }).await;
            }
            return;
        }
        let found = self
            .desk
            .load::<Lead>(&main_workspace(), LeadId(lead))
            .await;
        let Some(stage) = found.unwrap().state.open.as_ref().map(|open| open.stage) else {
            return;
        };
        if stage != built_in::NEW {
            let events = vec![LeadEvent::StageChanged {
                from: stage,
                to: built_in::NEW,
                outcome: domain::pipeline::table::Outcome::Open,
                reason: Some("undo".into()),
            }];
            self.lead(lead, LeadCommand::Compensate { events }).await;
        }
    }

    /// It is about nobody known: its own key seals its words, and dies.
    async fn forget(&mut self, lead: u64) {
        let origin = Origin::new(main_workspace(), "model");
        forget::lead(&self.desk, LeadId(lead), &origin)
            .await
            .unwrap();
        self.forgotten.insert(lead);
        // What is written with the dead key for a moment more is read as nothing.
        let heads = self.desk.journal().heads().await.unwrap();
        self.saw(heads.into_iter().max_by_key(|head| head.sequence));
    }

    async fn lead(&mut self, id: u64, command: LeadCommand) -> bool {
        let origin = Origin::new(main_workspace(), "model");
        let sent = self.desk.send::<Lead>(LeadId(id), command, &origin).await;
        self.saw(sent.as_ref().ok().map(|loaded| loaded.position()));
        sent.is_ok()
    }

    async fn sale(&mut self, id: u64, command: SaleCommand) -> bool {
        let origin = Origin::new(main_workspace(), "model");
        let sent = self.desk.send::<Sale>(SaleId(id), command, &origin).await;
        self.saw(sent.as_ref().ok().map(|loaded| loaded.position()));
        sent.is_ok()
    }

    /// What changed nothing answers with an earlier position.
    fn saw(&mut self, position: Option<Position>) {
        let both = self.last.into_iter().chain(position);
        self.last = both.max_by_key(|position| position.sequence);
    }

    fn moment(&mut self) -> Timestamp {
        let begin: Timestamp = BEGIN.parse().unwrap();
        let hours = self.clock.now().duration_since(begin).as_hours();
        let hours = self.dice.below(hours.unsigned_abs() + 48);
        let seconds = self.dice.below(3600);
        begin + SignedDuration::from_secs(i64::try_from(hours * 3600 + seconds).unwrap() - 7200)
    }
}

/// A question, and the same as the model understands it.
struct Asked {
    question: Question,
    per: Option<Per>,
    zone: TimeZone,
}

fn ask(history: &mut History, naive: &Naive) -> Asked {
    let measure: &Measure = history.dice.one_of(MEASURES);
    let zone = TimeZone::get(history.dice.one_of::<&str>(&ZONES)).unwrap();
    let per = *history
        .dice
        .one_of(&[None, Some(Per::Day), Some(Per::Week), Some(Per::Month)]);
    let mut by: Vec<Dimension> = measure.dimensions().collect();
    by.retain(|_| history.dice.once_in(4));
    let dimensions: Vec<_> = measure.dimensions().collect();
    let mut only = Vec::new();
    if history.dice.once_in(3) {
        let dimension = *history.dice.one_of(&dimensions);
        let values = naive.values(dimension);
        only.extend(values.first().map(|_| {
            let value: &String = history.dice.one_of(&values);
            (dimension, value.clone())
        }));
    }
    let (mut from, mut to) = (history.moment(), history.moment());
    if from > to {
        (from, to) = (to, from);
    }
    if history.dice.once_in(2) {
        // Whole days.
        from = zone
            .to_datetime(from)
            .date()
            .to_zoned(zone.clone())
            .unwrap()
            .timestamp();
        to = zone
            .to_datetime(to)
            .date()
            .to_zoned(zone.clone())
            .unwrap()
            .timestamp();
    }
    let (from, to) = (from.as_microsecond(), to.as_microsecond());
    let whole = Part {
        first_day: None,
        from,
        to,
    };
    let parts = match per {
        Some(per) => per.parts(from, to, &zone).unwrap(),
        None if history.dice.once_in(2) => vec![whole],
        None => Vec::new(),
    };
    let as_of = history.dice.once_in(2).then(|| history.moment());
    let question = Question {
        measure,
        parts,
        by,
        only,
        as_of,
    };
    Asked {
        question,
        per,
        zone,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "compared within a hundred thousandth"
)]
fn number(figure: Figure) -> Value {
    match figure {
        Figure::Count(number) => Value::Whole(i128::from(number)),
        Figure::Money(total) if total.minor().abs() < 1 << 100 => Value::Whole(total.minor()),
        Figure::Money(total) => Value::About(total.minor() as f64),
        Figure::Real(number) => Value::About(number),
        Figure::None => Value::None,
    }
}

async fn compare(kept: &Kept, history: &mut History, what: &str) {
    let reader = kept.views.reader(main_workspace(), history.last.unwrap());
    let log = kept.journal.read(0, 0, usize::MAX >> 1).await.unwrap();
    let naive = Naive::of(log);
    the_dashboard_says_the_same(&reader).await;
    for _ in 0..QUESTIONS {
        let asked = ask(history, &naive);
        let question = &asked.question;
        let rows = question.answer(&reader).await.unwrap();
        let told: BTreeMap<_, _> = rows
            .into_iter()
            .map(|row| ((row.period, row.group), number(row.figure)))
            .filter(|(_, value)| !value.is_nothing())
            .collect();
        let expected = naive.report(question, asked.per, &asked.zone);
        let keys: BTreeSet<_> = told.keys().chain(expected.keys()).collect();
        for key in keys {
            let of = |rows: &BTreeMap<_, Value>| rows.get(key).cloned().unwrap_or(Value::None);
            assert!(
                of(&told).is(&of(&expected)),
                "{what}: {key:?} is {:?}, and should be {:?}\n{question:?} {:?}\n{told:?}\n{expected:?}",
                of(&told),
                of(&expected),
                asked.zone,
            );
        }
        if question.measure.adds_up() && question.by.iter().all(|by| *by != Dimension::Tag) {
            adds_up(&reader, question).await;
        }
    }
}

/// The dashboard counts for itself, and says the same.
async fn the_dashboard_says_the_same(reader: &Reader) {
    let told = dashboard::read(reader, &When::default(), &built_in_tables())
        .await
        .unwrap();
    let report = async |name: &str| {
        let question = Question {
            measure: Measure::named(name).unwrap(),
            parts: Vec::new(),
            by: Vec::new(),
            only: Vec::new(),
            as_of: None,
        };
        question.answer(reader).await.unwrap()
    };
    let figure = async |name: &str| report(name).await[0].figure;
    let count = |number: u64| Figure::Count(i64::try_from(number).unwrap());
    assert_eq!(figure("leads").await, count(told.total_leads));
    assert_eq!(figure("sales").await, count(told.total_sales));
    let rate = told.conversion_rate.map(Figure::Real);
    assert_eq!(Some(figure("conversion_rate").await), rate);
    let paid = told.paid.iter();
    let paid: Vec<_> = paid
        .map(|(currency, total)| (vec![currency.to_string()], Figure::Money(*total)))
        .collect();
    let revenue = report("cohort_revenue").await.into_iter();
    let mut revenue: Vec<_> = revenue.map(|row| (row.group, row.figure)).collect();
    revenue.sort_by_key(|(group, _)| paid.iter().position(|(other, _)| other == group));
    assert_eq!(revenue, paid);
}

/// The rows of a divided period are together what the period is undivided.
async fn adds_up(reader: &Reader, question: &Question) {
    let (Some(first), Some(last)) = (question.parts.first(), question.parts.last()) else {
        return;
    };
    let whole = Question {
        parts: vec![Part {
            first_day: None,
            from: first.from,
            to: last.to,
        }],
        ..question.clone()
    };
    let sum = async |question: &Question| {
        let rows = question.answer(reader).await.unwrap();
        let sum = rows.into_iter().map(|row| match number(row.figure) {
            Value::Whole(number) => number,
            Value::About(_) | Value::None => 0,
        });
        sum.sum::<i128>()
    };
    assert_eq!(sum(question).await, sum(&whole).await, "{question:?}");
}

pub async fn reports_are_what_all_events_say(mut kept: Kept) {
    let clock = Clock::manual(BEGIN.parse().unwrap());
    kept.desk = Desk::local(kept.journal.clone(), clock.clone());
    let _follower = kept.follow("one", screens());
    let mut history = History {
        desk: kept.desk.clone(),
        clock,
        dice: Dice::new(7),
        leads: 0,
        sales: BTreeSet::new(),
        forgotten: BTreeSet::new(),
        last: None,
    };
    for round in 0..ROUNDS {
        for _ in 0..STEPS {
            history.step().await;
        }
        compare(&kept, &mut history, &format!("round {round}")).await;
    }
    assert!(history.sales.len() > 2, "it has everything");
    let told = leads_with_reasons(&kept).await;
    assert!(told.len() > 5, "reasons are kept: {told:?}");
    for lead in told.iter().step_by(2) {
        history.forget(*lead).await;
    }
    compare(&kept, &mut history, "after people were forgotten").await;
    nothing_is_left_of_who_was_forgotten(&kept, &history).await;
    rebuild(&kept).await;
    compare(&kept, &mut history, "built from the log alone").await;
    nothing_is_left_of_who_was_forgotten(&kept, &history).await;
}

async fn nothing_is_left_of_who_was_forgotten(kept: &Kept, history: &History) {
    let told = leads_with_reasons(kept).await;
    assert!(!told.is_empty(), "reasons of others are kept");
    let left: Vec<_> = history.forgotten.intersection(&told).collect();
    assert!(left.is_empty(), "reasons of {left:?} are left");
}

async fn rebuild(kept: &Kept) {
    let (all, heads) = (screens(), kept.journal.heads().await.unwrap());
    let reports = all
        .iter()
        .find(|screen| screen.name() == "reports")
        .unwrap();
    let log = kept.journal.identity();
    kept.registry.begin(&**reports, &log, &heads).await.unwrap();
    assert!(eventually(async || kept.active("reports").await == (1, 2)).await);
}

/// The leads of which a reason stands in any table: reasons name them.
async fn leads_with_reasons(kept: &Kept) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let tables = kept.tables().await;
    let tables: Vec<_> = tables
        .iter()
        .filter(|table| {
            table.starts_with("reports_") && !table.contains("_by_") && !table.contains("_of_none")
        })
        .collect();
    assert_eq!(tables.len(), 4, "{tables:?}");
    for table in tables {
        let column = if table.contains("counts") || table.contains("facts") {
            "reason"
        } else {
            "record"
        };
        let query = Statement {
            sql: format!("SELECT \"{column}\" FROM \"{table}\"").into(),
            values: Vec::new(),
            fences: false,
        };
        for row in kept.registry.db().rows(query).await.unwrap() {
            let pieces = row.text(0).split("because-").skip(1);
            found.extend(pieces.map(|piece| {
                let end = piece.find('-').unwrap();
                piece[..end].parse::<u64>().unwrap()
            }));
        }
    }
    found
}
