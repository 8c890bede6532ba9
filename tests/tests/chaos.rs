//! A short run of `just chaos` on each profile, always with the same faults in the same order.

use std::time::Duration;

use stories::chaos::{Plan, Profile, run};

async fn survives(profile: Profile, seed: u64) {
    let time = Duration::from_secs(20);
    println!("{} with seed {seed}", profile.name());
    let report = run(Plan {
        profile,
        seed,
        time,
    })
    .await;
    let report =
        report.unwrap_or_else(|reason| panic!("{} with seed {seed}: {reason}", profile.name()));
    println!("{report}");
    assert!(report.checked > 100, "clients had something to do");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_process_survives_what_can_happen_to_it() {
    survives(Profile::Embedded, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cluster_survives_what_can_happen_to_it_and_to_its_servers() {
    survives(Profile::Cluster, 2).await;
}
