//! What is asked of a report, checked; every refusal names the parameter and what is allowed.

use axum::http::{HeaderMap, header};
use commands::http::problem::Problem;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{ReadApi, ReportView};
use crate::http::card::moment;
use crate::period::{END, Period};
use crate::reports::calendar::{MOST_PARTS, Part, Per};
use crate::reports::facts::Dimension;
use crate::reports::journey::MAX_WORDS;
use crate::reports::measures::{MEASURES, Measure};
use crate::reports::read::{Question, ReportRow};
use crate::reports::table::ReportTable;

/// What a report is of.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportParams {
    /// From this day on, as `2026-11-01`, or from this moment on, with its offset:
    /// `2026-11-01T08:30:00+02:00`. Where the period is divided and this is left out: 30 days, 12 weeks or
    /// 12 months.
    pub from: Option<String>,
    /// Until the end of this day, or before this moment. Where the period is divided and this is left out:
    /// until the end of today.
    pub to: Option<String>,
    /// A row for each `day`, `week` (from Monday on) or `month`; at most 400 of them.
    #[param(pattern = "^(day|week|month)$")]
    pub per: Option<String>,
    /// A row for each value of this, or of each combination of several, separated by commas:
    /// `source,owner`.
    #[param(pattern = "^[a-z_]+(,[a-z_]+)*$")]
    pub by: Option<String>,
    /// What was known at this moment (RFC 3339); one in the future is now.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<String>,
    /// The zone whose days, weeks and months are counted, by IANA's name; the workspace's unless said.
    pub time_zone: Option<String>,
    /// `json` or `csv`; as the header `Accept` says unless said here.
    #[param(pattern = "^(json|csv)$")]
    pub format: Option<String>,
    /// Only in this currency (ISO 4217).
    pub currency: Option<String>,
    /// Only of this pipeline.
    pub pipeline: Option<String>,
    /// Only what stands in this stage.
    pub stage: Option<String>,
    /// Only what is `open`, `won` or `lost`.
    #[param(pattern = "^(open|won|lost)$")]
    pub outcome: Option<String>,
    /// Only from this source.
    pub source: Option<String>,
    /// Only of this line of business; empty for those of none.
    pub business_domain: Option<String>,
    /// Only of whom this owner works on; empty for those of nobody.
    pub owner: Option<String>,
    /// Only won or lost for this reason, of which 200 characters count; empty for those of none.
    pub reason: Option<String>,
    /// Only with this tag; empty for those without any.
    pub tag: Option<String>,
}

/// A question, and what its answer says of it.
pub struct Asked {
    pub(super) question: Question,
    per: Option<Per>,
    zone: TimeZone,
}

impl Asked {
    pub(super) fn of(measure: &str, ask: &ReportParams, api: &ReadApi) -> Result<Self, Problem> {
        let measure = Measure::named(measure).ok_or_else(|| unknown(measure))?;
        let zone = ask.zone(&api.zone)?;
        let per = ask.per.as_deref().map(per).transpose()?;
        let now = api.desk.clock().now();
        let as_of = ask.as_of.as_deref().map(moment).transpose()?;
        let question = Question {
            measure,
            parts: ask.parts(per, as_of.map_or(now, |at| at.min(now)), &zone)?,
            by: by(measure, ask.by.as_deref())?,
            only: ask.only(measure)?,
            as_of: as_of.filter(|at| *at < now),
        };
        Ok(Self {
            question,
            per,
            zone,
        })
    }

    pub(super) fn view(&self, rows: Vec<ReportRow>) -> ReportView {
        let question = &self.question;
        let by = question.grouped_by();
        let parts = &question.parts;
        let first = parts.first().map(|part| part.from).filter(|from| *from > 0);
        let last = parts.last().map(|part| part.to).filter(|to| *to < END);
        let as_of = question.as_of.map(Timestamp::as_microsecond);
        ReportView {
            measure: question.measure.name,
            unit: question.measure.unit.as_str(),
            meaning: question.measure.meaning,
            per: self.per.map(Per::as_str),
            by: by.iter().map(|dimension| dimension.as_str()).collect(),
            from: first.map(|at| self.shown(at)),
            to: last.map(|at| self.shown(at)),
            time_zone: self.zone.iana_name().unwrap_or("UTC").to_owned(),
            as_of: as_of.map(|at| self.shown(at)),
            rows: ReportTable {
                divided: self.per.is_some(),
                by,
                rows,
            },
        }
    }

    fn shown(&self, at: i64) -> String {
        let at = Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX);
        at.display_with_offset(self.zone.to_offset(at)).to_string()
    }
}

impl ReportParams {
    fn zone(&self, usual: &TimeZone) -> Result<TimeZone, Problem> {
        let Some(name) = self.time_zone.as_deref() else {
            return Ok(usual.clone());
        };
        TimeZone::get(name).map_err(|_| {
            Problem::invalid(
                "time_zone",
                "time_zone must be a zone by IANA's name, such as Europe/Kyiv or UTC",
            )
        })
    }

