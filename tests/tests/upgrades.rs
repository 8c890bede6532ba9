//! A newer program starts on a log that has history, with a screen more and raised versions of
//! others, while clients write and read: none is refused, and none sees less than it was told.
//!
//! It takes the better part of a minute: the load is what it is about. `UPGRADE_COMMITS=5000` plays it
//! on fewer.

#[path = "../benches/rapport/fill.rs"]
mod fill;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::pipeline::built_in;
use journal::sqlite::SqliteJournal;
use journal::{Backend, Journal};
use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::eventually;

use fill::{fill, moved, opened};

/// The program before: it lacks a screen, and has others in their versions before those of today.
const OLDER: &str =
    "leads=2,sales=2,contacts=2,contact_addresses=0,funnel=2,webhooks=1,due=1,deliveries=0";
/// Far from the numbers that the program gives.
const FIRST: u64 = 1_000_000;
const CLIENTS: usize = 4;

/// Commits, unless the environment says how many.
const COMMITS: u64 = 200_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_under_load_is_not_noticed() {
    let commits = std::env::var("UPGRADE_COMMITS").map(|text| text.parse().unwrap());
    let commits = commits.unwrap_or(COMMITS);
    let mut crm = Crm::embedded_with(&[("RAPPORT_OLDER_SCREENS", OLDER)]).await;
    crm.last().kill_hard();
    filled(&crm, commits).await;
    crm.last().restart().await;
    let shown = async || crm.get("/api/v1/dashboard").await.body["total_leads"] == commits / 2;
    assert!(
        patiently(shown).await,
        "the program before shows its history"
    );
    assert!(
        generations(&crm)
            .iter()
            .all(|(name, _)| name != "deliveries")
    );
    crm.last().set("RAPPORT_OLDER_SCREENS", None);
    crm.last().stop();
    crm.last().restart().await;
    let (begun, built) = (Instant::now(), AtomicBool::new(false));
    let (asked, slowest) = (AtomicU64::new(0), AtomicU64::new(0));
    let clients = (0..CLIENTS).map(|_| client(&crm, &built, &asked, &slowest));
    let watch = async {
        let done = patiently(async || is_today(&generations(&crm))).await;
        let took = begun.elapsed();
        built.store(true, Ordering::SeqCst);
        assert!(done, "it is never built: {:?}", generations(&crm));
        took
    };
    let (took, _) = tokio::join!(watch, futures::future::join_all(clients));
    let total = crm.get("/api/v1/dashboard").await.good()["total_leads"].clone();
    let funnel = crm.get("/api/v1/dashboard/conversion-funnel").await.good()["total"].clone();
    let ever = crm.get("/api/v1/dashboard?from=2001-01-01").await.good()["total_leads"].clone();
    assert!(total == funnel && total == ever, "{total} {funnel} {ever}");
    let (asked, slowest) = (
        asked.into_inner(),
        Duration::from_micros(slowest.into_inner()),
    );
    println!(
        "{commits} commits, built in {took:.1?}, {asked} reads meanwhile, the slowest {slowest:.1?}"
    );
    assert!(asked > 50, "there was load: {asked}");
}

/// Other tests may be at work too.
async fn patiently(mut holds: impl AsyncFnMut() -> bool) -> bool {
    for _ in 0..5 {
        if eventually(&mut holds).await {
            return true;
        }
    }
    false
}

/// Half of the commits open leads, the other half move them on.
async fn filled(crm: &Crm, commits: u64) {
    let log = SqliteJournal::open(&crm.folder().join("data/log.db")).unwrap();
    let story = [
        vec![opened()],
        vec![moved(built_in::NEW, built_in::CONTACTED)],
    ];
    let leads = FIRST..=FIRST + commits / 2 - 1;
    fill(&Journal::from(Backend::Sqlite(log)), leads, |_| &story).await;
}

/// Each generation that there is, and its version.
fn generations(crm: &Crm) -> Vec<(String, u64)> {
    let listed = crm.cli_good(&["projections", "list", "--json"]);
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    let one = |known: &Value| {
        let name = known["name"].as_str().unwrap_or_default().to_owned();
        (name, known["version"].as_u64().unwrap_or_default())
    };
    let active = listed.iter().filter(|known| known["active"] == true);
    active.map(one).collect()
}

fn is_today(active: &[(String, u64)]) -> bool {
    projections::projection::newest(&projections::screens())
        .all(|screen| active.contains(&(screen.name().to_owned(), screen.version().into())))
}

/// Opens leads and looks at them, until everything is built.
async fn client(crm: &Crm, built: &AtomicBool, asked: &AtomicU64, slowest: &AtomicU64) {
    let mut counted = 0;
    while !built.load(Ordering::SeqCst) {
        let get = async |path: String| {
            let begun = Instant::now();
            let answer = crm.get(&path).await;
            asked.fetch_add(1, Ordering::SeqCst);
            let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            slowest.fetch_max(took, Ordering::SeqCst);
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            answer.body
        };
        let lead = crm
            .post("/api/v1/leads", json!({ "source": "manual" }))
            .await;
        let id = lead.good()["id"].as_u64().expect("a number");
        let card = get(format!("/api/v1/leads/{id}")).await;
        assert_eq!(card["stage"], "new", "what was told is shown");
        let moved = json!({ "stage": "contacted" });
        crm.patch(&format!("/api/v1/leads/{id}/stage"), moved)
            .await
            .good();
        let card = get(format!("/api/v1/leads/{id}")).await;
        assert_eq!(card["stage"], "contacted", "and what came of it");
        get(format!("/api/v1/leads?limit=5&cursor={}", id + 1)).await;
        for list in ["sales", "contacts", "webhooks"] {
            get(format!("/api/v1/{list}?limit=1")).await;
        }
        let day = "?from=2026-01-01&to=2026-01-02";
        get(format!("/api/v1/dashboard/conversion-funnel{day}")).await;
        let total = get("/api/v1/dashboard".into()).await["total_leads"].clone();
        let total = total.as_u64().expect("a count");
        assert!(total > counted, "it never goes back: {counted}, {total}");
        counted = total;
    }
}
