//! Clients that open leads, count messages, move leads and look at them, and remember what they
//! were told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::crm::{Crm, with};
use crate::dice::Dice;
use crate::history::lead::{Asked, Heard, Lead};
use crate::history::{Call, History};

/// How many work at once.
pub(super) const CLIENTS: u64 = 8;
/// Leads that are worked on at once, so that clients meet.
const TOGETHER: usize = 6;
/// How long a client waits for an answer before it asks again.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// A client that got no answer asks again after this long.
const PAUSE: Duration = Duration::from_millis(30);
/// How often a request is sent at most; by then everything has long been healed.
const TRIES: u32 = 400;
const STAGES: [&str; 4] = ["new", "contacted", "qualified", "lost"];

/// What all clients share.
#[derive(Debug)]
pub(super) struct Shared {
    client: reqwest::Client,
    key: String,
    doors: &'static [usize],
    urls: RwLock<Vec<String>>,
    leads: Mutex<VecDeque<u64>>,
    /// The last position that anybody was told.
    told: AtomicU64,
    done: AtomicBool,
    pub(super) history: History,
    pub(super) changes: AtomicU64,
    pub(super) reads: AtomicU64,
    pub(super) retries: AtomicU64,
    /// Requests to open a lead that were never answered.
    pub(super) perhaps_opened: AtomicU64,
    surprises: Mutex<Vec<String>>,
}

impl Shared {
    pub(super) fn new(key: &str, doors: &'static [usize], crm: &Crm) -> Self {
        let shared = Self {
            client: reqwest::Client::builder()
                .timeout(ANSWER_WITHIN)
                .build()
                .expect("a client"),
            key: key.to_owned(),
            doors,
            urls: RwLock::default(),
            leads: Mutex::default(),
            told: AtomicU64::new(0),
            done: AtomicBool::new(false),
            history: History::default(),
            changes: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            perhaps_opened: AtomicU64::new(0),
            surprises: Mutex::default(),
        };
        shared.opened(crm);
        shared
    }

    /// Processes may listen elsewhere after a start.
    pub(super) fn opened(&self, crm: &Crm) {
        let urls = self.doors.iter().map(|door| crm.url(*door).to_owned());
        *self.urls.write().unwrap_or_else(PoisonError::into_inner) = urls.collect();
    }

    pub(super) fn stop(&self) {
        self.done.store(true, Ordering::SeqCst);
    }

    /// Changes and reads that were answered.
    pub(super) fn answers(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (count(&self.changes), count(&self.reads))
    }

    /// Answers that no lead should ever give.
    pub(super) fn surprises(&self) -> Vec<String> {
        lock(&self.surprises).clone()
    }

    /// One try, through any door; `None` where it is not known what became of it.
    async fn ask(
        &self,
        dice: &mut Dice,
        method: Method,
        path: &str,
        extra: Extra<'_>,
    ) -> Option<Answer> {
        let url = {
            let urls = self.urls.read().unwrap_or_else(PoisonError::into_inner);
            dice.one_of(&urls).clone()
        };
        let mut request = self.client.request(method, format!("{url}{path}"));
        request = request.header("X-API-Key", &self.key);
        request = match extra {
            Extra::Change { key, body } => with(request, body).header("Idempotency-Key", key),
            Extra::Since(position) => request.header("Rapport-Position", format!("0:{position}")),
        };
        let answer = Answer::read(request.send().await.ok()?).await.ok()?;
        // A lost race that was lost too often says nothing about an earlier try.
        let passes = answer.status >= 500
            || answer.status == 429
            || answer.body["type"] == "/problems/conflict";
        (!passes).then_some(answer)
    }