    /// Where it is divided, a missing end is today's, and a missing begin is so far back as is usual.
    fn parts(
        &self,
        per: Option<Per>,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<Vec<Part>, Problem> {
        let period = Period::asked(self.from.as_deref(), self.to.as_deref(), zone)?;
        let ends = period.map(Period::microseconds);
        let Some(per) = per else {
            let whole = |(from, to)| Part {
                first_day: None,
                from,
                to,
            };
            return Ok(ends.map(whole).into_iter().collect());
        };
        let (begin, end) = ends.unwrap_or((0, END));
        let end = match &self.to {
            Some(_) => end,
            None => Per::end_of_day(now, zone).max(begin),
        };
        let begin = match &self.from {
            Some(_) => begin,
            None => per.usual_begin(end - 1, zone),
        };
        per.parts(begin, end, zone).map_err(|_| {
            let allowed = format!(
                "from and to must be at most {MOST_PARTS} {0}s apart where there is a row per {0}; ask for a shorter period, or per a longer one",
                per.as_str()
            );
            Problem::invalid("from", allowed)
        })
    }

    fn only(&self, measure: &Measure) -> Result<Vec<(Dimension, String)>, Problem> {
        let value = |dimension: Dimension| match dimension {
            Dimension::Currency => &self.currency,
            Dimension::Pipeline => &self.pipeline,
            Dimension::Stage => &self.stage,
            Dimension::Outcome => &self.outcome,
            Dimension::Source => &self.source,
            Dimension::BusinessDomain => &self.business_domain,
            Dimension::Owner => &self.owner,
            Dimension::Reason => &self.reason,
            Dimension::Tag => &self.tag,
        };
        let given = Dimension::ALL.iter();
        let cut = |value: &String| value.chars().take(MAX_WORDS).collect::<String>();
        let given = given.filter_map(|by| value(*by).as_ref().map(|value| (*by, cut(value))));
        let given: Vec<_> = given.collect();
        for (dimension, value) in &given {
            if !measure.dimensions().any(|one| one == *dimension) {
                return Err(not_of(measure, dimension.as_str(), dimension.as_str()));
            }
            let known = ["open", "won", "lost"];
            if *dimension == Dimension::Outcome && !known.contains(&value.as_str()) {
                let allowed = "outcome must be one of open, won, lost";
                return Err(Problem::invalid("outcome", allowed));
            }
        }
        Ok(given)
    }
}

fn unknown(measure: &str) -> Problem {
    let known: Vec<_> = MEASURES.iter().map(|measure| measure.name).collect();
    let shown: String = measure.chars().take(50).collect();
    Problem::not_found(format!(
        "There is no report {shown}; there are {}",
        known.join(", ")
    ))
    .field("measure")
}

fn per(text: &str) -> Result<Per, Problem> {
    let allowed = "per must be one of day, week, month";
    Per::parse(text).ok_or_else(|| Problem::invalid("per", allowed))
}

fn by(measure: &Measure, text: Option<&str>) -> Result<Vec<Dimension>, Problem> {
    let mut by = Vec::new();
    for name in text.into_iter().flat_map(|text| text.split(',')) {
        let dimension = measure.dimensions().find(|one| one.as_str() == name);
        let dimension = dimension.ok_or_else(|| not_of(measure, "by", name))?;
        if by.contains(&dimension) {
            return Err(Problem::invalid("by", format!("by names {name} twice")));
        }
        by.push(dimension);
    }
    Ok(by)
}

fn not_of(measure: &Measure, field: &str, asked: &str) -> Problem {
    let known: Vec<_> = measure.dimensions().map(Dimension::as_str).collect();
    let (name, known) = (measure.name, known.join(", "));
    let asked: String = asked.chars().take(50).collect();
    Problem::invalid(
        field,
        format!("{name} has no '{asked}'; it can be grouped and narrowed by {known}"),
    )
}

/// Whether CSV is wanted: as the parameter says, otherwise where it is accepted more than JSON.
pub fn wants_csv(format: Option<&str>, headers: &HeaderMap) -> Result<bool, Problem> {
    match format {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(Problem::invalid("format", "format must be json or csv")),
        None => {
            let accept = headers.get(header::ACCEPT);
            let accept = accept.and_then(|value| value.to_str().ok());
            let accept = accept.unwrap_or_default();
            let csv = accepted(accept, "text/csv");
            Ok(csv > 0.0 && csv > accepted(accept, "application/json"))
        }
    }
}

/// How much a type is wanted, from 0 to 1; only where it is named.
fn accepted(accept: &str, wanted: &str) -> f32 {
    let mut kinds = accept.split(',').map(|kind| kind.split(';').map(str::trim));
    let named = kinds.find_map(|mut kind| {
        let name = kind.next().unwrap_or_default();
        name.eq_ignore_ascii_case(wanted).then_some(kind)
    });
    named.map_or(0.0, |mut parameters| {
        let weight = parameters.find_map(|parameter| parameter.strip_prefix("q="));
        weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::wants_csv;

    #[test]
    fn csv_is_answered_where_it_is_wanted_more_than_json() {
        for (accept, csv) in [
            ("text/csv", true),
            ("TEXT/CSV; charset=utf-8", true),
            ("text/csv, */*;q=0.1", true),
            ("application/json;q=0.5, text/csv", true),
            ("application/json, text/csv;q=0.5", false),
            ("application/json, text/csv", false),
            ("text/csv;q=0", false),
            ("*/*", false),
            ("", false),
        ] {
            let accepted = (header::ACCEPT, HeaderValue::from_static(accept));
            let headers = HeaderMap::from_iter([accepted]);
            assert_eq!(wants_csv(None, &headers), Ok(csv), "{accept}");
            assert_eq!(wants_csv(Some("json"), &headers), Ok(false));
            assert_eq!(wants_csv(Some("csv"), &headers), Ok(true));
        }
    }
}
