//! Which addresses may be called: none inside our own network, unless a setting allows it.
//!
//! A caller of ours sits behind the firewall, and its user does not (SSRF). So every address is
//! looked at when the connection is made, after its name was resolved: a name that resolved to a
//! good address a moment ago may resolve to a bad one now.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The longest address of a webhook.
const MAX_URL: usize = 2000;

/// Ends of names that are never those of the public internet.
const INSIDE: [&str; 10] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
    "onion",
    "test",
    "invalid",
];

/// What is not the public internet (IANA's special-purpose registries), besides what the
/// standard library can tell.
const PRIVATE_V4: [([u8; 4], u8); 6] = [
    ([0, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([192, 0, 0, 0], 24),
    ([192, 88, 99, 0], 24),
    ([198, 18, 0, 0], 15),
    ([240, 0, 0, 0], 4),
];

/// Which addresses may be called. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Networks that may be called although they are private.
    networks: Vec<IpNet>,
}

/// Why an address is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It is no address, or not one that we call.
    #[error(
        "url must be an absolute https address of at most {MAX_URL} characters, without user, password or #"
    )]
    Malformed,
    /// It is not encrypted.
    #[error(
        "url must begin with https://; http:// is taken only where WEBHOOK_ALLOWED_NETWORKS is set"
    )]
    Plain,
    /// It is inside.
    #[error(
        "url leads to a private or reserved address or name; allow its network with WEBHOOK_ALLOWED_NETWORKS"
    )]
    Private,
}

impl Allowed {
    /// Public addresses, and these networks.
    #[must_use]
    pub const fn with(networks: Vec<IpNet>) -> Self {
        Self { networks }
    }

    /// Checks an address as far as it can be checked without resolving its name.
    pub fn check(&self, url: &str) -> Result<Url, BadAddress> {
        let parsed = Url::parse(url).map_err(|_| BadAddress::Malformed)?;
        let clean = parsed.username().is_empty()
            && parsed.password().is_none()
            && parsed.fragment().is_none()
            && url.len() <= MAX_URL;
        let host = parsed
            .host_str()
            .filter(|_| clean)
            .ok_or(BadAddress::Malformed)?;
        match parsed.scheme() {
            "https" => {}
            "http" if !self.networks.is_empty() => {}
            "http" => return Err(BadAddress::Plain),
            _ => return Err(BadAddress::Malformed),
        }
        // An address in numbers is not resolved, so this is its only check.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        let good = match literal {
            Ok(address) => self.allows(address),
            // Where private networks may be called, such a name may lead to one of them.
            Err(_) => !self.networks.is_empty() || may_be_public(host),
        };
        good.then_some(parsed).ok_or(BadAddress::Private)
    }

    /// Whether an address may be called.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address)
            || self
                .networks
                .iter()
                .any(|network| network.contains(&address))
    }
}

impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let good: Vec<SocketAddr> = found.filter(|found| allowed.allows(found.ip())).collect();
            if good.is_empty() {
                return Err(BadAddress::Private.into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// Whether a name can be one of the public internet: it has a dot, and its last part is none of
/// those that are kept for machines and networks by themselves (RFC 6761, 6762, 7686, 8375, ICANN).
fn may_be_public(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let of = |last: &str| {
        let rest = name.strip_suffix(last);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    name.contains('.') && !INSIDE.iter().any(|last| of(last))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let reserved = PRIVATE_V4.iter().any(|(network, bits)| {
        let shift = 32 - u32::from(*bits);
        address.to_bits() >> shift == Ipv4Addr::from(*network).to_bits() >> shift
    });
    !(reserved
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 is given out; of it, tunnels lead to any IPv4 address, and some is for books.
    let global = segments[0] & 0xe000 == 0x2000;
    let tunnel = segments[0] == 0x2002 || (segments[0] == 0x2001 && segments[1] == 0);
    let documentation = (segments[0] == 0x2001 && segments[1] == 0x0db8) || segments[0] == 0x3fff;
    global && !tunnel && !documentation
}

#[cfg(test)]
mod tests {
    use super::{Allowed, BadAddress};

    #[test]
    fn what_lies_inside_is_refused_however_it_is_written() {
        let allowed = Allowed::default();
        for inside in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0.0.0.0/",
            "https://10.1.2.3/",
            "https://172.31.255.255/",
            "https://192.168.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.64.0.1/",
            "https://198.19.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://localhost/",
            "https://LOCALHOST:8443/x",
            "https://localhost./",
            "https://a.localhost/",
            "https://localhost.localdomain/",
            "https://intranet/",
            "https://printer.local/",
            "https://metadata.google.internal/",
            "https://nas.home.arpa/",
        ] {
            assert_eq!(allowed.check(inside), Err(BadAddress::Private), "{inside}");
        }
    }

    #[test]
    fn the_public_internet_is_called() {
        let allowed = Allowed::default();
        for public in [
            "https://example.com/hook?x=1",
            "https://8.8.8.8/",
            "https://localhost.example.com/",
            "https://mylocal.example/",
            "https://[2606:4700::1]/",
        ] {
            assert!(allowed.check(public).is_ok(), "{public}");
        }
    }

    #[test]
    fn what_is_no_clean_address_is_refused() {
        let allowed = Allowed::default();
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "https://a:b@example.com/",
            "https://example.com/#x",
        ] {
            assert_eq!(allowed.check(bad), Err(BadAddress::Malformed), "{bad}");
        }
        assert_eq!(allowed.check("http://example.com"), Err(BadAddress::Plain));
    }

    #[test]
    fn a_network_that_is_allowed_may_be_called_and_no_other() {
        let allowed = Allowed::with(vec!["127.0.0.0/8".parse().unwrap()]);
        assert!(allowed.check("http://127.0.0.1:9000/hook").is_ok());
        assert!(allowed.check("http://localhost:9000/hook").is_ok());
        assert_eq!(allowed.check("http://10.0.0.1/"), Err(BadAddress::Private));
        assert!(!allowed.allows("10.0.0.1".parse().unwrap()));
        assert!(allowed.allows("::ffff:127.0.0.1".parse().unwrap()));
    }
}
