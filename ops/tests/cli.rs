//! What ops type: every command's refusals are one clear sentence.

use std::path::Path;
use std::process::{Command, Output};

use stories::servers::Folder;

fn rapport(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rapport"));
    command
        .env_clear()
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn error(folder: &Folder, arguments: &[&str]) -> String {
    let output = rapport(folder.path(), arguments);
    assert!(!output.status.success(), "{arguments:?} must be refused");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn serve_never_starts_without_a_key() {
    let refusal = error(&Folder::new("cli"), &["serve", "--app-port", "0"]);
    assert!(refusal.contains("rapport keys create"), "{refusal}");
}

#[test]
fn roles_need_a_broker_between_them() {
    let refusal = error(&Folder::new("cli"), &["serve", "--role", "api"]);
    assert!(refusal.contains("set NATS_URL"), "{refusal}");
}

#[test]
fn a_cluster_needs_one_master_key() {
    let refusal = error(
        &Folder::new("cli"),
        &["serve", "--nats-url", "nats://127.0.0.1:1"],
    );
    assert!(
        refusal.contains("RAPPORT_MASTER_KEY must be set"),
        "{refusal}"
    );
}

#[test]
fn a_broken_env_file_is_named() {
    let folder = Folder::new("cli");
    std::fs::write(folder.path().join(".env"), "APP_PORT = \"80").unwrap();
    let refusal = error(&folder, &["doctor"]);
    assert!(
        refusal.contains(".env: the value of APP_PORT cannot be read"),
        "{refusal}"
    );
}

#[test]
fn a_wrong_setting_is_one_clear_sentence() {
    let folder = Folder::new("cli");
    std::fs::write(folder.path().join(".env"), "MIN_TRANSFER_SCORE=6\n").unwrap();
    let refusal = error(&folder, &["doctor"]);
    assert!(
        refusal.contains("must be a number from 0 to 1"),
        "{refusal}"
    );
}

#[test]
fn the_doctor_finds_a_fresh_folder_well() {
    let output = rapport(Folder::new("cli").path(), &["doctor", "--json"]);
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let good = findings
        .as_array()
        .unwrap()
        .iter()
        .all(|finding| finding["good"] == true);
    assert!(output.status.success() && good, "{findings}");
}

#[test]
fn an_archive_is_in_a_place_that_this_program_knows() {
    let archive = |url: &str| {
        let all = "api,commands,projections,gateway-ai,gateway-webhooks,archive";
        let serve = ["serve", "--role", all, "--archive-url", url];
        error(&Folder::new("cli"), &serve)
    };
    let refusal = archive("mysql://somewhere");
    assert!(
        refusal.contains("postgres://, kurrentdb:// or esdb://"),
        "{refusal}"
    );
    if cfg!(not(feature = "kurrent")) {
        let refusal = archive("kurrentdb://somewhere");
        assert!(refusal.contains("--features kurrent"), "{refusal}");
    }
}

#[test]
fn top_says_how_to_start_what_does_not_run() {
    let refusal = error(
        &Folder::new("cli"),
        &["top", "--once", "--url", "http://127.0.0.1:1"],
    );
    assert!(
        refusal.contains("start it with `rapport demo`"),
        "{refusal}"
    );
}

#[test]
fn top_needs_a_terminal_or_once() {
    let refusal = error(&Folder::new("cli"), &["top"]);
    assert!(refusal.contains("use --once"), "{refusal}");
}

#[test]
fn top_names_an_address_that_is_none() {
    let refusal = error(
        &Folder::new("cli"),
        &["top", "--once", "--url", "localhost:8000"],
    );
    assert!(refusal.contains("http://127.0.0.1:8000"), "{refusal}");
    let refusal = error(&Folder::new("cli"), &["top", "--every", "1"]);
    assert!(refusal.contains("500ms"), "{refusal}");
}
