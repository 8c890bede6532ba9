//! `just bench`: one run, one table. Ratios against what runs beside it on the same machine, never
//! absolute promises: the machine is noisy.
//!
//! - `load`: so many clients, for so long; how many a second and how late
//! - `desks`: commands in process, raw JetStream appends, and the cqrs-es + postgres-es peer
//! - `limits`: what the disk and HTTP can do on this machine
//! - `http`: the same over HTTP, load generator included
//! - `views`: rebuild rate, dashboard latency, idle memory, time until ready
//! - `lag`: how late a screen shows a change, at a steady load
//! - `long`: a step on a stream of a million commits and on full shards, beside the same on small ones
//! - `fill`: a log of many leads
//! - `soak`: a million leads in one process, and its restart

mod desks;
mod fill;
mod http;
mod lag;
mod limits;
mod load;
mod long;
mod soak;
mod views;

use std::time::Duration;

/// How long each figure is measured.
const FOR: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let wanted =
        |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    if arguments == [limits::IDLE_SERVER] {
        return limits::serve().await;
    }
    stories::crm::choose_tls();
    println!(
        "Rapport, measured on {} cores; each figure over {FOR:?}.\n",
        cores()
    );
    if wanted("desks") {
        desks::measure().await;
    }
    if wanted("http") {
        http::measure().await;
    }
    if wanted("views") {
        views::measure().await;
    }
    if wanted("lag") {
        lag::measure().await;
    }
    if wanted("long") {
        long::measure().await;
    }
    if wanted("soak") {
        soak::measure().await;
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
