//! Every list is answered from an index: the databases' own plans say so, over tables with many rows.

use projections::columns::{Kept as KeptColumn, Listed, Measure, Role, Words};
use projections::contacts::Contacts;
use projections::db::{Db, Statement, Value};
use projections::leads::Leads;
use projections::projection::Screen as _;
use projections::projection::screen;
use projections::question::{ID, Ordered, Question};
use projections::reports::calendar::Part;
use projections::reports::facts::Kind;
use projections::reports::measures::MEASURES;
use projections::reports::read::{self, Question as ReportQuestion};
use projections::reports::screen::{COUNTED_BY, NAME, Reports, SUMS, VERSION, WORDS};
use projections::sales::Sales;
use projections::table::Tables;

use crate::kept::{Kept, main_workspace};

const ROWS: i64 = 20_000;
const AT_ONCE: i64 = 50;

pub async fn every_list_is_read_from_an_index(kept: Kept) {
    let db = kept.registry.db();
    are_read_from_an_index::<Leads>(db).await;
    are_read_from_an_index::<Sales>(db).await;
    are_read_from_an_index::<Contacts>(db).await;
}

async fn are_read_from_an_index<P: Listed>(db: &Db) {
    let columns = P::columns();
    let tables = Tables::new(P::NAME, P::VERSION, 9, columns.clone(), P::COUNTED_BY).labelled();
    db.transact(screen::<P>().create(db, 9)).await.unwrap();
    fill(db, tables.name(), &columns).await;
    let mut questions = questions(&columns);
    if P::LABELLED {
        label(db, &tables).await;
        questions.extend(labelled(&columns));
    }
    assert!(questions.len() > 20, "{}", questions.len());
    for question in questions {
        let workspace = main_workspace();
        let sorts = question.equal.is_empty();
        let select = question.select(db, &tables, &workspace, &columns);
        is_read_from_an_index(db, tables.name(), db.statement(&select), sorts, &question).await;
        let count = question.count(&tables, &workspace, &columns);
        // PostgreSQL may read all of a table of which half is counted.
        if matches!(db, Db::Sqlite(_)) {
            is_read_from_an_index(db, tables.name(), db.statement(&count), false, &question).await;
        }
    }
}

async fn is_read_from_an_index(
    db: &Db,
    table: &str,
    asked: Statement,
    in_order: bool,
    question: &impl std::fmt::Debug,
) {
    let explain = match db {
        Db::Sqlite(_) => "EXPLAIN QUERY PLAN ",
        Db::Postgres(_) => "EXPLAIN (COSTS OFF) ",
    };
    let sql = format!("{explain}{}", asked.sql).into();
    let rows = db.rows(Statement { sql, ..asked }).await.unwrap();
    let column = usize::from(matches!(db, Db::Sqlite(_))) * 3;
    let plan: Vec<_> = rows.iter().map(|row| row.text(column).to_owned()).collect();
    let plan = plan.join("\n");
    let labels = table.replace("_v", "_labels_v");
    let scans = [
        format!("SCAN {table}"),
        format!("SCAN {labels}"),
        "SCAN found".to_owned(),
        "Seq Scan".to_owned(),
    ];
    for scan in scans {
        assert!(!plan.contains(&scan), "{question:?}\n{plan}");
    }
    assert!(!in_order || !sorts_rows(&plan), "{question:?}\n{plan}");
    assert!(plan.contains("SEARCH") || plan.contains("Index"), "{plan}");
}

/// Sums from the slots of the period, facts from the period, in the order in which they are paged.
pub async fn every_report_is_read_from_an_index(kept: Kept) {
    let db = kept.registry.db();
    let tables = Tables::new(NAME, VERSION, 9, Vec::new(), &[]);
    db.transact(Reports.create(db, 9)).await.unwrap();
    let texts = 1 + COUNTED_BY.len() + WORDS.len();
    let counts = ("reports_counts_v1_g9", texts + SUMS.len());
    let facts = ("reports_facts_v1_g9", 18);
    fill_reports(db, counts, |row, column| match column {
        0 => Value::from("main"),
        1 => Value::from("sale_won"),
        2 => Value::Text(format!("q{row:08}")),
        column if column >= texts => Value::Int(1),
        column => Value::Text(format!("{}", row % i64::try_from(column).unwrap())),
    })
    .await;
    fill_reports(db, facts, |row, column| match column {
        0 => Value::from("main"),
        1 => Value::from("sale_won"),
        2 | 3 => Value::Int(row),
        4 | 16 | 17 => Value::Int(1),
        5 if row % 2 == 0 => Value::Int(row),
        5 => Value::Int(i64::MAX),
        6 => Value::Int(row / 2),
        column => Value::Text(format!("{}", row % i64::try_from(column).unwrap())),
    })
    .await;
    for measure in MEASURES {
        let parts = (0..12).map(|part| Part {
            first_day: None,
            from: part * 86_400_000_000 * 30 + 900_000_000,
            to: (part + 1) * 86_400_000_000 * 30 + 900_000_000,
        });
        let question = ReportQuestion {
            measure,
            parts: parts.collect(),
            by: measure.dimensions().take(2).collect(),
            only: measure
                .dimensions()
                .map(|by| (by, "1".to_owned()))
                .collect(),
            as_of: None,
        };
        let workspace = main_workspace();
        for within in [None, read::within(&question.parts)] {
            let asked = question.counts_query(&tables, &workspace, Kind::SaleWon, within);
            is_read_from_an_index(db, counts.0, db.statement(&asked), false, &question).await;
        }
        for (known, behind) in [
            (None, None),
            (Some(500), None),
            (Some(500), Some([99, 99, 1])),
        ] {
            let range = (90, 400);
            let asked =
                question.facts_query(&tables, &workspace, Kind::SaleWon, range, known, behind);
            // PostgreSQL sorts the few rows of a short range.
            let in_order = matches!(db, Db::Sqlite(_));
            is_read_from_an_index(db, facts.0, db.statement(&asked), in_order, &question).await;
        }
    }
}

