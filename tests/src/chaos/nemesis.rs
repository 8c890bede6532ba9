//! Throws one fault after the other, and undoes each before the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Profile;
use super::clients::Shared;
use super::fault::{Fault, Link};
use crate::crm::Crm;
use crate::dice::Dice;
use crate::servers::{NatsServer, Postgres, Proxy, Weather, eventually, signal};

/// The longest that a fault lasts, in milliseconds.
const LONGEST: u64 = 2500;
/// The longest peace between two faults, in milliseconds.
const PEACE: u64 = 800;
/// The latest that a piece is on a slow network.
const LATE: Duration = Duration::from_millis(60);

/// How often each kind of fault was thrown.
pub(super) type Thrown = BTreeMap<String, u32>;

pub(super) struct Nemesis {
    crm: Crm,
    profile: Profile,
    dice: Dice,
    shared: Arc<Shared>,
}

impl Nemesis {
    pub(super) fn new(crm: Crm, profile: Profile, dice: Dice, shared: Arc<Shared>) -> Self {
        Self {
            crm,
            profile,
            dice,
            shared,
        }
    }

    /// Throws faults for this long: every one in a random order, then in another.
    ///
    /// Fails where clients get no more answers after a fault is undone.
    pub(super) async fn rage(&mut self, time: Duration) -> Result<Thrown, String> {
        let begin = Instant::now();
        let (mut thrown, mut coming) = (Thrown::new(), Vec::new());
        while begin.elapsed() < time {
            if coming.is_empty() {
                coming = self.shuffled(Fault::all(self.profile));
            }
            let Some(fault) = coming.pop() else { break };
            eprintln!("{:>7} ms  {fault:?}", begin.elapsed().as_millis());
            self.throw(fault).await;
            *thrown.entry(fault.kind()).or_default() += 1;
            self.progress(fault).await?;
            self.pause(PEACE).await;
        }
        Ok(thrown)
    }

    /// Undoes everything that may still be wrong.
    pub(super) async fn heal(mut self) -> Crm {
        if let Some((nats, postgres)) = self.crm.proxies() {
            nats.set(Weather::Clear);
            postgres.set(Weather::Clear);
        }
        for process in 0..self.crm.count() {
            let process = &mut self.crm.processes()[process];
            if process.has_ended() {
                process.restart().await;
            }
        }
        self.shared.opened(&self.crm);
        self.crm
    }

    fn shuffled(&mut self, mut faults: Vec<Fault>) -> Vec<Fault> {
        for last in (1..faults.len()).rev() {
            let other = usize::try_from(self.dice.below(last as u64 + 1)).unwrap_or_default();
            faults.swap(last, other);
        }
        faults
    }

    async fn throw(&mut self, fault: Fault) {
        match fault {
            Fault::Kill(process) => {
                self.crm.processes()[process].kill_hard();
                self.pause(LONGEST / 4).await;
                self.crm.processes()[process].restart().await;
                self.shared.opened(&self.crm);
            }
            Fault::Freeze(process) => {
                let id = self.crm.processes()[process].id();
                self.freeze(id).await;
            }
            Fault::KillNats => {
                self.nats().kill_hard();
                self.pause(LONGEST / 4).await;
                self.nats().restart().await;
            }
            Fault::FreezeNats => {
                let id = self.nats().id();
                self.freeze(id).await;
            }
            Fault::StopPostgres => {
                self.postgres().stop_at_once();
                self.pause(LONGEST / 4).await;
                self.postgres().restart().await;
            }
            Fault::FreezePostgres => {
                let id = self.postgres().id();
                self.freeze(id).await;
            }
            Fault::Cut(link) => self.proxy(link).cut(),
            Fault::Slow(link) => self.weather(link, Weather::Slow(LATE)).await,
            Fault::Silence(link) => self.weather(link, Weather::Silent).await,
            Fault::Deafen(link) => self.weather(link, Weather::Deaf).await,
        }
    }

    async fn freeze(&mut self, process: u32) {
        signal::send("STOP", process);
        self.pause(LONGEST).await;
        signal::send("CONT", process);
    }

    async fn weather(&mut self, link: Link, weather: Weather) {
        self.proxy(link).set(weather);
        self.pause(LONGEST).await;
        self.proxy(link).set(Weather::Clear);
    }

    /// Clients must be answered again, changes and reads.
    async fn progress(&self, fault: Fault) -> Result<(), String> {
        let (changes, reads) = self.shared.answers();
        let answered = eventually(async || {
            let (now_changes, now_reads) = self.shared.answers();
            now_changes > changes && now_reads > reads
        });
        if answered.await {
            return Ok(());
        }
        Err(format!("nobody is answered any more after {fault:?}"))
    }

    async fn pause(&mut self, longest_ms: u64) {
        let pause = longest_ms / 10 + self.dice.below(longest_ms);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    fn nats(&mut self) -> &mut NatsServer {
        self.crm.nats().expect("a cluster has NATS")
    }

    fn postgres(&mut self) -> &mut Postgres {
        self.crm.postgres().expect("a cluster has PostgreSQL")
    }

    fn proxy(&self, link: Link) -> &Proxy {
        let (nats, postgres) = self.crm.proxies().expect("a cluster has proxies");
        match link {
            Link::Nats => nats,
            Link::Postgres => postgres,
        }
    }
}
