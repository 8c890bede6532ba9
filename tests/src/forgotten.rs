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
        named_in_no_table(&postgres.url(), needles).await;
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

/// No file below this folder holds one of these texts.
fn named_in_no_file(folder: &Path, needles: &[&str]) {
    let mut seen = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            seen += 1;
            let bytes = fs::read(&path).expect("a file");
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
async fn named_in_no_table(url: &str, needles: &[&str]) {
    let pool = sqlx::PgPool::connect(url).await.expect("a database");
    let tables =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(&pool)
        .await
        .expect("tables");
    assert!(tables.len() > 5, "{tables:?}");
    for table in tables {
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
