//! What calls are signed with: `whsec_` and base64, as Standard Webhooks writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

const PREFIX: &str = "whsec_";
/// Bytes of a secret that we make.
const BYTES: usize = 32;

/// A secret nobody knows yet.
///
/// # Errors
///
/// Where the machine gives no random bytes.
pub fn fresh() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", BASE64.encode(bytes)))
}

/// Whether a text is a secret of 24 to 64 bytes.
#[must_use]
pub fn is_good(text: &str) -> bool {
    let bytes = text
        .strip_prefix(PREFIX)
        .and_then(|encoded| BASE64.decode(encoded).ok());
    bytes.is_some_and(|bytes| (24..=64).contains(&bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::{fresh, is_good};

    #[test]
    fn ours_are_good_and_others_are_checked() {
        assert!(is_good(&fresh().unwrap()));
        assert!(is_good("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        for bad in [
            "",
            "whsec_",
            "whsec_c2hvcnQ=",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_%%%",
        ] {
            assert!(!is_good(bad), "{bad}");
        }
    }
}
