//! Faults thrown at a whole Rapport while clients work with it; then the question whether
//! everything that they were told is true.
//!
//! Read in this order: [`fault`] (what can happen), [`nemesis`] (when), [`clients`] (who works
//! meanwhile), [`judge`] (what must hold afterwards), [`report`].
//!
//! Invariant: everything random comes from one seed. What two processes do at once does not, so a
//! seed gives the same faults in the same order again, not the same moments.

mod clients;
mod fault;
mod judge;
mod nemesis;
pub mod report;

use std::sync::Arc;
use std::time::Duration;

use clients::{CLIENTS, Shared};
use nemesis::Nemesis;
use report::Report;

use crate::crm::Crm;
use crate::dice::Dice;

/// Which Rapport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// One process, files.
    Embedded,
    /// Processes on NATS and PostgreSQL, a bad network between them.
    Cluster,
}

/// What to do, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// To whom.
    pub profile: Profile,
    /// Where everything random comes from.
    pub seed: u64,
    /// How long faults are thrown.
    pub time: Duration,
}

/// Two of each, so that one can die; the archive too, so that the log can be compared with it.
const ROLES: [&str; 6] = [
    "commands",
    "commands",
    "projections,gateway-ai",
    "projections,archive",
    "api",
    "api",
];

impl Profile {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Cluster => "cluster",
        }
    }

    /// The processes that clients talk to.
    fn doors(self) -> &'static [usize] {
        match self {
            Self::Embedded => &[0],
            Self::Cluster => &[4, 5],
        }
    }

    async fn start(self, dice: &Dice) -> Crm {
        match self {
            Self::Embedded => Crm::embedded().await,
            Self::Cluster => Crm::cluster_behind_proxies(&ROLES, &[], dice).await,
        }
    }
}

/// Throws faults for a while, heals everything, and judges.
///
/// Needs a runtime with several threads: the proxies run in it while it waits for commands.
///
/// # Errors
///
/// What does not hold, in words.
pub async fn run(plan: Plan) -> Result<Report, String> {
    let dice = Dice::new(plan.seed);
    let crm = plan.profile.start(&dice.for_place(0)).await;
    let shared = Arc::new(Shared::new(crm.key(), plan.profile.doors(), &crm));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let client = clients::work(number, dice.for_place(100 + number), Arc::clone(&shared));
            tokio::spawn(client)
        })
        .collect();
    let mut nemesis = Nemesis::new(crm, plan.profile, dice.for_place(1), Arc::clone(&shared));
    let thrown = nemesis.rage(plan.time).await;
    let crm = nemesis.heal().await;
    shared.stop();
    for client in clients {
        client
            .await
            .map_err(|error| format!("a client failed: {error}"))?;
    }
    let thrown = thrown?;
    judge::judge(&crm, plan.profile, &shared).await?;
    Ok(Report::of(plan, thrown, &shared))
}
