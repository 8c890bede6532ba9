//! How the figures are said: small tables, the same as text and on a screen.

use super::figures::Figures;

/// A small table.
pub struct Table {
    pub title: String,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Row>,
}

/// A row of it.
pub struct Row {
    pub cells: Vec<String>,
    /// Whether somebody should look at it.
    pub bad: bool,
}

/// Later than this is worth a look.
const LATE_SECONDS: f64 = 5.0;
/// So is more than this.
const FAR_BEHIND: f64 = 1000.0;

/// All of it.
pub fn of(figures: &Figures) -> Vec<Table> {
    let mut tables = vec![
        processes(figures),
        categories(figures),
        log(figures),
        http(figures),
        projections(figures),
        policies(figures),
    ];
    if let Some(lag) = figures.archive_lag_events {
        let row = row(vec!["archive".to_owned(), whole(lag)], lag > FAR_BEHIND);
        tables.push(table("archive", &["", "behind"], vec![row]));
    }
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn table(title: impl Into<String>, columns: &[&'static str], rows: Vec<Row>) -> Table {
    Table {
        title: title.into(),
        columns: columns.to_vec(),
        rows,
    }
}

const fn row(cells: Vec<String>, bad: bool) -> Row {
    Row { cells, bad }
}

fn processes(figures: &Figures) -> Table {
    let rows = figures.processes.iter().map(|process| {
        let memory = process.memory_bytes.map(|bytes| bytes / 1024.0 / 1024.0);
        let memory = memory.map_or_else(unknown, |megabytes| format!("{megabytes:.0} MB"));
        let said = process.problem.clone().unwrap_or_else(|| "answers".into());
        row(
            vec![process.url.clone(), memory, said],
            process.problem.is_some(),
        )
    });
    table("processes", &["", "memory", "state"], rows.collect())
}

fn categories(figures: &Figures) -> Table {
    let rows = figures.categories.iter().map(|category| {
        let hits = category
            .cache_hits
            .map_or_else(unknown, |part| format!("{:.0} %", part * 100.0));
        let cells = vec![
            category.name.clone(),
            rate(category.commands),
            rate(category.refused),
            rate(category.conflicts),
            rate(category.retries),
            hits,
        ];
        row(cells, category.conflicts > category.commands.max(1.0))
    });
    let columns = [
        "",
        "commands/s",
        "refused/s",
        "conflicts/s",
        "retries/s",
        "cache hits",
    ];
    table("commands", &columns, rows.collect())
}

fn log(figures: &Figures) -> Table {
    let log = &figures.log;
    let cells = vec![
        rate(log.appends),
        milliseconds(log.p50_seconds),
        milliseconds(log.p99_seconds),
        log.group.map_or_else(unknown, |size| format!("{size:.1}")),
        log.batch.map_or_else(unknown, |size| format!("{size:.1}")),
        milliseconds(log.batch_p99_seconds),
        whole(log.feed_restarts),
    ];
    let columns = [
        "appends/s",
        "p50",
        "p99",
        "group",
        "batch",
        "batch p99",
        "feed restarts",
    ];
    table(
        "log",
        &columns,
        vec![row(cells, log.p99_seconds > Some(1.0))],
    )
}

fn http(figures: &Figures) -> Table {
    let http = &figures.http;
    let cells = vec![
        rate(http.requests),
        milliseconds(http.p99_seconds),
        rate(http.failed),
        rate(http.replayed),
    ];
    let columns = ["requests/s", "p99", "5xx/s", "replayed/s"];
    table("http", &columns, vec![row(cells, http.failed > 0.0)])
}

fn projections(figures: &Figures) -> Table {
    let rows = figures.projections.iter().map(|known| {
        let late = known.lag_seconds.is_some_and(|late| late > LATE_SECONDS);
        let cells = vec![
            known.name.clone(),
            known.state.clone(),
            whole(known.lag_events),
            known
                .lag_seconds
                .map_or_else(unknown, |late| format!("{late:.1} s")),
            whole(known.parked),
        ];
        row(cells, late || known.parked > 0.0)
    });
    let columns = ["", "state", "behind", "late", "parked"];
    table("projections", &columns, rows.collect())
}

fn policies(figures: &Figures) -> Table {
    let rows = figures.policies.iter().map(|policy| {
        let cells = vec![policy.name.clone(), whole(policy.lag_events)];
        row(cells, policy.lag_events > FAR_BEHIND)
    });
    table("policies", &["", "behind"], rows.collect())
}

/// Nobody can say.
fn unknown() -> String {
    "-".to_owned()
}

fn rate(per_second: f64) -> String {
    format!("{per_second:.1}")
}

fn whole(count: f64) -> String {
    format!("{count:.0}")
}

fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(unknown, |seconds| format!("{:.1} ms", seconds * 1000.0))
}
