//! `rapport doctor`: checks settings, log and read models, and says what is wrong.

use commands::policies::status::{self, Standing};
use gateways::ai;
use journal::Backend;
use journal::entry::Noted;
use journal::nats::replicas::Look;
use serde::Serialize;

use crate::cli::{Doctor, Plain};
use crate::settings::{Database, Settings};
use crate::system::places::check_backup_dir;
use crate::system::tools::Tools;
use crate::telemetry;

/// How many of the newest commits are read.
const LOOKED_AT: usize = 10_000;
/// What is wrong is named up to here; the rest is counted.
const NAMED: usize = 5;

/// What one check found.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    good: bool,
    detail: String,
}

/// Checks everything; an error where something is wrong.
pub async fn run(doctor: Doctor) -> anyhow::Result<()> {
    let Doctor { fix, plain } = doctor;
    let findings = check(&plain, fix).await;
    if plain.json {
        println!("{}", serde_json::to_string(&findings)?);
    } else {
        for finding in &findings {
            let mark = if finding.good { "ok " } else { "BAD" };
            println!("{mark}  {:<12} {}", finding.what, finding.detail);
        }
    }
    let bad = findings.iter().filter(|finding| !finding.good).count();
    anyhow::ensure!(
        bad == 0,
        "{bad} of {} checks found something wrong",
        findings.len()
    );
    Ok(())
}

async fn check(plain: &Plain, fix: bool) -> Vec<Finding> {
    let settings = &plain.settings;
    let mut findings = vec![
        analyst(settings),
        finding("settings", checked_late(settings)),
    ];
    let opened = if fix {
        Tools::open(settings).await
    } else {
        Tools::look(settings).await
    };
    let tools = match opened {
        Ok(tools) => tools,
        Err(error) => {
            findings.push(finding("log", Err(error)));
            return findings;
        }
    };
    findings.push(finding("log", log(settings, &tools).await));
    if let Backend::Nats(nats) = tools.journal.backend() {
        findings.push(finding("copies", copies(&nats.look().await)));
    }
    findings.push(finding("commits", commits(&tools).await));
    findings.push(finding("vault", vault(&tools).await));
    findings.push(finding("keys", keys(settings, &tools).await));
    findings.push(finding("contacts", contacts(&tools).await));
    findings.push(finding("read models", read_models(settings, &tools).await));
    findings.push(finding("policies", policies(&tools).await));
    findings
}

/// Settings that only a process that uses them would otherwise look at.
fn checked_late(settings: &Settings) -> anyhow::Result<String> {
    telemetry::filter()?;
    check_backup_dir(settings)?;
    Ok("every value can be used".into())
}

fn finding(what: &'static str, outcome: anyhow::Result<String>) -> Finding {
    match outcome {
        Ok(detail) => Finding {
            what,
            good: true,
            detail,
        },
        Err(error) => Finding {
            what,
            good: false,
            detail: format!("{error:#}"),
        },
    }
}

fn analyst(settings: &Settings) -> Finding {
    finding(
        "analysis",
        Ok(format!(
            "leads are judged by {}",
            ai::from_settings(&settings.ai()).name()
        )),
    )
}

async fn log(settings: &Settings, tools: &Tools) -> anyhow::Result<String> {
    let heads = tools.journal.heads().await?;
    let commits = tools.journal.count().await?;
    let place = match &settings.nats_url {
        Some(_) => "NATS JetStream".to_owned(),
        None => settings.data_dir.join("log.db").display().to_string(),
    };
    Ok(format!(
        "{place}: {commits} commits in {} partitions, identity {}",
        heads.len(),
        tools.journal.identity()
    ))
}

/// The newest commits; `events verify` reads all of them.
async fn commits(tools: &Tools) -> anyhow::Result<String> {
    for head in tools.journal.heads().await? {
        let after = head.sequence.saturating_sub(LOOKED_AT as u64);
        drop(tools.journal.read(head.partition, after, LOOKED_AT).await?);
    }
    let (passed_over, unreadable): (Vec<_>, Vec<_>) = tools
        .journal
        .faults()
        .all()
        .into_iter()
        .partition(|noted| noted.passed_over);
    let named = |all: &[Noted]| {
        let named = all.iter().take(NAMED).map(|noted| {
            let stream = noted.stream.as_deref().unwrap_or("an unknown stream");
            format!("{} of {stream} ({})", noted.position, noted.reason)
        });
        named.collect::<Vec<_>>().join("; ")
    };
    anyhow::ensure!(
        unreadable.is_empty(),
        "{} cannot be read: {}. Nothing is decided on such a record, and everything else goes on. rapport \
         events verify names every one; bring them back from the archive or a backup",
        unreadable.len(),
        named(&unreadable)
    );
    if passed_over.is_empty() {
        return Ok(format!("the newest {LOOKED_AT} can be read"));
    }
    Ok(format!(
        "the newest {LOOKED_AT} can be read; passed over: {}",
        named(&passed_over)
    ))
}

