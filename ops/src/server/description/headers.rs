//! What requests may carry and answers carry beside their bodies.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Components, Header, Ref, RefOr, Required, Response};

use super::Kind;

/// One or more tags in quotes, or `*`.
const TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#;
const POSITION: &str = "^[0-9]{1,5}:[0-9]{1,18}$";

/// The headers of this operation's requests and answers.
pub(super) fn describe(operation: &mut Operation, kind: Kind) {
    let asked = operation.parameters.get_or_insert_default();
    let carried: [(&str, bool); 4] = [
        ("Idempotency-Key", !kind.reads),
        ("If-Match", !kind.reads && kind.names_one),
        ("If-None-Match", kind.reads && kind.shows_a_record),
        ("Rapport-Position", kind.shows_a_screen),
    ];
    for (name, _) in carried.iter().filter(|(_, carried)| *carried) {
        asked.push(RefOr::Ref(Ref::new(format!(
            "#/components/parameters/{name}"
        ))));
    }
    for (status, answer) in &mut operation.responses.responses {
        if let RefOr::T(answer) = answer
            && status.starts_with('2')
        {
            answer.description = done(status).into();
            carry(answer, status, kind);
        }
    }
    if kind.reads && kind.shows_a_record {
        let known = Response::new("You have this version already");
        let known = RefOr::T(tagged(known));
        operation.responses.responses.insert("304".into(), known);
    }
}

fn done(status: &str) -> &'static str {
    match status {
        "201" => "It was made",
        "204" => "It was done, and there is nothing to show",
        _ => "As it is now",
    }
}

fn carry(answer: &mut Response, status: &str, kind: Kind) {
    let carried: [(&str, bool); 6] = [
        ("ETag", kind.shows_a_record && !kind.lists),
        ("Idempotency-Replayed", !kind.reads),
        ("Link", kind.lists),
        ("Location", status == "201"),
        ("Rapport-Count", kind.counts),
        ("Rapport-Position", !kind.reads),
    ];
    for (name, _) in carried.into_iter().filter(|(_, carried)| *carried) {
        let named = Ref::new(format!("#/components/headers/{name}"));
        answer.headers.insert(name.into(), RefOr::Ref(named));
    }
}

fn tagged(mut answer: Response) -> Response {
    let named = Ref::new("#/components/headers/ETag");
    answer.headers.insert("ETag".into(), RefOr::Ref(named));
    answer
}

/// Every header, once.
pub(super) fn define(components: &mut Components) {
    let asked = [
        parameter(
            "Idempotency-Key",
            "^[!-~]([ -~]{0,253}[!-~])?$",
            "The request is carried out once for this key, however often it is sent",
        ),
        parameter(
            "If-Match",
            TAGS,
            "The ETag of the record that was decided on; where it is another by now, nothing is changed",
        ),
        parameter("If-None-Match", TAGS, "The ETag of what you have already"),
        parameter(
            "Rapport-Position",
            POSITION,
            "Wait until this write is shown, as an earlier answer named it",
        ),
    ];
    for parameter in asked {
        let name = parameter.name.clone();
        components.parameters.insert(name, RefOr::T(parameter));
    }
    for (name, pattern, said) in [
        (
            "ETag",
            "^\"[0-9]+(-beside)?\"$",
            "The record's version, for If-Match",
        ),
        (
            "Idempotency-Replayed",
            "^true$",
            "The answer was given before, to the same Idempotency-Key",
        ),
        (
            "Link",
            "^<.*>; rel=\"next\"$",
            "Where the list goes on, where it does",
        ),
        ("Location", "^.*/api/v1/", "Where it is"),
        (
            "Rapport-Count",
            "^([0-9]+|10000\\+)$",
            "How many there are, where count=true asks for it",
        ),
        (
            "Rapport-Position",
            POSITION,
            "Where it was written; reads may wait for it",
        ),
        (
            "Retry-After",
            "^[0-9]+$",
            "Seconds to wait before the next try",
        ),
        ("WWW-Authenticate", "^Bearer", "How to say who you are"),
    ] {
        let defined = header(pattern, said);
        components.headers.insert(name.into(), RefOr::T(defined));
    }
}

fn parameter(name: &str, pattern: &str, said: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(said))
        .schema(Some(text(pattern)))
        .build()
}

fn header(pattern: &str, said: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(text(pattern)))
        .description(Some(said))
        .build()
}

fn text(pattern: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
}