    async fn change(
        &self,
        dice: &mut Dice,
        method: Method,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Option<Answer> {
        // Some give up early, and never know.
        let tries = if dice.once_in(12) { 1 } else { TRIES };
        for _ in 0..tries {
            let extra = Extra::Change { key, body };
            if let Some(answer) = self.ask(dice, method.clone(), path, extra).await {
                if let Some(position) = sequence(&answer) {
                    self.told.fetch_max(position, Ordering::SeqCst);
                }
                self.changes.fetch_add(1, Ordering::SeqCst);
                return Some(answer);
            }
            self.retries.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    /// What everybody was told must be shown; that is what the position is for.
    async fn read(&self, dice: &mut Dice, lead: u64) -> Option<Answer> {
        let position = self.told.load(Ordering::SeqCst);
        let path = format!("/api/v1/leads/{lead}");
        let answer = self
            .ask(dice, Method::GET, &path, Extra::Since(position))
            .await?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        Some(answer)
    }

    /// Reads every lead through every door, as calls of the history.
    pub(super) async fn read_all(&self, dice: &mut Dice) -> Result<(), String> {
        for lead in self.history.leads() {
            let invoked = self.history.now();
            let mut answer = None;
            for _ in 0..TRIES {
                answer = self.read(dice, lead).await;
                if answer.is_some() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            let answer = answer.ok_or_else(|| format!("lead {lead} cannot be read any more"))?;
            self.remember(CLIENTS, lead, Asked::Read, invoked, Some(&answer));
        }
        Ok(())
    }

    fn remember(
        &self,
        client: u64,
        lead: u64,
        asked: Asked,
        invoked: Duration,
        answer: Option<&Answer>,
    ) {
        let now = self.history.now();
        let answered = match answer.map(|answer| (answer, heard(answer))) {
            Some((_, Some(heard))) => Some((now, heard)),
            Some((answer, None)) => {
                let surprise = format!(
                    "{asked:?} of lead {lead}: {} {}",
                    answer.status, answer.text
                );
                lock(&self.surprises).push(surprise);
                None
            }
            None => None,
        };
        let call = Call {
            client,
            asked,
            invoked,
            answered,
        };
        self.history.add(lead, call);
    }
}

enum Extra<'a> {
    Change { key: &'a str, body: &'a Value },
    Since(u64),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sequence(answer: &Answer) -> Option<u64> {
    answer.position.as_ref()?.strip_prefix("0:")?.parse().ok()
}

fn heard(answer: &Answer) -> Option<Heard> {
    match answer.status {
        200 | 201 => Lead::shown(&answer.body).map(Heard::Stands),
        404 => Some(Heard::Missing),
        409 => Some(Heard::Refused),
        _ => None,
    }
}

/// Works until told to stop.
pub(super) async fn work(client: u64, mut dice: Dice, shared: Arc<Shared>) {
    let mut round = 0;
    while !shared.done.load(Ordering::SeqCst) {
        round += 1;
        let key = format!("{client}-{round}");
        let choice = dice.below(20);
        let lead = {
            let leads = lock(&shared.leads);
            (leads.len() == TOGETHER && choice > 0).then(|| *dice.one_of(leads.as_slices().0))
        };
        match (lead, choice) {
            (None, _) => open(client, &mut dice, &shared, &key).await,
            (Some(lead), 0..7) => look(client, &mut dice, &shared, lead).await,
            (Some(lead), 7..11) => {
                let (seen, to) = (*dice.one_of(&STAGES), *dice.one_of(&STAGES[1..]));
                let asked = Asked::Move {
                    seen: seen.into(),
                    to: to.into(),
                };
                let (path, body) = ("stage", json!({ "stage": to, "seen": seen }));
                let method = Method::PATCH;
                change(
                    client,
                    &mut dice,
                    &shared,
                    lead,
                    (asked, method, path, body),
                    &key,
                )
                .await;
            }
            (Some(lead), _) => {
                let more = dice.below(9) + 1;
                let (path, body) = ("messages", json!({ "increment": more }));
                let what = (Asked::Count(more), Method::POST, path, body);
                change(client, &mut dice, &shared, lead, what, &key).await;
            }
        }
    }
}

async fn open(client: u64, dice: &mut Dice, shared: &Shared, key: &str) {
    let (invoked, body) = (shared.history.now(), json!({ "source": "manual" }));
    let answer = shared.change(dice, Method::POST, "/api/v1/leads", key, &body);
    let Some(answer) = answer.await else {
        shared.perhaps_opened.fetch_add(1, Ordering::SeqCst);
        return;
    };
    let Some(lead) = answer.body["id"].as_u64() else {
        let surprise = format!("opening a lead: {} {}", answer.status, answer.text);
        return lock(&shared.surprises).push(surprise);
    };
    shared.remember(client, lead, Asked::Open, invoked, Some(&answer));
    let mut leads = lock(&shared.leads);
    if leads.len() == TOGETHER {
        leads.pop_front();
    }
    leads.push_back(lead);
    leads.make_contiguous();
}

async fn look(client: u64, dice: &mut Dice, shared: &Shared, lead: u64) {
    let invoked = shared.history.now();
    // A read without an answer has done nothing, and tells nothing.
    if let Some(answer) = shared.read(dice, lead).await {
        shared.remember(client, lead, Asked::Read, invoked, Some(&answer));
    } else {
        tokio::time::sleep(PAUSE).await;
    }
}

async fn change(
    client: u64,
    dice: &mut Dice,
    shared: &Shared,
    lead: u64,
    (asked, method, path, body): (Asked, Method, &str, Value),
    key: &str,
) {
    let invoked = shared.history.now();
    let path = format!("/api/v1/leads/{lead}/{path}");
    let answer = shared.change(dice, method, &path, key, &body).await;
    shared.remember(client, lead, asked, invoked, answer.as_ref());
}
