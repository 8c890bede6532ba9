//! Money: integer minor units and a currency, never a float.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::words::words;

words! {
    /// Currencies that Rapport sells in (ISO 4217); all have two decimal places.
    pub enum Currency {
        /// Ukrainian hryvnia.
        Uah = "UAH",
        /// Russian rouble.
        Rub = "RUB",
        /// US dollar.
        Usd = "USD",
        /// Euro.
        Eur = "EUR",
        /// Kazakhstani tenge.
        Kzt = "KZT",
    }
}

/// An amount in minor units (kopecks, cents).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Minor units: 10 000 UAH is 1 000 000.
    pub minor: u64,
    /// ISO 4217.
    pub currency: Currency,
}

impl Money {
    /// The largest amount taken: a trillion whole units, exact in every JSON reader.
    pub const MAX_WHOLE: u64 = 1_000_000_000_000;

    /// An amount from decimal text in whole units: `10000`, `99.90`.
    pub fn parse_whole(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (whole, cents) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(cents) || cents.len() > 2 {
            return Err(MoneyError::NotAnAmount);
        }
        let whole: u64 = whole.parse().map_err(|_| MoneyError::TooLarge)?;
        if whole > Self::MAX_WHOLE {
            return Err(MoneyError::TooLarge);
        }
        let cents: u64 = format!("{cents:0<2}")
            .parse()
            .map_err(|_| MoneyError::NotAnAmount)?;
        match whole * 100 + cents {
            0 => Err(MoneyError::Zero),
            minor if minor > Self::MAX_WHOLE * 100 => Err(MoneyError::TooLarge),
            minor => Ok(Self { minor, currency }),
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:02} {}",
            self.minor / 100,
            self.minor % 100,
            self.currency
        )
    }
}

/// Why a text is not an amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not digits with at most two decimals.
    #[error("must be a positive number with at most two decimals, for example 10000 or 99.90")]
    NotAnAmount,
    /// Nothing cannot be sold.
    #[error("must be more than 0")]
    Zero,
    /// Beyond [`Money::MAX_WHOLE`].
    #[error("must be at most 1000000000000")]
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::{Currency::Uah, Money, MoneyError};

    #[test]
    fn whole_units_become_minor_units() {
        let minor = |text| Money::parse_whole(text, Uah).map(|money| money.minor);
        assert_eq!(minor("10000"), Ok(1_000_000));
        assert_eq!(minor("99.9"), Ok(9_990));
        assert_eq!(minor("0.01"), Ok(1));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let refusal = |text| Money::parse_whole(text, Uah).unwrap_err();
        for text in ["", "-5", "1e9", "abc", "1.234", ".5", "1.-2", "+1"] {
            assert_eq!(refusal(text), MoneyError::NotAnAmount, "{text}");
        }
        assert_eq!(refusal("0"), MoneyError::Zero);
        assert_eq!(refusal("99999999999999999999999"), MoneyError::TooLarge);
        assert_eq!(refusal("1000000000001"), MoneyError::TooLarge);
        assert_eq!(refusal("1000000000000.01"), MoneyError::TooLarge);
        assert!(Money::parse_whole("1000000000000", Uah).is_ok());
    }
}
