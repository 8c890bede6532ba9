//! So many clients, for so long; how many a second and how late.

use std::time::{Duration, Instant};

use futures::future::join_all;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Operations a second.
    pub rate: f64,
    /// Half of them took at most this long.
    pub p50: Duration,
    /// 99 of 100 took at most this long.
    pub p99: Duration,
}

/// Lets so many clients work, each one operation after the other; `work` is told the client.
pub async fn clients<W, F>(count: usize, during: Duration, work: W) -> Measured
where
    W: Fn(usize) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let begun = Instant::now();
    let tasks = (0..count).map(|client| {
        let work = work.clone();
        tokio::spawn(async move {
            let mut took = Vec::new();
            while begun.elapsed() < during {
                let at = Instant::now();
                work(client).await;
                took.push(at.elapsed());
            }
            took
        })
    });
    let took = join_all(tasks)
        .await
        .into_iter()
        .flat_map(|took| took.expect("a client lives"));
    measured(took.collect(), begun.elapsed())
}

/// The figures of so many durations.
pub fn measured(mut took: Vec<Duration>, all: Duration) -> Measured {
    took.sort_unstable();
    let at = |share: usize| {
        took.get(took.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = took.len() as f64 / all.as_secs_f64();
    Measured {
        rate,
        p50: at(50),
        p99: at(99),
    }
}

/// The table's head.
pub fn head(what: &str) {
    println!(
        "{what:<58} {:>10} {:>10} {:>10} {:>8}",
        "a second", "p50", "p99", "ratio"
    );
}

/// A row; the ratio is to another measure of the same run.
pub fn row(what: &str, measured: Measured, beside: Option<Measured>) {
    let ratio = beside.map_or_else(String::new, |beside| {
        format!("{:.2}", measured.rate / beside.rate)
    });
    let millis = |took: Duration| format!("{:.2} ms", took.as_secs_f64() * 1000.0);
    println!(
        "{what:<58} {:>10.0} {:>10} {:>10} {ratio:>8}",
        measured.rate,
        millis(measured.p50),
        millis(measured.p99)
    );
}
