//! Periods over HTTP: in which zone they are counted, and what of them is refused.

use serde_json::{Value, json};
use stories::crm::Crm;

const PATHS: [&str; 4] = [
    "/api/v1/dashboard",
    "/api/v1/dashboard/leads-by-stage",
    "/api/v1/dashboard/sales-by-stage",
    "/api/v1/dashboard/conversion-funnel",
];

/// Leads and sales that an answer counts.
fn counted(path: &str, answer: &Value) -> u64 {
    let stages = |rows: &Value| -> u64 {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["count"].as_u64().unwrap()).sum()
    };
    let count = match path.rsplit('/').next().unwrap() {
        "dashboard" => &answer["total_leads"],
        "conversion-funnel" => &answer["total"],
        _ => return stages(answer),
    };
    count.as_u64().unwrap()
}

#[tokio::test]
async fn every_count_takes_a_period_and_says_its_zone() {
    // Fourteen hours ahead of UTC all year round: whatever the hour is, two of its days differ from
    // those of UTC.
    let crm = Crm::embedded_with(&[("TIME_ZONE", "Pacific/Kiritimati")]).await;
    crm.given_a_transferred_lead(10).await;
    let came = crm.get("/api/v1/leads/1").await.good()["created_at"].clone();
    let came: jiff::Timestamp = came.as_str().unwrap().parse().unwrap();
    let zone = jiff::tz::TimeZone::get("Pacific/Kiritimati").unwrap();
    let day = came.to_zoned(zone).date();
    let offset = |at: jiff::Timestamp| at.to_string().replace('Z', "%2B00:00");
    let (before, behind) = (day.yesterday().unwrap(), day.tomorrow().unwrap());
    let soon = came + jiff::SignedDuration::from_mins(5);
    for path in PATHS {
        // The sale comes in a little later.
        let periods = [
            (String::new(), 1),
            (format!("?from={day}&to={day}"), 1),
            (format!("?from={day}"), 1),
            (format!("?to={before}"), 0),
            (format!("?from={behind}"), 0),
            (format!("?from={}&to={}", offset(came), offset(soon)), 1),
            (format!("?to={}", offset(came)), 0),
            (format!("?from={}", offset(soon)), 0),
        ];
        for (query, count) in periods {
            let answer = crm.get(&format!("{path}{query}")).await.good().clone();
            assert_eq!(counted(path, &answer), count, "{path}{query}: {answer}");
            let said = answer.get(0).unwrap_or(&answer);
            assert_eq!(said["time_zone"], json!("Pacific/Kiritimati"), "{path}");
        }
    }
}
