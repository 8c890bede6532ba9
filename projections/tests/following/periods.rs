//! A period holds what came in in it, whatever its ends, the zone and its clocks; and the tables of
//! the version before answer what they can.

use std::collections::BTreeMap;
use std::sync::Arc;

use commands::clock::Clock;
use commands::desk::Desk;
use commands::origin::Origin;
use domain::id::{LeadId, SaleId};
use domain::money::{Currency, Money};
use domain::pipeline::built_in;
use domain::pipeline::table::Place;
use domain::sale::aggregate::Sale;
use domain::sale::command::SaleCommand;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use journal::position::Position;
use projections::before;
use projections::funnel::{self, Funnel, Which};
use projections::leads::Leads;
use projections::period::When;
use projections::projection::{Projection as _, Screen, screen};
use projections::sales::Sales;
use projections::views::{ReadError, Reader};
use projections::{dashboard, screens};
use stories::servers::eventually;

use crate::kept::built_in_tables;
use crate::kept::{Kept, contact, main_workspace, open};

/// Leads that come in, one every 37 minutes and a little more: over six days, in the middle of
/// which clocks of Kyiv skip an hour.
const LEADS: u64 = 240;
const EVERY: SignedDuration = SignedDuration::new(37 * 60 + 11, 7000);

struct Came {
    at: Timestamp,
    contacted: bool,
}

/// Leads, each with a sale of its own; when each came in.
async fn history(kept: &mut Kept) -> (Vec<Came>, Position) {
    let clock = Clock::manual("2026-03-26T03:04:05.000006Z".parse().unwrap());
    kept.desk = Desk::local(kept.journal.clone(), clock.clone());
    let mut all = Vec::new();
    let mut last = None;
    for lead in 1..=LEADS {
        let (at, contacted) = (clock.now(), lead % 3 == 0);
        last = Some(open(&kept.desk, lead).await);
        if contacted {
            contact(&kept.desk, lead).await;
        }
        let sale = SaleCommand::Open {
            lead: LeadId(lead),
            amount: Money {
                minor: lead,
                currency: Currency::parse("UAH").unwrap(),
            },
            begins: Place::of_a_sale(),
        };
        let origin = Origin::new(main_workspace(), "test");
        let sale = kept.desk.send::<Sale>(SaleId(lead), sale, &origin);
        last = Some(sale.await.unwrap().position()).or(last);
        all.push(Came { at, contacted });
        clock.turn(EVERY);
    }
    (all, last.unwrap())
}

const PERIODS: &[(&str, &str)] = &[
    ("2026-03-27", "2026-03-27"),
    ("2026-03-29", "2026-03-29"),
    ("2026-03-28", "2026-03-30"),
    ("2026-03-26", "2026-04-02"),
    ("2026-03-27T08:37:12+02:00", "2026-03-29"),
    ("2026-03-27T08:37:12Z", "2026-03-27T08:38:00Z"),
    ("2026-03-27T08:15:00Z", "2026-03-27T19:30:00Z"),
    ("2026-03-27T00:00:00Z", "2026-03-31T00:00:00Z"),
    ("2020-01-01", "2020-12-31"),
    ("2020-01-01", "2039-12-31"),
];