async fn fill_reports(
    db: &Db,
    (table, columns): (&str, usize),
    value: impl Fn(i64, usize) -> Value,
) {
    let mut statements = Vec::new();
    for first in (1..=ROWS).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let places = (0..AT_ONCE).map(|row| {
            let row = usize::try_from(row).unwrap();
            let places = (1..=columns).map(|column| format!("${}", row * columns + column));
            format!("({})", places.collect::<Vec<_>>().join(", "))
        });
        let places: Vec<_> = places.collect();
        let rows = first..first + AT_ONCE;
        let values = rows.flat_map(|row| (0..columns).map(move |column| (row, column)));
        statements.push(Statement {
            sql: format!("INSERT INTO \"{table}\" VALUES {}", places.join(", ")).into(),
            values: values.map(|(row, column)| value(row, column)).collect(),
            fences: false,
        });
    }
    db.transact(statements).await.unwrap();
    analyze(db, table).await;
}

/// Whether rows are read first and sorted then. A page of each of a few parts may be.
fn sorts_rows(plan: &str) -> bool {
    let mut nodes = plan
        .lines()
        .filter(|line| !line.contains("Key:"))
        .peekable();
    while let Some(node) = nodes.next() {
        let sorts = node.contains("TEMP B-TREE") || node.trim_end().ends_with("Sort");
        let of_parts = nodes
            .peek()
            .is_some_and(|below| below.trim_end().ends_with("Append"));
        if sorts && !(of_parts && plan.matches("Limit").count() > 2) {
            return true;
        }
    }
    false
}

/// Every order, with and without its range, behind a cursor and from the beginning, with any of the
/// choices and with none; and every key in every order.
fn questions(columns: &[KeptColumn]) -> Vec<Question> {
    let orders = columns.iter().filter_map(|column| match column.role {
        Role::Order(measure) => Some((column.name, Some(measure))),
        Role::Filter | Role::Key | Role::Choice(_) => None,
    });
    let orders: Vec<_> = std::iter::once((ID, None)).chain(orders).collect();
    let mut all = Vec::new();
    for (by, measure) in orders {
        for descending in [true, false] {
            for (ranged, continued) in [(false, false), (false, true), (true, false), (true, true)]
            {
                let Some(range) = range(by, measure, ranged) else {
                    continue;
                };
                let asked = Question {
                    ranges: range,
                    order: Ordered { by, descending },
                    after: continued.then(|| (value(measure, ROWS / 2), 9_000)),
                    limit: 50,
                    places: PLACES.map(ToOwned::to_owned).to_vec(),
                    ..Question::default()
                };
                all.extend(chosen(columns).map(|chosen| Question {
                    chosen,
                    ..asked.clone()
                }));
                all.extend(keyed(columns).map(|equal| Question {
                    equal,
                    ..asked.clone()
                }));
            }
        }
    }
    all
}

/// A label alone and with another, with any of the choices and with every key, from the beginning and behind
/// a cursor.
fn labelled(columns: &[KeptColumn]) -> Vec<Question> {
    let mut all = Vec::new();
    for (descending, continued) in [(true, false), (false, false), (true, true), (false, true)] {
        for labels in [&["tag 7"][..], &["tag 7", "tag 1"]] {
            let labels = labels.iter().map(|label| ("tag", (*label).to_owned()));
            let asked = Question {
                labels: labels.collect(),
                order: Ordered { by: ID, descending },
                after: continued.then_some((Value::Null, 9_000)),
                limit: 50,
                ..Question::default()
            };
            all.extend(chosen(columns).map(|chosen| Question {
                chosen,
                ..asked.clone()
            }));
            all.extend(keyed(columns).map(|equal| Question {
                equal,
                ..asked.clone()
            }));
        }
    }
    all
}

