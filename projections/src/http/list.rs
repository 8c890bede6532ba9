//! A list of whatever screen is [`Listed`]: its parameters follow from the columns that it declares.
//!
//! - [`ListQuery`]: what a request asks, checked; `read` answers it
//! - `parameters`: the same for the description of the API
//! - `places`: stages and pipelines that are asked for
//! - `values`: texts of a request as columns keep them
//! - `cursor`: where a list goes on
//!
//! A label narrows a list to what is in the order of ids. Bounded whatever is asked: a range narrows the column that the list is in the order of, unless a
//! key has narrowed it to few records before; a count goes up to a limit.

mod cursor;
mod parameters;
mod places;
mod values;

use std::collections::BTreeMap;
use std::marker::PhantomData;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::response::Response;
use commands::http::problem::Problem;
use commands::pipelines::Pipelines;
use sea_query::{Expr, ExprTrait as _, Query};

use super::{ReadApi, page};
use crate::addresses::Addresses;
use crate::columns::{Listed, Measure, Role, Words};
use crate::db::Value;
use crate::question::{ID, MAX_COUNT, Ordered, Question};
use crate::views::{ReadError, Reader, ScreenName};

/// How many there are, where that is asked for; beyond 10,000 it is `10000+`.
pub const COUNT: HeaderName = HeaderName::from_static("rapport-count");

/// What is asked of the list of a screen.
pub struct ListQuery<P> {
    question: Question,
    place: places::Asked,
    pipelines: Pipelines,
    /// A phone or an email, and its kind.
    address: Option<(&'static str, String)>,
    /// The first version of the screen that has all the columns.
    since: u32,
    counts: bool,
    /// Whether each record comes with its contact.
    pub(super) expands: bool,
    screen: PhantomData<fn() -> P>,
}

/// Part of a list, to be answered.
pub(super) struct Part {
    pub(super) bodies: Vec<String>,
    next: Option<String>,
    count: Option<u64>,
}

/// The parameters of a request, each given once.
struct Given(BTreeMap<&'static str, String>);

impl<S: Send + Sync, P: Listed> FromRequestParts<S> for ListQuery<P>
where
    ReadApi: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let given = Given::of::<P>(parts.uri.query().unwrap_or_default())?;
        Self::asked(&given, &ReadApi::from_ref(state))
    }
}

impl<P: Listed> ListQuery<P> {
    fn asked(given: &Given, api: &ReadApi) -> Result<Self, Problem> {
        let mut question = Question {
            merges_since: P::LISTED_SINCE,
            limit: given.limit()?,
            ..Question::default()
        };
        let (mut since, mut place) = (0, places::Asked::default());
        for column in P::LISTED_BY {
            let texts = column.parameters.iter().map(|name| given.text(name));
            let texts: Vec<_> = texts.collect();
            if texts.iter().all(Option::is_none) {
                continue;
            }
            since = Ord::max(since, column.since);
            let (name, asked) = (column.kept.name, column.parameters);
            let text = texts[0].unwrap_or_default();
            match column.kept.role {
                Role::Filter => question.equal.push((name, vec![text.into()])),
                Role::Key => question
                    .equal
                    .push((name, vec![values::id(asked[0], text)?])),
                Role::Choice(Words::Fixed(words)) => {
                    let word = values::word(asked[0], text, &words())?;
                    question.chosen.push((name, vec![word.to_owned()]));
                }
                Role::Choice(Words::Places(_)) => {
                    let texts = texts.iter().map(|text| text.map(ToOwned::to_owned));
                    let texts: Vec<_> = texts.collect();
                    place = places::Asked {
                        stage: texts[0].clone(),
                        pipeline: texts[1].clone(),
                    };
                }
                Role::Order(measure) => {
                    let (from, to) = values::range(measure, asked, &texts, &api.zone)?;
                    question.ranges.push((name, from, to));
                }
            }
        }
        question.labels = labels::<P>(given)?;
        let address = values::address(given, api)?;
        let few = address.is_some() || !question.equal.is_empty();
        question.order = order::<P>(given.text("sort"), &question)?;
        let by = question.order.by;
        let ordered = P::LISTED_BY.iter().filter(|column| column.kept.name == by);
        since = ordered.fold(since, |since, column| Ord::max(since, column.since));
        if !few {
            narrowed_in_order::<P>(&question)?;
            labelled_by_id::<P>(&question)?;
        }
        let sort = sort_of::<P>(question.order);
        let integer =
            |kept: &crate::columns::Kept| kept.name == question.order.by && kept.is_integer();
        let integers = P::LISTED_BY.iter().any(|column| integer(&column.kept));
        let after = given.text("cursor");
        question.after = after
            .map(|text| cursor::read(text, &sort, integers))
            .transpose()?;
        Ok(Self {
            question,
            address,
            since,
            place,
            pipelines: api.pipelines.clone(),
            counts: given.flag("count")?,
            expands: given.expands()?,
            screen: PhantomData,
        })
    }

