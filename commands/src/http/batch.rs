//! Many rows in one request, each created or changed by itself as by the route for one.
//!
//! A row with an `id` is a change of that record, any other makes one. Rows of one record are carried out in
//! their order, all others side by side. Under one `Idempotency-Key` each row has ids and a number of its
//! own, so that another try finds what was done and goes on with the rest.
//!
//! Invariant: no more than [`AT_ONCE`] rows are under way, and all have ended or been left before a request
//! runs out of time.

pub mod routes;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use domain::id::NumberKind;
use futures::stream::{self, StreamExt as _};
use journal::position::Position;
use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use utoipa::ToSchema;

use super::api::Api;
use super::caller::{self, Caller};
use super::extract::{self, Id};
use super::problem::Problem;
use crate::origin::MAX_ROWS;

/// Rows under way at a time.
const AT_ONCE: usize = 16;
/// From then on no row is begun; a request may take 30 seconds.
const LAST_BEGINS: Duration = Duration::from_secs(20);
/// By then whatever is under way is left.
const ENDS: Duration = Duration::from_secs(27);

/// Rows to be carried out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Each as the body that makes one record; or, with an `id` beside it, as the body that changes one.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 500)]
    rows: Vec<Box<RawValue>>,
}

/// What became of the rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchView {
    /// In the order of the rows.
    results: Vec<RowView>,
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowView {
    /// As the route for one answers it: 201 made, 200 changed, or that of the problem.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    /// The record's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, minimum = 1)]
    id: Option<u64>,
    /// The record's version, which is its `ETag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    version: Option<u64>,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    problem: Option<Problem>,
}

/// What a row asks.
pub(super) enum Row<C, D> {
    /// A new record.
    Create(C),
    /// A change of this one.
    Change(u64, D),
}

/// A row that was carried out.
pub(super) struct Done {
    pub(super) id: u64,
    pub(super) version: u64,
    pub(super) position: Position,
    pub(super) is_new: bool,
}

/// A row's fields, the `id` apart.
struct Fields {
    id: Option<Box<RawValue>>,
    /// All others, as an object.
    rest: String,
}

/// What is left of the time of a request.
#[derive(Clone, Copy)]
struct Deadline {
    last_begins: Instant,
    ends: Instant,
}

/// Carries out every row by `one`, and answers what became of each.
pub(super) async fn carry_out<C, D, F>(
    api: &Api,
    caller: &Caller,
    batch: &Batch,
    kind: NumberKind,
    one: impl Fn(Row<C, D>, Caller) -> F + Sync,
) -> Result<Response, Problem>
where
    C: DeserializeOwned,
    D: DeserializeOwned,
    F: Future<Output = Result<Done, Problem>> + Send,
{
    let begun = Instant::now();
    let deadline = Deadline {
        last_begins: begun + LAST_BEGINS,
        ends: begun + ENDS,
    };
    let rows = batch.checked()?;
    let (new, lanes) = sorted::<C, D>(rows);
    let origin = caller.origin();
    api.numbers.reserve(kind, &new, &origin).await?;
    let (one, correlation) = (&one, origin.correlation);
    let row = |place: u16| async move {
        let asked = Row::parse(&rows[usize::from(place)]);
        let caller = caller.row(caller::Row { place, correlation });
        let done = deadline.keep(|| Ok(Box::pin(one(asked?, caller)))).await;
        (place, done.map_err(|problem| problem.within(&named(place))))
    };
    let lane = |lane: Vec<u16>| stream::iter(lane).then(row).collect::<Vec<_>>();
    let all = stream::iter(lanes.into_iter().map(lane)).buffer_unordered(AT_ONCE);
    let mut done: BTreeMap<u16, _> = all.flat_map(stream::iter).collect().await;
    // Two rows may have wanted one phone at once: by now it is known who has it.
    for (place, outcome) in &mut done {
        if outcome.as_ref().is_err_and(collided) {
            *outcome = row(*place).await.1;
        }
    }
    Ok(answer(api, done.into_values()))
}

fn named(place: u16) -> String {
    format!("rows[{place}]")
}

/// Whether another request, or another row of this one, was about to do the same.
fn collided(problem: &Problem) -> bool {
    problem.status == StatusCode::CONFLICT.as_u16() && problem.retry_after.is_some()
}

impl Batch {
    fn checked(&self) -> Result<&[Box<RawValue>], Problem> {
        if (1..=usize::from(MAX_ROWS)).contains(&self.rows.len()) {
            return Ok(&self.rows);
        }
        let allowed = format!("rows must be a list of 1 to {MAX_ROWS} objects");
        Err(Problem::invalid("rows", allowed))
    }
}

/// The places of rows that make something, and of all rows, those of one record together.
fn sorted<C, D>(rows: &[Box<RawValue>]) -> (Vec<u16>, Vec<Vec<u16>>)
where
    C: DeserializeOwned,
    D: DeserializeOwned,
{
    let (mut new, mut alone, mut changes) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (place, row) in (0..).zip(rows) {
        match Row::<C, D>::parse(row) {
            Ok(Row::Change(id, _)) => changes.entry(id).or_insert_with(Vec::new).push(place),
            Ok(Row::Create(_)) => {
                new.push(place);
                alone.push(vec![place]);
            }
            Err(_) => alone.push(vec![place]),
        }
    }
    alone.extend(changes.into_values());
    (new, alone)
}