/// Every record has two of fifty tags.
async fn label(db: &Db, tables: &Tables) {
    let table = tables.name().replace("_v", "_labels_v");
    let statement = |sql: String| Statement {
        sql: sql.into(),
        values: Vec::new(),
        fences: false,
    };
    let insert = |tag: &str| {
        let records = tables.name();
        let sql = format!(
            "INSERT INTO \"{table}\" (workspace, labelled, kind, label) SELECT workspace, id, 'tag', 'tag ' || ({tag}) FROM \"{records}\""
        );
        statement(sql)
    };
    let inserts = vec![insert("id % 25"), insert("25 + id % 25")];
    db.transact(inserts).await.unwrap();
    if matches!(db, Db::Postgres(_)) {
        let analyze = statement(format!("ANALYZE \"{table}\""));
        db.transact(vec![analyze]).await.unwrap();
    }
}

type Ranges = Vec<(&'static str, Value, Option<Value>)>;

/// Nothing where a range is wanted of what has none.
fn range(by: &'static str, measure: Option<Measure>, wanted: bool) -> Option<Ranges> {
    match (wanted, measure) {
        (false, _) => Some(Vec::new()),
        (true, None) => None,
        (true, Some(_)) => {
            let end = value(measure, ROWS * 3 / 4);
            Some(vec![(by, value(measure, ROWS / 4), Some(end))])
        }
    }
}

/// Places of two pipelines.
const PLACES: [&str; 3] = ["new", "lost", "programs/new"];

fn words(words: Words) -> Vec<&'static str> {
    match words {
        Words::Fixed(words) => words(),
        Words::Places(_) => PLACES.to_vec(),
    }
}

fn chosen(columns: &[KeptColumn]) -> impl Iterator<Item = Vec<(&'static str, Vec<String>)>> {
    let mut subsets = vec![Vec::new()];
    for column in columns {
        if let Role::Choice(all) = column.role {
            let all = words(all);
            let last = vec![(*all.last().unwrap()).to_owned()];
            let with = |known: &Vec<_>| [known.clone(), vec![(column.name, last.clone())]].concat();
            let more: Vec<_> = subsets.iter().map(with).collect();
            subsets.extend(more);
        }
    }
    subsets.into_iter()
}

fn keyed(columns: &[KeptColumn]) -> impl Iterator<Item = Vec<(&'static str, Vec<Value>)>> {
    let keys = columns
        .iter()
        .filter(|column| matches!(column.role, Role::Key));
    let keys = keys.map(|column| vec![(column.name, vec![Value::Int(77)])]);
    // A contact that was looked up by an address.
    keys.chain([vec![(ID, vec![Value::Int(77)])]])
}

fn value(measure: Option<Measure>, row: i64) -> Value {
    match measure {
        None | Some(Measure::Amount) => Value::Int(row),
        Some(Measure::Fraction) => Value::Int(row % 1000),
        Some(Measure::Moment) => Value::Text(format!("{row:018}")),
        Some(Measure::Beginning) => Value::Text(format!("name {row:05}")),
    }
}

async fn fill(db: &Db, table: &str, columns: &[KeptColumn]) {
    let names = columns.iter().map(|column| column.name);
    let names = ["workspace", "id"]
        .into_iter()
        .chain(names)
        .chain(["body", "record"]);
    let names: Vec<_> = names.map(|name| format!("\"{name}\"")).collect();
    let mut statements = Vec::new();
    for first in (1..=ROWS).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let mut values = Vec::new();
        let mut places = Vec::new();
        for id in first..first + AT_ONCE {
            let row = row(id, columns);
            let begin = values.len() + 1;
            let of = (begin..begin + row.len()).map(|place| format!("${place}"));
            places.push(format!("({})", of.collect::<Vec<_>>().join(", ")));
            values.extend(row);
        }
        let sql = format!(
            "INSERT INTO \"{table}\" ({}) VALUES {}",
            names.join(", "),
            places.join(", ")
        );
        let sql = sql.into();
        statements.push(Statement {
            sql,
            values,
            fences: false,
        });
    }
    db.transact(statements).await.unwrap();
    analyze(db, table).await;
}

async fn analyze(db: &Db, table: &str) {
    // Nobody asks SQLite to.
    if matches!(db, Db::Sqlite(_)) {
        return;
    }
    let sql = format!("ANALYZE \"{table}\"").into();
    let analyze = Statement {
        sql,
        values: Vec::new(),
        fences: false,
    };
    db.transact(vec![analyze]).await.unwrap();
}

fn row(id: i64, columns: &[KeptColumn]) -> Vec<Value> {
    let body = format!(r#"{{"id":{id},"text":"{}"}}"#, "x".repeat(200));
    let of = columns
        .iter()
        .zip(1..)
        .map(|(column, place): (_, i64)| match column.role {
            Role::Filter => Value::Text(format!("{}", id % 5)),
            Role::Key => Value::Int(id / 3),
            Role::Choice(all) => {
                let words = words(all);
                let word = usize::try_from(id / place).unwrap() % words.len();
                Value::from(words[word])
            }
            Role::Order(measure) => value(Some(measure), (id * 7919) % ROWS),
        });
    let key = [Value::from("main"), Value::Int(id)];
    let shown = [Value::Text(body), Value::from("{}")];
    key.into_iter().chain(of).chain(shown).collect()
}
