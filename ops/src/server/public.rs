//! Links that callers can follow: behind a proxy, what is ours begins elsewhere.
//!
//! Only the setting says where. `X-Forwarded-…` headers are not heeded: anybody can send them.

use std::str::FromStr;

use anyhow::{Context as _, ensure};
use axum::http::uri::{Scheme, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Where callers reach this API, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let allowed = "it must look like https://crm.example.com or https://example.com/crm";
        let url: Uri = text.trim().parse().context(allowed)?;
        let web = url.scheme() == Some(&Scheme::HTTP) || url.scheme() == Some(&Scheme::HTTPS);
        let plain = url.query().is_none() && !text.contains('#');
        let host = url.host().is_some_and(|host| !host.is_empty());
        let named = url
            .authority()
            .is_some_and(|name| !name.as_str().contains('@'));
        ensure!(web && plain && host && named, allowed);
        Ok(Self(text.trim().trim_end_matches('/').to_owned()))
    }
}

impl PublicUrl {
    /// Where callers find this path.
    #[must_use]
    pub fn of(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Makes the paths in an answer's `Location` and `Link` whole.
    pub fn complete(&self, headers: &mut HeaderMap) {
        self.complete_one(headers, &header::LOCATION, "");
        self.complete_one(headers, &header::LINK, "<");
    }

    fn complete_one(&self, headers: &mut HeaderMap, name: &HeaderName, before: &str) {
        let path = headers.get(name).and_then(|value| value.to_str().ok());
        let path = path.and_then(|value| value.strip_prefix(before));
        let Some(path) = path.filter(|path| path.starts_with('/')) else {
            return;
        };
        if let Ok(whole) = HeaderValue::try_from(format!("{before}{}", self.of(path))) {
            headers.insert(name, whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::PublicUrl;

    #[test]
    fn a_proxy_s_prefix_is_part_of_every_link() {
        let public: PublicUrl = "https://example.com/crm/".parse().unwrap();
        let mut headers = HeaderMap::new();
        let link = "</api/v1/leads?cursor=7>; rel=\"next\"";
        headers.insert(
            header::LOCATION,
            HeaderValue::from_static("/api/v1/leads/1"),
        );
        headers.insert(header::LINK, HeaderValue::from_static(link));
        public.complete(&mut headers);
        assert_eq!(
            headers[header::LOCATION],
            "https://example.com/crm/api/v1/leads/1"
        );
        assert_eq!(
            headers[header::LINK],
            "<https://example.com/crm/api/v1/leads?cursor=7>; rel=\"next\""
        );
        public.complete(&mut headers);
        assert_eq!(
            headers[header::LOCATION],
            "https://example.com/crm/api/v1/leads/1",
            "what is whole stays"
        );
    }

    #[test]
    fn what_is_no_address_of_ours_is_refused() {
        for wrong in [
            "",
            "crm.example.com",
            "ftp://example.com",
            "https://",
            "https://example.com/?a=b",
            "https://example.com/#docs",
            "https://user:password@example.com",
            "/crm",
        ] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
        assert!("http://localhost:8080".parse::<PublicUrl>().is_ok());
    }
}
