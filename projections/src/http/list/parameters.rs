//! The parameters that the declared columns of a screen make, for requests and for the description.

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, Required};

use super::ListQuery;
use crate::columns::{Column, Listed, Measure, Role, Words};
use crate::http::page::MOST;
use crate::question::ID;

/// What every list takes.
const EVERY: [&str; 4] = ["sort", "count", "limit", "cursor"];

/// The names of all parameters of a screen's list.
pub(super) fn names<P: Listed>() -> Vec<&'static str> {
    let columns = P::LISTED_BY.iter().flat_map(|column| column.parameters);
    let labels = P::LABELLED_BY.iter().map(|label| &label.name);
    let own = columns
        .chain(labels)
        .chain(P::LOOKED_UP_BY)
        .chain(P::EXPANDED_BY)
        .copied();
    own.chain(EVERY).collect()
}

/// The orders of a screen's list: the name of each, and the column.
pub(super) fn orders<P: Listed>() -> impl Iterator<Item = (&'static str, &'static str)> {
    let is_order = |column: &&Column<P::View>| matches!(column.kept.role, Role::Order(_));
    let orders = P::LISTED_BY.iter().filter(is_order);
    std::iter::once((ID, ID)).chain(orders.map(|column| (column.name, column.kept.name)))
}

impl<P: Listed> IntoParams for ListQuery<P> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut all: Vec<_> = P::LISTED_BY.iter().flat_map(of_column).collect();
        for label in P::LABELLED_BY {
            all.push(parameter(label.name, label.description, text()));
        }
        for kind in P::LOOKED_UP_BY {
            let description = format!("Only who has this {kind}, however it is written.");
            all.push(parameter(kind, &description, text()));
        }
        for what in P::EXPANDED_BY {
            let schema = text().enum_values(Some(["contact"]));
            all.push(parameter(
                what,
                "Each with its contact, where it has one.",
                schema,
            ));
        }
        let signs = |(name, _): (&str, &str)| [name.to_owned(), format!("-{name}")];
        let sorts = text().enum_values(Some(orders::<P>().flat_map(signs)));
        let sort = "The order; with `-` from the highest down. Otherwise that of a range that is asked for, or the newest first.";
        all.push(parameter("sort", sort, sorts));
        let flag = ObjectBuilder::new().schema_type(Type::Boolean);
        let count = "Whether the header `Rapport-Count` says how many there are; beyond 10,000 it says `10000+`.";
        all.push(parameter("count", count, flag));
        let limit = ObjectBuilder::new().schema_type(Type::Integer);
        let limit = limit.minimum(Some(1)).maximum(Some(MOST));
        all.push(parameter("limit", "How many; 50 unless said.", limit));
        let cursor = text().pattern(Some("^[A-Za-z0-9_-]{1,4000}$"));
        all.push(parameter(
            "cursor",
            "Where to go on in the same order, from the `Link` header.",
            cursor,
        ));
        all
    }
}

fn of_column<V>(column: &Column<V>) -> Vec<Parameter> {
    let holds = column.description;
    let one = |schema| vec![parameter(column.parameters[0], holds, schema)];
    let measure = match column.kept.role {
        Role::Filter => return one(text()),
        Role::Key => {
            let id = ObjectBuilder::new().schema_type(Type::Integer);
            return one(id.minimum(Some(1)).maximum(Some(i64::MAX)));
        }
        Role::Choice(Words::Places(_)) => {
            return vec![
                parameter("stage", "Only in the stage with this key.", text()),
                parameter("pipeline", "Only of the pipeline with this key.", text()),
            ];
        }
        Role::Choice(Words::Fixed(words)) => {
            let words = words().into_iter().filter(|word| !word.is_empty());
            return one(text().enum_values(Some(words)));
        }
        Role::Order(measure) => measure,
    };
    let ends: [String; 2] = match measure {
        Measure::Moment => [
            format!(
                "Only what {holds} from this day of the workspace's zone on, as `2026-11-01`, or from this moment on, with its offset."
            ),
            format!("Only what {holds} until the end of this day, or before this moment."),
        ],
        Measure::Amount | Measure::Fraction => [
            format!("The least of {holds}."),
            format!("The most of {holds}."),
        ],
        Measure::Beginning => [
            format!("How {holds} begins, in small or large letters."),
            String::new(),
        ],
    };
    let described = column.parameters.iter().zip(&ends);
    described
        .map(|(name, end)| parameter(name, end, ends_of(measure)))
        .collect()
}

fn ends_of(measure: Measure) -> ObjectBuilder {
    let number = || {
        let format = SchemaFormat::KnownFormat(KnownFormat::Double);
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .format(Some(format))
            .minimum(Some(0))
    };
    match measure {
        Measure::Moment => text(),
        Measure::Beginning => text().min_length(Some(1)).max_length(Some(500)),
        Measure::Amount => number(),
        Measure::Fraction => number().maximum(Some(1)),
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn parameter(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