async fn is_as_counted(reader: &Reader, when: &When, came: &[Came], what: &str) {
    let within: Vec<_> = came
        .iter()
        .zip(1_i64..)
        .filter(|(came, _)| when.period.is_none_or(|period| period.contains(came.at)))
        .collect();
    let contacted = within.iter().filter(|(came, _)| came.contacted).count();
    let all = dashboard::read(reader, when, &built_in_tables())
        .await
        .unwrap();
    let stages = &all.leads_by_stage;
    assert_eq!(all.total_leads, within.len() as u64, "{what}");
    assert_eq!(all.total_sales, within.len() as u64, "{what}");
    assert_eq!(stages[&built_in::CONTACTED], contacted as u64, "{what}");
    let sales = dashboard::sales_by_stage(reader, when, &built_in::sales())
        .await
        .unwrap();
    let hundredths: i64 = within.iter().map(|(_, minor)| minor).sum();
    let amount = sales[0]
        .amount
        .values()
        .next()
        .and_then(|total| total.to_string().parse::<f64>().ok());
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let told = hundredths as f64 / 100.0;
    assert!(
        (amount.unwrap_or(0.0) - told).abs() < 0.001,
        "{what}: {amount:?}"
    );
    let which = Which {
        when: when.clone(),
        pipeline: built_in::sales_team(),
        source: None,
        business_domain: None,
    };
    let funnel = funnel::read(reader, &which).await.unwrap();
    assert_eq!(funnel.total, within.len() as u64, "{what}");
    assert_eq!(funnel.stages[1].entered, contacted as u64, "{what}");
    assert_eq!(funnel.time_zone, when.zone);
}

pub async fn a_period_holds_what_came_in_in_it(mut kept: Kept) {
    let _follower = kept.follow("one", screens());
    let (came, last) = history(&mut kept).await;
    let reader = kept.views.reader(main_workspace(), last);
    is_as_counted(&reader, &When::default(), &came, "ever").await;
    for zone in ["UTC", "Europe/Kyiv", "Asia/Kathmandu", "America/St_Johns"] {
        let zone = TimeZone::get(zone).unwrap();
        for (from, to) in PERIODS {
            for ends in [
                (Some(*from), Some(*to)),
                (Some(*from), None),
                (None, Some(*to)),
            ] {
                let when = When::asked(ends.0, ends.1, &zone).unwrap();
                is_as_counted(&reader, &when, &came, &format!("{ends:?} {zone:?}")).await;
            }
        }
    }
}

/// An installation of the version before, over which a newer program reads before anything is built.
pub async fn tables_of_the_version_before_answer_what_they_can(mut kept: Kept) {
    let before: Arc<[Box<dyn Screen>]> = Arc::new([
        screen::<before::Leads>(),
        screen::<before::Sales>(),
        screen::<before::Funnel>(),
    ]);
    let older = kept.follow("older", before);
    let (came, last) = history(&mut kept).await;
    let reader = kept.views.reader(main_workspace(), last);
    is_as_counted(&reader, &When::default(), &came, "ever").await;
    let ask = |from: &str, to: &str| Which {
        when: When::asked(Some(from), Some(to), &TimeZone::UTC).unwrap(),
        pipeline: built_in::sales_team(),
        source: None,
        business_domain: None,
    };
    let days = ask("2026-03-28", "2026-03-30");
    let within = came
        .iter()
        .filter(|came| days.when.period.unwrap().contains(came.at));
    let funnel = funnel::read(&reader, &days).await.unwrap();
    assert_eq!(funnel.total, within.count() as u64, "days of UTC");
    let moments = ask("2026-03-28T10:00:00Z", "2026-03-28T11:00:00Z");
    let refusal = funnel::read(&reader, &moments).await.unwrap_err();
    assert!(
        matches!(refusal, ReadError::Building("funnel")),
        "{refusal}"
    );
    drop(older);
    kept.let_go("older").await;
    let _newer = kept.follow("newer", screens());
    let built = async || {
        let all = kept.registry.generations().await.unwrap();
        let versions: BTreeMap<_, _> = all
            .iter()
            .map(|known| (known.name.as_str(), (known.version, known.number)))
            .collect();
        let raised = [
            (Leads::NAME, (Leads::VERSION, 2)),
            (Sales::NAME, (Sales::VERSION, 2)),
            (Funnel::NAME, (Funnel::VERSION, 2)),
        ];
        raised
            .iter()
            .all(|(name, made)| versions.get(name) == Some(made))
            && all.len() == versions.len()
    };
    assert!(eventually(built).await);
    is_as_counted(&reader, &moments.when, &came, "built").await;
    is_as_counted(&reader, &When::default(), &came, "built").await;
}
