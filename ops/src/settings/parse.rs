//! Values of settings: taken whole, or refused in one sentence that says what is allowed.
//!
//! Invariant: no refusal repeats the value. Many of these are secrets, and errors end up in logs.

use ipnet::IpNet;
use reqwest::Url;

use super::Secret;

/// A web address: `http://…` or `https://…`.
pub fn web_address(text: &str) -> Result<String, String> {
    address(text, &["http", "https"]).map(|()| text.to_owned())
}

/// The monitoring addresses of NATS nodes, with commas. They are asked without TLS.
pub fn monitors(text: &str) -> Result<String, String> {
    each(text, |one| address(one, &["http"])).map(|()| text.to_owned())
}

/// The addresses of NATS servers, with commas.
pub fn nats_servers(text: &str) -> Result<Secret, String> {
    each(text, |one| address(one, &["nats", "tls"])).map(|()| Secret(text.trim().to_owned()))
}

/// Where an archive is.
pub fn archive(text: &str) -> Result<Secret, String> {
    const KURRENT: [&str; 4] = ["kurrentdb", "kurrentdb+discover", "esdb", "esdb+discover"];
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("postgres" | "postgresql") => postgres(text),
        // Its client reads more than one host, which is no URL.
        Some(scheme) if KURRENT.contains(&scheme) => Ok(Secret(text.to_owned())),
        Some(_) | None => Err("must begin with postgres://, kurrentdb:// or esdb://".into()),
    }
}

/// A PostgreSQL server.
pub fn postgres(text: &str) -> Result<Secret, String> {
    address(text, &["postgres", "postgresql"]).map(|()| Secret(text.to_owned()))
}

/// 32 bytes in hex. A key of zeros is what a template leaves, not what anybody made.
pub fn key(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    let good = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !good {
        return Err("must be 64 hex digits; make one with: openssl rand -hex 32".into());
    }
    if text.bytes().all(|byte| byte == b'0') {
        return Err(
            "is all zeros, which everybody can guess; make one with: openssl rand -hex 32".into(),
        );
    }
    Ok(Secret(text.to_owned()))
}

/// A key that somebody else gave: not blank, and no space within, which a broken line leaves.
pub fn foreign_key(text: &str) -> Result<Secret, String> {
    let text = text.trim();
    if text.chars().any(char::is_whitespace) {
        return Err("must be one word without spaces".into());
    }
    Ok(Secret(text.to_owned()))
}

/// A network with its mask.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse()
        .map_err(|_| match text.parse::<std::net::IpAddr>() {
            Ok(address) => format!("must have a mask: {}", IpNet::from(address)),
            Err(_) => "must be networks such as 10.0.0.0/8 or fd00::/8".into(),
        })
}

/// A site: scheme, host and port, as browsers name it; or `*`.
pub fn origin(text: &str) -> Result<String, String> {
    let wanted = || "must be origins such as https://crm.example.com, or *".to_owned();
    let text = text.trim().trim_end_matches('/');
    if text == "*" {
        return Ok(text.to_owned());
    }
    address(text, &["http", "https"]).map_err(|_| wanted())?;
    let url = Url::parse(text).map_err(|_| wanted())?;
    let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    bare.then(|| text.to_owned()).ok_or_else(wanted)
}

fn each(text: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("must not be blank; unset it instead".into());
    }
    text.split(',').try_for_each(|one| check(one.trim()))
}

fn address(text: &str, schemes: &[&str]) -> Result<(), String> {
    let begins: Vec<_> = schemes
        .iter()
        .map(|scheme| format!("{scheme}://"))
        .collect();
    let url = Url::parse(text)
        .ok()
        .filter(|url| schemes.contains(&url.scheme()));
    match url {
        Some(url) if url.has_host() => Ok(()),
        Some(_) => Err("names no host".into()),
        None => Err(format!(
            "must be an address that begins with {}",
            begins.join(" or ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{archive, key, monitors, nats_servers, network, origin, postgres, web_address};

    #[test]
    fn what_is_meant_is_taken() {
        assert!(web_address("https://models.example.com/v1/").is_ok());
        assert!(monitors("http://nats-1:8222,http://nats-2:8222").is_ok());
        assert!(nats_servers("nats://u:p@one:4222, tls://two:4222").is_ok());
        assert!(archive("esdb+discover://a:2113,b:2113?tls=true").is_ok());
        assert!(postgres("postgresql://u:p@h:5432/db").is_ok());
        assert!(key(&"5a".repeat(32)).is_ok());
        assert!(network("10.0.0.0/8").is_ok() && network("::1/128").is_ok());
        assert_eq!(
            origin("https://crm.example.com/"),
            Ok("https://crm.example.com".into())
        );
    }

    #[test]
    fn what_is_not_is_refused_without_repeating_it() {
        let refused = [
            web_address("ftp://s3cret").err(),
            web_address("s3cret").err(),
            monitors("https://s3cret:8222").err(),
            monitors(" ").err(),
            nats_servers("http://u:s3cret@h:4222").err(),
            nats_servers("nats://h:4222,s3cret").err(),
            archive("mysql://u:s3cret@h/db").err(),
            postgres("postgres://").err(),
            key("s3cret").err(),
            key(&"0".repeat(64)).err(),
            network("s3cret").err(),
            origin("https://crm.example.com/s3cret").err(),
        ];
        for refusal in refused {
            let refusal = refusal.expect("it is refused");
            assert!(!refusal.contains("s3cret"), "{refusal}");
        }
        assert_eq!(
            network("127.0.0.1").unwrap_err(),
            "must have a mask: 127.0.0.1/32"
        );
    }
}