/// Whether every copy of every stream is there, on nodes that are healthy.
fn copies(look: &Look) -> anyhow::Result<String> {
    let faults: Vec<_> = look.faults.iter().map(ToString::to_string).collect();
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("; "));
    let nodes: Vec<_> = look.nodes.iter().map(String::as_str).collect();
    let nodes = if nodes.is_empty() {
        "no node, for NATS_MONITOR_URL names none".to_owned()
    } else {
        nodes.join(", ")
    };
    Ok(format!(
        "{} copies of streams are there and current; asked how they are: {nodes}",
        look.copies.len()
    ))
}

/// That it is the log's was checked when it was opened.
async fn vault(tools: &Tools) -> anyhow::Result<String> {
    let vault = tools.journal.vault();
    let (state, lost) = (vault.state().await?, vault.lost().await?);
    let lost = if lost.is_empty() {
        String::new()
    } else {
        format!(
            "; the keys of {} were given up",
            commands::vault::named(&lost)
        )
    };
    Ok(format!(
        "the log's own, generation {}{lost}",
        state.generation
    ))
}

async fn keys(settings: &Settings, tools: &Tools) -> anyhow::Result<String> {
    let keys = tools.keys().list(&settings.workspace).await?;
    let good = keys.iter().filter(|key| !key.revoked).count();
    let hint = if good == 0 {
        "; serve needs one: rapport keys create NAME --role owner"
    } else {
        ""
    };
    Ok(format!("{good} in workspace {}{hint}", settings.workspace))
}

async fn contacts(tools: &Tools) -> anyhow::Result<String> {
    let wrong = crate::contacts::disagreements(tools).await?;
    if let Some(first) = wrong.first() {
        anyhow::bail!(
            "{} phones or emails are not held by the one contact that shows them: rapport contacts \
             repair mends it; the first: {first}",
            wrong.len()
        );
    }
    Ok("every phone and email is held by the one contact that shows it".to_owned())
}

/// That none has lost its place, or leaves somebody aside.
async fn policies(tools: &Tools) -> anyhow::Result<String> {
    let all = status::all(tools.desk()).await?;
    let lost = all.iter().find(|one| one.standing == Standing::Lost);
    if let Some(lost) = lost {
        anyhow::bail!("{}: {}", lost.policy, status::how_to_start(lost.policy));
    }
    let parked = all.iter().find(|one| !one.parked.is_empty());
    anyhow::ensure!(
        parked.is_none(),
        "{} leaves aggregates aside; rapport policies list says which and why",
        parked.map_or("", |one| one.policy.as_str())
    );
    let behind = all.iter().filter_map(|one| one.behind).max().unwrap_or(0);
    Ok(format!("at most {behind} commits behind"))
}

async fn read_models(settings: &Settings, tools: &Tools) -> anyhow::Result<String> {
    tools.follower().await?.check().await?;
    let all =
        projections::status::read(&tools.registry().await?, &tools.journal.heads().await?).await?;
    let parked: usize = all.iter().map(|known| known.parked.len()).sum();
    let named = all.iter().flat_map(|known| &known.parked).take(NAMED);
    let named: Vec<_> = named
        .map(|parked| {
            format!(
                "{} at {} ({})",
                parked.stream, parked.position, parked.reason
            )
        })
        .collect();
    anyhow::ensure!(
        parked == 0,
        "{parked} records are parked: {}. rapport projections list shows all of them; after a fix, rapport \
         projections rebuild NAME brings them back",
        named.join("; ")
    );
    let place = match &settings.database_url {
        Some(Database::Postgres(_)) => "PostgreSQL".to_owned(),
        Some(Database::Sqlite(path)) => path.display().to_string(),
        None => settings.data_dir.join("views.db").display().to_string(),
    };
    let behind = all.iter().map(|known| known.lag).max().unwrap_or(0);
    Ok(format!(
        "{place}: {} generations, at most {behind} commits behind",
        all.len()
    ))
}