    /// The part of the list that is asked for.
    pub(super) async fn read(&self, reader: &Reader) -> Result<Part, Problem> {
        let mut question = self.question.clone();
        if let Some((kind, address)) = &self.address {
            question
                .equal
                .push((ID, whose(reader, kind, address).await?));
        }
        if let Some((column, kind)) = places::column::<P>() {
            let asked = self.place.is_asked() || !question.chosen.is_empty();
            if asked {
                let tables = crate::pipelines::tables(reader, &self.pipelines, kind).await?;
                self.place.narrow(&mut question, column, &tables)?;
            }
        }
        let mut screen = ScreenName::of::<P>();
        if self.counts || !question.is_simple() {
            screen = screen.since(P::LISTED_SINCE).since(self.since);
        }
        if !question.labels.is_empty() {
            screen = screen.since(P::LABELLED_SINCE);
        }
        let page = reader.list::<P>(screen, &question).await?;
        let sort = sort_of::<P>(question.order);
        let count = if self.counts {
            Some(reader.count::<P>(screen, &question).await?)
        } else {
            None
        };
        Ok(Part {
            bodies: page.bodies,
            next: page
                .next
                .map(|(value, id)| cursor::written(&sort, &value, id)),
            count,
        })
    }
}

impl Part {
    /// The answer, with the `Link` to the next part.
    pub(super) fn answer(self, uri: &Uri) -> Response {
        let mut response = page::linked(page::json_list(&self.bodies), self.next, uri);
        if let Some(count) = self.count {
            let count = if count > MAX_COUNT {
                HeaderValue::from_static("10000+")
            } else {
                HeaderValue::from(count)
            };
            response.headers_mut().insert(COUNT, count);
        }
        response
    }
}

impl Given {
    fn of<P: Listed>(query: &str) -> Result<Self, Problem> {
        let known = parameters::names::<P>();
        let mut given = BTreeMap::new();
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|error| Problem::invalid("query", error.to_string()))?;
        for (name, text) in pairs {
            let Some(known) = known.iter().find(|known| **known == name) else {
                let allowed = known.join(", ");
                return Err(Problem::invalid(
                    name,
                    format!("there is no such parameter; there are {allowed}"),
                ));
            };
            if given.insert(*known, text).is_some() {
                return Err(Problem::invalid(name, "a parameter is given once"));
            }
        }
        Ok(Self(given))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn limit(&self) -> Result<u64, Problem> {
        let limit = self.text("limit").map_or(Ok(page::DEFAULT), str::parse);
        // What is no such number is none that may be listed.
        page::limited(limit.unwrap_or(0)).map(u64::from)
    }

    fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(
                name,
                format!("{name} must be true or false"),
            )),
        }
    }

    fn expands(&self) -> Result<bool, Problem> {
        match self.text("expand") {
            None => Ok(false),
            Some("contact") => Ok(true),
            Some(_) => Err(Problem::invalid("expand", "expand must be contact")),
        }
    }
}

