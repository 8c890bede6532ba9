//! The one place that decides who may call what.
//!
//! - [`needed`]: which role a route needs

pub mod needed;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use domain::key::Role;
use journal::token::Token;

use super::caller::Caller;
use super::limits::Limiter;
use super::problem::Problem;
use super::site::expect_this_machine;
use crate::keys::{Holder, Keys};
pub use needed::{Needed, Table, Undeclared, open_to, open_to_forms_and, operations};

/// How callers are told apart.
#[derive(Clone)]
pub enum Access {
    /// Everybody is the owner of one workspace: the demo, on loopback only.
    Open {
        /// That workspace.
        workspace: Token,
        /// Sites whose pages may call beside our own.
        origins: Vec<String>,
    },
    /// Whoever presents a key is its holder.
    Keys {
        /// Who holds which key.
        keys: Keys,
        /// How often they may call.
        limiter: Limiter,
    },
}

/// What everybody may see: that it lives, and how to use it.
const PUBLIC: &[&str] = &["/health", READY, "/metrics", "/openapi.json"];
const READY: &str = "/ready";
const DOCS: &str = "/docs";
/// Whoever may read anything.
const READERS: Needed = Needed {
    least: Role::Analyst,
    form: false,
};
/// How long it may take to find out who asks for readiness.
const RECOGNISED_WITHIN: Duration = Duration::from_secs(1);

impl Access {
    /// Leaves a [`Caller`] with the request, where one is needed, or says why it is refused.
    pub async fn admit(&self, table: &Table, request: &mut Parts) -> Result<(), Problem> {
        if is_public(&request.method, request.uri.path()) {
            self.recognise(request).await;
            return Ok(());
        }
        let needed = needed(table, request);
        let caller = self.caller(request, needed).await?;
        request.extensions.insert(caller);
        Ok(())
    }

    /// `/ready` answers everybody, and tells more to those who may read. It answers in time too where the
    /// log does not, in which keys are.
    async fn recognise(&self, request: &mut Parts) {
        let known = matches!(self, Self::Open { .. }) || presented(&request.headers).is_some();
        if request.uri.path() != READY || !known {
            return;
        }
        let caller = self.caller(request, READERS);
        let caller = match tokio::time::timeout(RECOGNISED_WITHIN, caller).await {
            Ok(Ok(caller)) => Some(caller),
            Ok(Err(refused)) if [401, 403].contains(&refused.status) => None,
            // Whoever asks too often is still known, and asks for nothing that others may not.
            Ok(Err(_)) | Err(_) => self.known_before(request),
        };
        if let Some(caller) = caller {
            request.extensions.insert(caller);
        }
    }

    fn known_before(&self, request: &Parts) -> Option<Caller> {
        match self {
            Self::Open { .. } => None,
            Self::Keys { keys, .. } => {
                let holder = keys.known_before(presented(&request.headers)?)?;
                Some(Caller::holding(holder))
            }
        }
    }

    async fn caller(&self, request: &Parts, needed: Needed) -> Result<Caller, Problem> {
        match self {
            Self::Open { workspace, origins } => {
                expect_this_machine(request, origins)?;
                Ok(Caller {
                    workspace: workspace.clone(),
                    actor: "demo".into(),
                    role: Role::Owner,
                    claim: None,
                    if_match: None,
                    row: None,
                })
            }
            Self::Keys { keys, limiter } => {
                let holder = authenticate(keys, limiter, Presented::by(request)).await?;
                if !needed.allows(holder.role) {
                    return Err(forbidden(holder.role, needed.least));
                }
                Ok(Caller::holding(holder))
            }
        }
    }
}

/// Whether everybody may call this: that it lives, and how to use it.
#[must_use]
pub fn is_public(method: &Method, path: &str) -> bool {
    let docs = path == DOCS
        || path
            .strip_prefix(DOCS)
            .is_some_and(|rest| rest.starts_with('/'));
    method == Method::OPTIONS || PUBLIC.contains(&path) || docs
}

/// Who may call what a request names. That there is no such route is told to whoever may read.
fn needed(table: &Table, request: &Parts) -> Needed {
    let route = request.extensions.get::<MatchedPath>();
    let needed = route.and_then(|route| table.get(&request.method, route.as_str()));
    needed.unwrap_or(READERS)
}

/// What a request says of its caller.
struct Presented {
    key: Option<String>,
    address: String,
}

impl Presented {
    fn by(request: &Parts) -> Self {
        let address = request.extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            key: presented(&request.headers).map(ToOwned::to_owned),
            address: address.map_or_else(String::new, |ConnectInfo(address)| client(address.ip())),
        }
    }
}

/// An address as calls are counted by: whoever has one of IPv6 has a whole /64 of them.
fn client(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

async fn authenticate(
    keys: &Keys,
    limiter: &Limiter,
    presented: Presented,
) -> Result<Holder, Problem> {
    let Presented { key, address } = presented;
    let Some(presented) = key else {
        limiter.anonymous(&address)?;
        return Err(unauthorized(
            "Send an API key as X-API-Key, or as Authorization: Bearer; `rapport keys create` makes one",
        ));
    };
    if let Some(holder) = keys.remembered(&presented) {
        limiter.key(&format!("{}:{}", holder.workspace, holder.id))?;
        return Ok(holder);
    }
    limiter.unseen(&address)?;
    let Some(holder) = keys.holder(&presented).await? else {
        limiter.anonymous(&address)?;
        return Err(unauthorized(
            "This API key is unknown or was revoked; `rapport keys create` makes a new one",
        ));
    };
    limiter.key(&format!("{}:{}", holder.workspace, holder.id))?;
    Ok(holder)
}

/// `X-API-Key: K`, `Authorization: Bearer K` or `Authorization: Token K`.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::trim)
    };
    if let Some(key) = text(header::HeaderName::from_static("x-api-key")) {
        return Some(key);
    }
    let (scheme, key) = text(header::AUTHORIZATION)?.split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    known.then(|| key.trim())
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "/problems/unauthorized",
        "Who are you?",
    )
    .detail(detail)
}

fn forbidden(role: Role, needed: Role) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "/problems/forbidden", "Not allowed").detail(format!(
        "This needs the role {needed}, your key has the role {role}"
    ))
}