fn answer(api: &Api, done: impl Iterator<Item = Result<Done, Problem>>) -> Response {
    let (mut results, mut last, mut again) = (Vec::new(), None, None);
    for outcome in done {
        if let Ok(done) = &outcome {
            last = Ord::max(last, Some(done.position));
        }
        if let Err(problem) = &outcome {
            again = Ord::max(again, problem.retry_after);
        }
        results.push(RowView::from(outcome));
    }
    let body = BatchView { results };
    let mut response = match last {
        Some(position) => api.changed(body, position).into_response(),
        None => axum::Json(body).into_response(),
    };
    // What says when to come again is not kept for the key: the next try goes on.
    if let Some(seconds) = again {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

impl From<Result<Done, Problem>> for RowView {
    fn from(outcome: Result<Done, Problem>) -> Self {
        match outcome {
            Ok(done) => Self {
                status: if done.is_new { 201 } else { 200 },
                id: Some(done.id),
                version: Some(done.version),
                problem: None,
            },
            Err(problem) => Self {
                status: problem.status,
                id: None,
                version: None,
                problem: Some(problem),
            },
        }
    }
}

impl Deadline {
    async fn keep<F>(self, row: impl FnOnce() -> Result<F, Problem>) -> Result<Done, Problem>
    where
        F: Future<Output = Result<Done, Problem>>,
    {
        if Instant::now() > self.last_begins {
            return Err(Problem::unavailable(
                "The rows before it took all the time of the request; send it again, under the same Idempotency-Key if it has one",
            ));
        }
        let left = |_| {
            Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "/problems/timeout",
                "No answer in time",
            )
            .detail("Read before you try again, or try again with the same Idempotency-Key")
            .retry_after(1)
        };
        timeout_at(self.ends, row()?).await.map_err(left)?
    }
}

impl<C: DeserializeOwned, D: DeserializeOwned> Row<C, D> {
    fn parse(row: &RawValue) -> Result<Self, Problem> {
        let fields: Fields = serde_json::from_str(row.get()).map_err(|_| {
            Problem::invalid(
                "id",
                "a row must be a JSON object, with one id where it has any",
            )
        })?;
        let rest = fields.rest.as_bytes();
        match fields.id {
            Some(id) => Ok(Self::Change(Id::parse(id.get())?.0, extract::parse(rest)?)),
            None => extract::parse(rest).map(Self::Create),
        }
    }
}

/// Whoever reads the rest sees each field as it was sent, also one that was sent twice.
impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sent;

        impl<'de> Visitor<'de> for Sent {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut sent: A) -> Result<Fields, A::Error> {
                let (mut id, mut rest) = (None, Vec::new());
                while let Some((name, value)) = sent.next_entry::<String, Box<RawValue>>()? {
                    if name != "id" {
                        let name = serde_json::to_string(&name).map_err(A::Error::custom)?;
                        rest.push(format!("{name}:{value}"));
                    } else if id.replace(value).is_some() {
                        return Err(A::Error::duplicate_field("id"));
                    }
                }
                let rest = format!("{{{}}}", rest.join(","));
                Ok(Fields { id, rest })
            }
        }

        deserializer.deserialize_map(Sent)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::RawValue;
    use tokio::time::Instant;

    use super::{Deadline, Done, ENDS, LAST_BEGINS, Row};
    use crate::http::problem::Problem;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
    }

    /// The id and the name of a row, or the field at fault.
    fn parsed(row: &str) -> Result<(Option<u64>, String), String> {
        let row = RawValue::from_string(row.to_owned()).unwrap();
        match Row::<Named, Named>::parse(&row) {
            Ok(Row::Create(ask)) => Ok((None, ask.name)),
            Ok(Row::Change(id, ask)) => Ok((Some(id), ask.name)),
            Err(problem) => Err(problem.field.unwrap_or_default()),
        }
    }

    #[test]
    fn a_row_with_an_id_is_a_change() {
        for (row, expected) in [
            (r#"{"name":"a"}"#, Ok((None, "a".to_owned()))),
            (r#"{"name":"a","id":7}"#, Ok((Some(7), "a".to_owned()))),
            (
                r#" { "id" : 7 , "n\u0061me":"a\u0061"} "#,
                Ok((Some(7), "aa".to_owned())),
            ),
            (r#"{"id":7,"id":8,"name":"a"}"#, Err("id".to_owned())),
            (r#"{"id":null,"name":"a"}"#, Err("id".to_owned())),
            (r#"{"id":"7","name":"a"}"#, Err("id".to_owned())),
            (r#"{"id":0,"name":"a"}"#, Err("id".to_owned())),
            (r#"{"name":"a","name":"b"}"#, Err("name".to_owned())),
            (r#"{"name":"a","colour":"b"}"#, Err("colour".to_owned())),
            (r#"{"id":7}"#, Err("name".to_owned())),
            ("[7]", Err("id".to_owned())),
        ] {
            assert_eq!(parsed(row), expected, "{row}");
        }
    }

    #[tokio::test]
    async fn what_time_does_not_allow_says_when_to_come_again() {
        let now = Instant::now();
        let never = || Ok(std::future::pending::<Result<Done, Problem>>());
        let refused = async |deadline: Deadline| {
            let problem = deadline.keep(never).await.err().unwrap();
            (problem.status, problem.retry_after)
        };
        let late = Deadline {
            last_begins: now - LAST_BEGINS,
            ends: now + ENDS,
        };
        assert_eq!(refused(late).await, (503, Some(1)), "not begun");
        let over = Deadline {
            last_begins: now + LAST_BEGINS,
            ends: now,
        };
        assert_eq!(refused(over).await, (504, Some(1)), "left");
    }
}
