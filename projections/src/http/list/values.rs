//! Texts of a request as columns keep them; whatever cannot be taken names its parameter.

use commands::http::problem::Problem;
use domain::contact::address::{Email, Phone};
use domain::lead::scoring::Score;
use domain::money::{Currency, Money, MoneyError};
use domain::text;
use jiff::tz::TimeZone;

use super::{Given, ReadApi};
use crate::addresses::{EMAIL, PHONE};
use crate::columns::{Measure, folded};
use crate::db::Value;
use crate::period::Period;
use crate::slots;

/// As many characters as a name may have.
const MAX_BEGINNING: usize = 500;

/// From this value, until before that one.
type Range = (Value, Option<Value>);

pub(super) fn id(name: &str, text: &str) -> Result<Value, Problem> {
    let id = commands::http::extract::Id::parse(text);
    id.map(|id| id.0.into())
        .map_err(|_| Problem::invalid(name, format!("{name} must be an integer from 1 up")))
}

pub(super) fn word<'a>(name: &str, text: &str, words: &[&'a str]) -> Result<&'a str, Problem> {
    let mut named = words.iter().filter(|word| !word.is_empty());
    let found = named.find(|word| **word == text);
    found.copied().ok_or_else(|| {
        let known: Vec<_> = words
            .iter()
            .filter(|word| !word.is_empty())
            .copied()
            .collect();
        Problem::invalid(name, format!("{name} must be one of {}", known.join(", ")))
    })
}

pub(super) fn range(
    measure: Measure,
    names: &'static [&'static str],
    texts: &[Option<&str>],
    zone: &TimeZone,
) -> Result<Range, Problem> {
    let (from, to) = (texts[0], texts.get(1).copied().flatten());
    let [first, last] = [names[0], names.get(1).copied().unwrap_or(names[0])];
    match measure {
        Measure::Moment => {
            let period = Period::named([first, last], from, to, zone)?;
            let (from, to) = period.map_or((0, i64::MAX), Period::microseconds);
            Ok((slots::text(from).into(), Some(slots::text(to).into())))
        }
        Measure::Amount => between([first, last], from, to, minor),
        Measure::Fraction => between([first, last], from, to, thousandths),
        Measure::Beginning => beginning(first, from.unwrap_or_default()),
    }
}

/// Both ends belong to it.
fn between(
    names: [&str; 2],
    from: Option<&str>,
    to: Option<&str>,
    read: fn(&str, &str) -> Result<i64, Problem>,
) -> Result<Range, Problem> {
    let from = from.map_or(Ok(0), |text| read(names[0], text))?;
    let to = to.map(|text| read(names[1], text)).transpose()?;
    if to.is_some_and(|to| from > to) {
        let detail = format!("{} must not be more than {}", names[0], names[1]);
        return Err(Problem::invalid(names[0], detail));
    }
    Ok((Value::Int(from), to.map(|to| Value::Int(to + 1))))
}

/// The currency does not matter: all have two decimal places.
fn minor(name: &str, text: &str) -> Result<i64, Problem> {
    match Money::parse_whole(text, Currency::Uah) {
        Ok(money) => Ok(crate::db::signed(money.minor)),
        Err(MoneyError::Zero) => Ok(0),
        Err(error @ (MoneyError::NotAnAmount | MoneyError::TooLarge)) => {
            Err(Problem::invalid(name, format!("{name} {error}")))
        }
    }
}

fn thousandths(name: &str, text: &str) -> Result<i64, Problem> {
    let score = text.parse().ok().and_then(Score::from_fraction);
    score
        .map(|score| score.thousandths().into())
        .ok_or_else(|| Problem::invalid(name, format!("{name} must be a number from 0 to 1")))
}

/// Everything that begins so: until behind the last character that could follow.
fn beginning(name: &str, text: &str) -> Result<Range, Problem> {
    let text = text::required_line(text, MAX_BEGINNING)
        .map_err(|error| Problem::invalid(name, format!("{name} {error}")))?;
    let text = folded(&text);
    let end = format!("{text}{}", char::MAX);
    Ok((text.into(), Some(end.into())))
}

/// The phone or the email that is asked for, in its one form.
pub(super) fn address(
    given: &Given,
    api: &ReadApi,
) -> Result<Option<(&'static str, String)>, Problem> {
    match (given.text(PHONE), given.text(EMAIL)) {
        (Some(_), Some(_)) => Err(Problem::invalid(
            EMAIL,
            "either phone or email can be looked up",
        )),
        (Some(phone), None) => {
            // Also a number from before numbers were checked, as the card shows it.
            let read = Phone::try_new(phone).or_else(|_| api.phone_region.phone(phone));
            let phone = read.map_err(|error| Problem::invalid(PHONE, error.to_string()))?;
            Ok(Some((PHONE, phone.to_string())))
        }
        (None, Some(email)) => {
            let email = Email::try_new(email);
            let email = email.map_err(|error| Problem::invalid(EMAIL, error.to_string()))?;
            Ok(Some((EMAIL, email.to_string())))
        }
        (None, None) => Ok(None),
    }
}
