//! What is set wrongly is refused in one sentence that names the setting and shows no secret; and what is
//! set well is quiet.

use std::fs;

use serde_json::json;
use stories::crm::Crm;
use stories::process;
use stories::servers::Folder;

/// Stands for a password, a token or a key.
const SECRET: &str = "s3cr3t";

/// Runs `rapport doctor` with one setting; answers what it printed, if it refused.
fn refusal(name: &str, value: &str) -> String {
    let folder = Folder::new("settings");
    let environment = vec![(name.to_owned(), value.to_owned())];
    let done = process::run(folder.path(), &environment, &["doctor"]);
    let printed = [done.stdout, done.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    assert!(!done.status.success(), "{name}={value} is taken: {printed}");
    printed
}

#[test]
fn a_wrong_setting_is_named_and_no_secret_is_shown() {
    let wrong = [
        ("NATS_URL", format!("http://u:{SECRET}@127.0.0.1:1")),
        ("DATABASE_URL", format!("mysql://u:{SECRET}@h/db")),
        ("DATABASE_URL", format!("{SECRET}://u:p@h/db")),
        ("ARCHIVE_URL", format!("u:{SECRET}@h/db")),
        ("RAPPORT_MASTER_KEY", SECRET.into()),
        ("RAPPORT_MASTER_KEY", "0".repeat(64)),
        ("GEMINI_API_KEY", format!("{SECRET} x")),
        ("OPENAI_API_KEY", format!("x {SECRET}")),
        ("NATS_MONITOR_URL", "nats-1:8222".into()),
        ("GEMINI_BASE_URL", "models".into()),
        ("OPENAI_BASE_URL", "file:///models".into()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost".into()),
        ("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.1".into()),
        ("CORS_ORIGINS", "crm.example.com".into()),
        ("RUST_LOG", "rapport=loud".into()),
        ("APP_PORT", "99999".into()),
        ("APP_PORT", String::new()),
        ("DATA_DIR", "/proc/rapport".into()),
        ("BACKUP_DIR", "/proc/rapport".into()),
    ];
    for (name, value) in wrong {
        let printed = refusal(name, &value);
        assert!(
            printed.contains(name),
            "{name}={value} is not named: {printed}"
        );
        assert!(!printed.contains(SECRET), "{name} is shown: {printed}");
    }
}

#[test]
fn a_broken_line_of_env_is_named_and_not_shown() {
    let folder = Folder::new("settings");
    for line in [
        format!("OPENAI_API_KEY=sk {SECRET}"),
        format!("NATS_URL='nats://u:{SECRET}@h:4222"),
        format!("{SECRET} is a line"),
    ] {
        fs::write(folder.path().join(".env"), &line).expect("a file can be written");
        let done = process::run(folder.path(), &Vec::new(), &["doctor"]);
        let printed = String::from_utf8_lossy(&done.stderr);
        assert!(
            !done.status.success() && printed.contains(".env"),
            "{printed}"
        );
        assert!(!printed.contains(SECRET), "{printed}");
    }
}

#[tokio::test]
async fn a_first_demo_is_quiet() {
    let mut crm = Crm::demo().await;
    crm.given_a_lead().await;
    let said = crm.last().said();
    let loud = said
        .lines()
        .find(|line| line.contains("WARN") || line.contains("ERROR"));
    assert_eq!(loud, None, "{said}");
}

#[tokio::test]
async fn a_webhook_s_secret_is_printed_by_nothing_but_its_registration() {
    let crm = Crm::embedded_with(&[("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8")]).await;
    let hook = json!({ "url": format!("http://127.0.0.1:9/{SECRET}"), "events": ["lead.*"] });
    let made = crm.post("/api/v1/webhooks", hook).await.good();
    let (id, secret) = (
        made["id"].to_string(),
        made["secret"].as_str().unwrap_or_default(),
    );
    assert!(secret.starts_with("whsec_"), "{made}");
    let outputs = [
        crm.cli_good(&["events", "show", "webhook", &id]),
        crm.cli_good(&["events", "show", "webhook", &id, "--json"]),
        crm.cli_good(&["events", "export", "-"]),
    ];
    for printed in outputs {
        assert!(!printed.is_empty());
        assert!(
            !printed.contains(secret) && !printed.contains(SECRET),
            "{printed}"
        );
    }
}

#[tokio::test]
async fn broken_read_models_may_be_deleted_and_the_log_is_checked_without_them() {
    let mut crm = Crm::embedded().await;
    crm.given_a_lead().await;
    crm.last().kill_hard();
    let views = crm.folder().join("data/views.db");
    for beside in ["views.db-wal", "views.db-shm"] {
        drop(fs::remove_file(crm.folder().join("data").join(beside)));
    }
    fs::write(&views, [7; 8192]).expect("it can be written");
    crm.cli_good(&["events", "verify"]);
    assert!(
        !crm.last().restarts().await,
        "it starts on broken read models"
    );
    let said = crm.last().said();
    assert!(said.contains("delete the file"), "{said}");
    fs::remove_file(&views).expect("it may be deleted");
    crm.last().restart().await;
    assert_eq!(crm.get("/api/v1/leads/1").await.status, 200);
}