/// The words that are asked for, each in the form in which it is kept.
fn labels<P: Listed>(given: &Given) -> Result<Vec<(&'static str, String)>, Problem> {
    let mut asked = Vec::new();
    for label in P::LABELLED_BY {
        let Some(text) = given.text(label.name) else {
            continue;
        };
        let word = (label.read)(text);
        let word =
            word.map_err(|bad| Problem::invalid(label.name, format!("{} {bad}", label.name)))?;
        asked.push((label.name, word));
    }
    Ok(asked)
}

/// The ids of the contacts that have this address.
async fn whose(reader: &Reader, kind: &str, address: &str) -> Result<Vec<Value>, ReadError> {
    let rows = reader.rows_of(ScreenName::listing::<Addresses>(), |tables| {
        let mut query = Query::select();
        query.column("id").from(tables.records());
        query.and_where(Expr::col("workspace").eq(reader.workspace().as_str()));
        query.and_where(Expr::col("kind").eq(kind));
        query.and_where(Expr::col("address").eq(address));
        query
    });
    Ok(rows
        .await?
        .iter()
        .map(|row| Value::Int(row.int(0)))
        .collect())
}

/// The order that is asked for; otherwise that of the range, or of the ids.
fn order<P: Listed>(sort: Option<&str>, question: &Question) -> Result<Ordered, Problem> {
    let Some(sort) = sort else {
        let ranged = |column: &&crate::columns::Column<P::View>| {
            let mut ranges = question.ranges.iter();
            ranges.any(|(name, ..)| *name == column.kept.name)
        };
        let column = P::LISTED_BY.iter().find(ranged);
        return Ok(column.map_or_else(Ordered::default, |column| Ordered {
            by: column.kept.name,
            descending: !matches!(column.kept.role, Role::Order(Measure::Beginning)),
        }));
    };
    let (name, descending) = match sort.strip_prefix('-') {
        Some(name) => (name, true),
        None => (sort, false),
    };
    let mut orders = parameters::orders::<P>();
    let by = orders.find(|(known, _)| *known == name).map(|(_, by)| by);
    by.map(|by| Ordered { by, descending }).ok_or_else(|| {
        let known: Vec<_> = parameters::orders::<P>().map(|(name, _)| name).collect();
        let known = known.join(", ");
        let detail = format!("sort must be one of {known}, with - before it from the highest down");
        Problem::invalid("sort", detail)
    })
}

/// As callers write this order.
fn sort_of<P: Listed>(order: Ordered) -> String {
    let sign = if order.descending { "-" } else { "" };
    let mut orders = parameters::orders::<P>();
    let name = orders.find(|(_, by)| *by == order.by);
    format!("{sign}{}", name.map_or(ID, |(name, _)| name))
}

/// A range of another column than that of the order would be looked for all through the list.
fn narrowed_in_order<P: Listed>(question: &Question) -> Result<(), Problem> {
    let elsewhere = |column: &&crate::columns::Column<P::View>| {
        let name = column.kept.name;
        name != question.order.by && question.ranges.iter().any(|(ranged, ..)| *ranged == name)
    };
    let Some(column) = P::LISTED_BY.iter().find(elsewhere) else {
        return Ok(());
    };
    let (name, asked) = (column.name, column.parameters.join(" and "));
    Err(Problem::invalid(
        column.parameters[0],
        format!(
            "{asked} can be asked for where the list is in the order of {name}: say sort={name} or sort=-{name}, and leave ranges of other columns out"
        ),
    ))
}

/// The rows of a label are in the order of ids: in another, all of them would have to be sorted.
fn labelled_by_id<P: Listed>(question: &Question) -> Result<(), Problem> {
    let (Some((label, _)), false) = (question.labels.first(), question.order.by == ID) else {
        return Ok(());
    };
    let mut columns = P::LISTED_BY.iter();
    let by = columns.find(|column| column.kept.name == question.order.by);
    let ranged = by.filter(|column| {
        let mut ranges = question.ranges.iter();
        ranges.any(|(name, ..)| *name == column.kept.name)
    });
    Err(Problem::invalid(
        ranged.map_or("sort", |column| column.parameters[0]),
        format!(
            "a list by {label} is in the order of ids: say sort=id or sort=-id, and leave ranges out; with contact_id, phone or email any order goes"
        ),
    ))
}
