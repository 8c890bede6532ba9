//! `just chaos`: faults at both profiles for as long as you like, then the question whether
//! everything that clients were told is true.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use stories::chaos::{self, Plan, Profile};

/// Throw faults at a whole Rapport, and check what its clients saw.
#[derive(Parser)]
struct Typed {
    /// Minutes per profile; parts of one too
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Where everything random comes from; another each time unless named
    #[arg(long)]
    seed: Option<u64>,
    /// Only this profile
    #[arg(long, value_enum)]
    profile: Option<Which>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Embedded,
    Cluster,
}

#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    let typed = Typed::parse();
    let seed = typed.seed.unwrap_or_else(|| {
        std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0) >> 32
    });
    let profiles = match typed.profile {
        Some(Which::Embedded) => vec![Profile::Embedded],
        Some(Which::Cluster) => vec![Profile::Cluster],
        None => vec![Profile::Embedded, Profile::Cluster],
    };
    for profile in profiles {
        let plan = Plan {
            profile,
            seed,
            time: Duration::from_secs_f64(typed.minutes * 60.0),
        };
        println!("{}: seed {seed}", profile.name());
        match chaos::run(plan).await {
            Ok(report) => println!("{report}"),
            Err(reason) => {
                println!("{} FAILED with --seed {seed}: {reason}", profile.name());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
