//! The API's description, completed: what holds for every route is said once, here, and not at each.
//!
//! - here: names of operations, bounds of ids, who may call
//! - `headers`: what requests may carry and answers carry
//! - `problems`: the errors that an operation may answer
//!
//! Invariant: nothing is said that the layers and extractors do not do for every route of its kind.

mod headers;
mod problems;

use axum::http::Method;
use commands::http::access::operations;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi, RefOr, Schema};

/// An operation, as these rules tell operations apart.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is asked of an operation by itself"
)]
struct Kind {
    /// It changes nothing.
    reads: bool,
    /// Its path names one record, or one rule.
    names_one: bool,
    /// It has a body.
    has_body: bool,
    /// It answers from the read models.
    shows_a_screen: bool,
    /// It answers a part of a list.
    lists: bool,
    /// It says how many there are, where that is asked for.
    counts: bool,
    /// What it answers is a whole record with its version.
    shows_a_record: bool,
}

/// Says what holds for every route.
pub fn complete(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let kind = Kind::of(&method, path, operation);
            operation.operation_id = Some(name(operation));
            bound_ids(operation);
            headers::describe(operation, kind);
            problems::describe(operation, kind);
        }
    }
    let components = api.components.get_or_insert_with(Components::new);
    headers::define(components);
    problems::define(components);
    secure(components);
    let schemes = ["apiKey", "bearer"];
    let either = schemes.map(|name| SecurityRequirement::new::<_, [String; 0], String>(name, []));
    api.security = Some(either.into());
}

impl Kind {
    fn of(method: &Method, path: &str, operation: &Operation) -> Self {
        let reads = method == Method::GET;
        let has = |name: &str| {
            let mut known = parameters(operation);
            known.any(|parameter| parameter.name == name)
        };
        Self {
            reads,
            names_one: path.contains('{'),
            has_body: operation.request_body.is_some(),
            // What the automation is set to and what happened are read from the log.
            shows_a_screen: reads
                && !path.starts_with("/api/v1/automation")
                && !path.ends_with("/timeline"),
            lists: reads && has("cursor"),
            counts: has("count"),
            shows_a_record: shows_a_record(operation),
        }
    }
}

fn shows_a_record(operation: &Operation) -> bool {
    const RECORDS: [&str; 6] = [
        "ContactView",
        "LeadView",
        "RuleView",
        "SaleView",
        "WebhookView",
        "WebhookWithSecret",
    ];
    let answers = operation.responses.responses.values();
    let contents = answers.filter_map(|answer| match answer {
        RefOr::T(answer) => answer.content.values().next(),
        RefOr::Ref(_) => None,
    });
    let mut schemas = contents.filter_map(|content| match content {
        RefOr::T(content) => content.schema.as_ref(),
        RefOr::Ref(_) => None,
    });
    schemas.any(|schema| match schema {
        RefOr::Ref(named) => {
            let name = named.ref_location.rsplit('/').next().unwrap_or_default();
            RECORDS.contains(&name)
        }
        RefOr::T(_) => false,
    })
}

/// Unique: a function's name is, within its tag.
fn name(operation: &Operation) -> String {
    let function = operation.operation_id.clone().unwrap_or_default();
    match operation.tags.iter().flatten().next() {
        Some(tag) if *tag != function => format!("{tag}_{function}"),
        Some(_) | None => function,
    }
}

fn parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    let all = operation.parameters.iter().flatten();
    all.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    })
}

/// As `commands::http::extract::Id` takes them.
fn bound_ids(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
            && parameter.name == "id"
            && let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema
        {
            schema.minimum = Some(1.into());
            schema.maximum = Some(i64::MAX.into());
        }
    }
}

/// As `commands::http::access` takes keys; `Authorization: Token` is the third way.
fn secure(components: &mut Components) {
    let header = ApiKey::Header(ApiKeyValue::with_description(
        "X-API-Key",
        "A key, as `rapport keys create` makes them; the demo needs none",
    ));
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The same key, as Authorization: Bearer"))
        .build();
    components.add_security_scheme("apiKey", SecurityScheme::ApiKey(header));
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    async fn described() -> Value {
        serde_json::to_value(crate::server::describe().await.unwrap()).unwrap()
    }

    fn operations(described: &Value) -> impl Iterator<Item = (String, &Value)> {
        let paths = described["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| {
            let item = item.as_object().unwrap().iter();
            item.map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
    }

    #[tokio::test]
    async fn every_operation_has_a_name_of_its_own() {
        let described = described().await;
        let mut names = HashSet::new();
        for (place, operation) in operations(&described) {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{place} is called {name} too");
        }
    }

    #[tokio::test]
    async fn every_answer_says_what_it_is() {
        let described = described().await;
        for (place, operation) in operations(&described) {
            let answers = operation["responses"].as_object().unwrap();
            assert!(
                answers
                    .keys()
                    .all(|status| status.len() == 3 && !status.ends_with("XX"))
            );
            for (status, answer) in answers {
                let named = answer["$ref"].as_str().map(|name| name.replace('#', ""));
                let answer = named.map_or(answer, |name| described.pointer(&name).unwrap());
                let said = answer["description"].as_str().unwrap_or_default();
                assert!(said.len() > 3, "{place} {status}");
                let media = answer["content"].as_object();
                let problem =
                    media.is_some_and(|media| media.contains_key("application/problem+json"));
                assert_eq!(problem, status.as_str() >= "400", "{place} {status}");
            }
        }
    }
}
