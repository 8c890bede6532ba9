//! `just counts`: how many instructions the hot path takes, compared with `counts.json`.
//!
//! Time is noisy on a busy machine, and instructions are not: callgrind counts those of each
//! scenario, in a process of its own over a log in memory. More than [`TOLERANCE`] beyond what is
//! kept is a slow-down that somebody has to explain, or to keep with `RAPPORT_WRITE_COUNTS=1`.

mod scenarios;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What may differ between two runs: hashes are seeded at random. In percent.
const TOLERANCE: f64 = 3.0;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|one| one != "--bench")
        .collect();
    if let [scenario] = arguments.as_slice() {
        scenarios::run(scenario);
        return ExitCode::SUCCESS;
    }
    let counted: BTreeMap<_, _> = scenarios::ALL
        .iter()
        .map(|name| ((*name).to_owned(), counted(name)))
        .collect();
    let kept = kept();
    println!(
        "{:<12} {:>14} {:>14} {:>8}",
        "scenario", "instructions", "kept", "differs"
    );
    let mut slower = false;
    for (name, count) in &counted {
        let before = kept.get(name).copied().unwrap_or(*count);
        let percent = (as_float(*count) / as_float(before) - 1.0) * 100.0;
        slower |= percent > TOLERANCE;
        println!("{name:<12} {count:>14} {before:>14} {percent:>7.2}%");
    }
    if std::env::var_os("RAPPORT_WRITE_COUNTS").is_some() {
        let text = serde_json::to_string_pretty(&counted).expect("numbers");
        std::fs::write(file(), format!("{text}\n")).expect("counts.json can be written");
        return ExitCode::SUCCESS;
    }
    if slower {
        println!(
            "slower by more than {TOLERANCE}%: mend it, or keep it with RAPPORT_WRITE_COUNTS=1"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn as_float(count: u64) -> f64 {
    count as f64
}

/// The instructions of one operation of a scenario.
fn counted(scenario: &str) -> u64 {
    let out = std::env::temp_dir().join(format!("rapport-counts-{}", std::process::id()));
    let this = std::env::current_exe().expect("a program");
    let valgrind = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*measured_part*",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(this)
        .arg(scenario)
        .output();
    let ran = valgrind.expect("valgrind runs: apt-get install valgrind");
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{scenario}: {error}");
    let profile = std::fs::read_to_string(&out).expect("callgrind has written");
    drop(std::fs::remove_file(&out));
    let total = profile
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total
        .and_then(|total| total.trim().parse().ok())
        .expect("a total");
    assert!(total > 0, "{scenario}: nothing was measured");
    total / scenarios::OPERATIONS
}

fn kept() -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(file()).unwrap_or_else(|_| "{}".into());
    serde_json::from_str(&text).expect("counts.json holds numbers")
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/counts/counts.json")
}
