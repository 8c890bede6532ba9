//! Whether a person who was erased is still named anywhere.

use std::fs;
use std::path::Path;

use crate::crm::Crm;

/// Ends a Rapport that holds none of these texts: in no table, no file of its own and none of NATS.
///
/// # Panics
///
/// Where one stands somewhere, and where there is nothing to look at.
pub async fn named_nowhere(mut crm: Crm, needles: &[&str]) {
    if let Some(postgres) = crm.postgres() {
        named_in_no_table(&postgres.url(), needles, |_| true).await;
    }
    for process in crm.processes() {
        assert!(process.stop());
    }
    named_in_no_file(crm.folder(), needles);
    if let Some(nats) = crm.nats() {
        nats.kill_hard();
        named_in_no_file(nats.folder(), needles);
    }
}

/// Asserts that none of these texts stands in the open where a log, its archive, claims, snapshots, keys, backups
/// or the program's own output are kept. The Rapport goes on.
///
/// # Panics
///
/// Where one does, and where there is nothing to look at.
pub async fn sealed_everywhere(crm: &mut Crm, needles: &[&str]) {
    if let Some(postgres) = crm.postgres() {
        // The others are screens, which show what they are for.
        let ours = |table: &str| table.starts_with("rapport_");
        named_in_no_table(&postgres.url(), needles, ours).await;
    }
    // So is this one.
    let ours = |path: &Path| !path.to_string_lossy().contains("views.db");
    named_in_no_file_of(crm.folder(), needles, ours);
    if let Some(nats) = crm.nats() {
        named_in_no_file(nats.folder(), needles);
    }
}

/// No file below this folder holds one of these texts.
fn named_in_no_file(folder: &Path, needles: &[&str]) {
    named_in_no_file_of(folder, needles, |_| true);
}

fn named_in_no_file_of(folder: &Path, needles: &[&str], ours: impl Fn(&Path) -> bool) {
    let mut seen = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if !ours(&path) {
                continue;
            }
            seen += 1;
            // What is gone by now holds nothing.
            let bytes = fs::read(&path).unwrap_or_default();
            for needle in needles {
                let named = bytes
                    .windows(needle.len())
                    .any(|window| window == needle.as_bytes());
                assert!(!named, "{needle} stands in {}", path.display());
            }
        }
    }
    assert!(seen >= 3, "only {seen} files were looked at");
}

/// No table of this database holds one of these texts.
async fn named_in_no_table(url: &str, needles: &[&str], ours: impl Fn(&str) -> bool) {
    let pool = sqlx::PgPool::connect(url).await.expect("a database");
    let tables =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(&pool)
        .await
        .expect("tables");
    assert!(tables.len() > 5, "{tables:?}");
    for table in tables.into_iter().filter(|table| ours(table)) {
        let rows = format!("SELECT t::text FROM \"{table}\" t");
        let rows: Vec<String> = sqlx::query_scalar(&rows)
            .fetch_all(&pool)
            .await
            .expect("rows");
        for needle in needles {
            assert!(
                !rows.iter().any(|row| row.contains(needle)),
                "{needle} stands in {table}"
            );
        }
    }
}
