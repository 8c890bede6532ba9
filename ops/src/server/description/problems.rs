//! The errors that an operation may answer, each as problem+json.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::Kind;

/// Status, name among the components, meaning, and the header that says what next.
type Told = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

const BAD_REQUEST: Told = (
    "400",
    "BadRequest",
    "The body is no JSON, or the Idempotency-Key no key",
    None,
);
const UNAUTHORIZED: Told = (
    "401",
    "Unauthorized",
    "No valid key",
    Some("WWW-Authenticate"),
);
const FORBIDDEN: Told = ("403", "Forbidden", "The key's role is too low", None);
const NOT_FOUND: Told = ("404", "NotFound", "There is no such thing", None);
const BODY_TIMEOUT: Told = ("408", "BodyTimeout", "The body stopped coming", None);
const CONFLICT: Told = (
    "409",
    "Conflict",
    "The state does not allow it; with Retry-After, it may in a moment",
    Some("Retry-After"),
);
const GONE: Told = (
    "410",
    "Gone",
    "It was carried out, and whom it names was erased since",
    None,
);
const PRECONDITION_FAILED: Told = (
    "412",
    "PreconditionFailed",
    "The record is at another version than If-Match names",
    Some("ETag"),
);
const TOO_LARGE: Told = (
    "413",
    "TooLarge",
    "The body has more than 1000000 bytes",
    None,
);
const UNSUPPORTED: Told = (
    "415",
    "UnsupportedMediaType",
    "The header does not say that the body is JSON",
    None,
);
const INVALID: Told = (
    "422",
    "Invalid",
    "A value that cannot be taken; the field is named",
    None,
);
const TOO_MANY: Told = (
    "429",
    "TooManyRequests",
    "Too many requests",
    Some("Retry-After"),
);
const INTERNAL: Told = ("500", "InternalError", "A fault of ours", None);
const UNAVAILABLE: Told = (
    "503",
    "Unavailable",
    "Something of ours does not answer, or does not show your write yet",
    Some("Retry-After"),
);
const TIMEOUT: Told = (
    "504",
    "Timeout",
    "No answer within 30 seconds",
    Some("Retry-After"),
);

const ALL: [Told; 15] = [
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    BODY_TIMEOUT,
    CONFLICT,
    GONE,
    PRECONDITION_FAILED,
    TOO_LARGE,
    UNSUPPORTED,
    INVALID,
    TOO_MANY,
    INTERNAL,
    UNAVAILABLE,
    TIMEOUT,
];

/// Names each status that the operation may answer, in place of a range like `4XX`: those of its kind, and
/// those that it declares itself.
pub(super) fn describe(operation: &mut Operation, kind: Kind) {
    let answers = &mut operation.responses.responses;
    let declared: Vec<_> = answers.keys().cloned().collect();
    answers.retain(|status, _| status.starts_with('2') || status.starts_with('3'));
    for told in ALL {
        let (status, name, ..) = told;
        if may_answer(told, kind) || declared.iter().any(|declared| declared == status) {
            let named = RefOr::Ref(Ref::from_response_name(name));
            answers.insert(status.into(), named);
        }
    }
}

fn may_answer((status, ..): Told, kind: Kind) -> bool {
    match status {
        "400" | "409" | "410" => !kind.reads,
        "404" => kind.names_one,
        "408" | "413" | "415" => kind.has_body,
        "412" => !kind.reads && kind.names_one,
        "422" => !kind.reads || kind.shows_a_screen || kind.names_one,
        _ => true,
    }
}

/// Every error, once.
pub(super) fn define(components: &mut Components) {
    for (_, name, said, header) in ALL {
        let answer = problem(said, header);
        components.responses.insert(name.into(), RefOr::T(answer));
    }
}

fn problem(said: &str, header: Option<&str>) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let mut answer = ResponseBuilder::new()
        .description(said)
        .content("application/problem+json", content)
        .build();
    if let Some(name) = header {
        let named = Ref::new(format!("#/components/headers/{name}"));
        answer.headers.insert(name.into(), RefOr::Ref(named));
    }
    answer
}
