//! Who may talk to the demo, where everybody is the owner: this machine, and no page of another site.
//!
//! A page that somebody reads can send requests to 127.0.0.1, and by DNS rebinding it can even read the
//! answers: its name then leads to this machine. The first is told by `Origin`, which browsers send with
//! every request that changes something; the second by `Host`, which names the page's site.

use axum::http::request::Parts;
use axum::http::{StatusCode, Uri, header};

use super::problem::Problem;

/// Refuses what a page of another site sent. `origins` are those that `CORS_ORIGINS` allows.
pub fn expect_this_machine(request: &Parts, origins: &[String]) -> Result<(), Problem> {
    let host = text(request, header::HOST).unwrap_or_default();
    if !is_loopback(host) {
        return Err(another_host(host));
    }
    match text(request, header::ORIGIN) {
        None => Ok(()),
        Some(origin) if is_of(origin, host) || is_allowed(origin, origins) => Ok(()),
        Some(origin) => Err(another_site(origin)),
    }
}

fn text(request: &Parts, name: header::HeaderName) -> Option<&str> {
    let value = request.headers.get(name)?;
    Some(value.to_str().unwrap_or("?"))
}

fn is_loopback(host: &str) -> bool {
    let name = host.parse::<Uri>().ok();
    let name = name.as_ref().and_then(Uri::host).unwrap_or_default();
    let address = name.trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_of(origin: &str, host: &str) -> bool {
    let site = origin.split_once("://").map(|(_, site)| site);
    site.is_some_and(|site| site.eq_ignore_ascii_case(host))
}

fn is_allowed(origin: &str, origins: &[String]) -> bool {
    let same = |allowed: &String| allowed == "*" || allowed.trim_end_matches('/') == origin;
    origins.iter().any(same)
}

fn another_host(host: &str) -> Problem {
    Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "/problems/another-host",
        "Not this machine",
    )
    .detail(format!(
        "The demo answers at localhost and 127.0.0.1, not at '{host}'; `rapport serve` answers everybody, with keys"
    ))
    .field("Host")
}

fn another_site(origin: &str) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "/problems/another-site",
        "A page of another site",
    )
    .detail(format!(
        "Pages of '{origin}' may not use this demo; start it with CORS_ORIGINS={origin} if they should"
    ))
    .field("Origin")
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::expect_this_machine;

    fn asked(host: &str, origin: Option<&str>) -> Result<(), u16> {
        let mut request = Request::post("/api/v1/leads").header("Host", host);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        expect_this_machine(&parts, &["http://localhost:5173/".into()])
            .map_err(|problem| problem.status)
    }

    #[test]
    fn this_machine_is_let_in_under_each_of_its_names() {
        for host in [
            "localhost:8000",
            "LOCALHOST",
            "127.0.0.1:8000",
            "127.8.0.1",
            "[::1]:8000",
        ] {
            assert_eq!(asked(host, None), Ok(()), "{host}");
        }
        assert_eq!(
            asked("127.0.0.1:8000", Some("http://127.0.0.1:8000")),
            Ok(())
        );
        assert_eq!(
            asked("127.0.0.1:8000", Some("http://localhost:5173")),
            Ok(())
        );
    }

    #[test]
    fn a_name_that_was_rebound_is_refused() {
        for host in [
            "evil.example:8000",
            "",
            "localhost.evil.example",
            "10.0.0.7:8000",
        ] {
            assert_eq!(asked(host, None), Err(421), "{host}");
        }
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        for origin in ["https://evil.example", "null", "http://localhost:3000"] {
            assert_eq!(asked("localhost:8000", Some(origin)), Err(403), "{origin}");
        }
    }
}
