//! Reports over HTTP: what an analyst asks, in JSON and in CSV, now and as of a moment, and how a wrong
//! question is answered.

use reqwest::Method;
use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::eventually;

stories::on_both_profiles!(
    &[("TIME_ZONE", "Pacific/Kiritimati")];
    what_sold_is_told_by_month_and_by_what_describes_it,
    every_pipeline_has_its_own_rows,
    a_report_as_of_a_moment_says_what_was_known_then,
    the_list_of_reports_describes_itself,
    a_report_opens_in_a_spreadsheet_and_starts_nothing,
    a_wrong_question_is_told_what_may_be_asked,
    what_a_person_wrote_leaves_reports_with_the_person,
);

/// A lead that became a sale, and where that stands.
async fn given_a_sale(crm: &Crm, amount: u64, stages: &[(&str, Option<&str>)]) -> u64 {
    let lead = crm.given_a_transferred_lead(amount).await;
    let lead = crm.get(&format!("/api/v1/leads/{lead}")).await;
    let sale = lead.good()["sale_id"].as_u64().unwrap();
    for (stage, reason) in stages {
        let step = json!({ "stage": stage, "reason": reason });
        let path = format!("/api/v1/sales/{sale}/stage");
        crm.patch(&path, step).await.good();
    }
    sale
}

const PAID: &[(&str, Option<&str>)] = &[("kyc", None), ("agreement", None), ("paid", None)];

async fn rows(crm: &Crm, report: &str) -> Vec<Value> {
    let answer = crm.get(&format!("/api/v1/reports/{report}")).await;
    answer.good()["rows"].as_array().unwrap().clone()
}

/// The value of the only row.
async fn value(crm: &Crm, report: &str) -> Value {
    let rows = rows(crm, report).await;
    assert_eq!(rows.len(), 1, "{report}: {rows:?}");
    rows[0]["value"].clone()
}

async fn what_sold_is_told_by_month_and_by_what_describes_it(crm: Crm) {
    given_a_sale(&crm, 1000, PAID).await;
    given_a_sale(&crm, 500, PAID).await;
    given_a_sale(&crm, 70, &[("lost", Some("too dear"))]).await;
    given_a_sale(&crm, 30, &[]).await;
    crm.given_a_lead().await;
    for (report, expected) in [
        ("leads", json!(5)),
        ("leads_converted", json!(4)),
        ("conversion_rate", json!(0.8)),
        ("leads_won", json!(4)),
        ("sales", json!(4)),
        ("sales_won", json!(2)),
        ("sales_lost", json!(1)),
        ("win_rate", json!(0.6667)),
        ("revenue", json!(1500)),
        ("lost_value", json!(70)),
        ("cohort_revenue", json!(1500)),
        ("average_sale", json!(750)),
        ("open_sales", json!(1)),
        ("open_value", json!(30)),
    ] {
        assert_eq!(value(&crm, report).await, expected, "{report}");
    }
    let velocity = value(&crm, "sales_velocity").await;
    assert!(velocity.as_f64().unwrap() > 0.0, "{velocity}");
    let dashboard = crm.get("/api/v1/dashboard").await.good().clone();
    assert_eq!(dashboard["total_leads"], value(&crm, "leads").await);
    assert_eq!(dashboard["total_sales"], value(&crm, "sales").await);
    assert_eq!(
        dashboard["conversion_rate"],
        value(&crm, "conversion_rate").await
    );
    let of_the_sale = crm.get("/api/v1/sales/1").await.good().clone();
    let currency = of_the_sale["currency"].as_str().unwrap();
    assert_eq!(
        dashboard["paid"][currency],
        value(&crm, "cohort_revenue").await
    );
    let lost = rows(&crm, "sales_lost?by=reason").await;
    assert_eq!(lost, [json!({ "reason": "too dear", "value": 1 })]);

    let at: jiff::Timestamp = of_the_sale["created_at"].as_str().unwrap().parse().unwrap();
    let zone = jiff::tz::TimeZone::get("Pacific/Kiritimati").unwrap();
    let month = at.to_zoned(zone.clone()).date().first_of_month();
    let months = rows(&crm, "revenue?per=month").await;
    assert_eq!(months.len(), 12, "those without revenue too");
    let expected = json!({ "period": month.to_string(), "currency": currency, "value": 1500 });
    assert!(months.contains(&expected), "{months:?}");
    let future = json!({ "period": "2999-01-01", "value": 0 });
    assert_eq!(rows(&crm, "leads?per=day&from=2999-01-01").await, [future]);
    let day = at.to_zoned(zone).date();
    let days = format!("sales?per=day&from={day}&by=stage,outcome");
    let days = rows(&crm, &days).await;
    let of = |stage: &str| days.iter().find(|row| row["stage"] == stage).cloned();
    let paid = json!({ "period": day.to_string(), "stage": "paid", "outcome": "won", "value": 2 });
    assert_eq!(of("paid"), Some(paid), "{days:?}");
    let narrowed = value(&crm, "sales?stage=paid&source=manual&time_zone=UTC").await;
    let all = rows(&crm, "sales?by=source").await;
    assert_eq!(all.len(), 1, "{all:?}");
    let source = all[0]["source"].as_str().unwrap();
    let here = value(&crm, &format!("sales?stage=paid&source={source}")).await;
    assert_eq!(here, json!(2));
    assert!([json!(0), json!(2)].contains(&narrowed), "{narrowed}");
}

async fn every_pipeline_has_its_own_rows(crm: Crm) {
    crm.given_a_transferred_lead(10).await;
    let lead = json!({ "source": "partner", "pipeline": "programs" });
    let lead = crm.post("/api/v1/leads", lead).await.good().clone();
    let path = format!("/api/v1/leads/{}/stage", lead["id"]);
    crm.patch(&path, json!({ "stage": "deciding" }))
        .await
        .good();
    let open = rows(&crm, "leads?by=pipeline,outcome").await;
    assert_eq!(
        open,
        [
            json!({ "pipeline": "programs", "outcome": "open", "value": 1 }),
            json!({ "pipeline": "sales-team", "outcome": "won", "value": 1 }),
        ]
    );
    crm.patch(
        &path,
        json!({ "stage": "bought", "reason": "wants to swim" }),
    )
    .await
    .good();
    let won = rows(&crm, "leads_won?by=stage,reason&pipeline=programs").await;
    let row = json!({ "stage": "bought", "reason": "wants to swim", "value": 1 });
    assert_eq!(won, [row]);
    let rates = rows(&crm, "conversion_rate?by=pipeline").await;
    assert_eq!(rates.len(), 2, "{rates:?}");
    assert!(
        rates.iter().all(|row| row["value"] == json!(1.0)),
        "{rates:?}"
    );
    let all = crm.get("/api/v1/dashboard").await.good().clone();
    assert_eq!(all["conversion_rate"], value(&crm, "conversion_rate").await);
}

async fn a_report_as_of_a_moment_says_what_was_known_then(crm: Crm) {
    let sale = given_a_sale(&crm, 1000, &[("kyc", None)]).await;
    let lead = crm.get("/api/v1/leads/1").await.good().clone();
    let owner = json!({ "owner": "Anna", "tags": ["early"] });
    crm.patch("/api/v1/leads/1", owner).await.good();
    let path = format!("/api/v1/sales/{sale}");
    let kyc = crm.get("/api/v1/leads/1").await.good()["updated_at"].clone();
    let kyc = kyc.as_str().unwrap().to_owned();
    let amount = json!({ "amount": 1200 });
    crm.patch(&path, amount).await.good();
    for stage in ["agreement", "paid"] {
        let step = json!({ "stage": stage });
        crm.patch(&format!("{path}/stage"), step).await.good();
    }
    let owner = json!({ "owner": "Bohdan", "tags": ["late"] });
    crm.patch("/api/v1/leads/1", owner).await.good();
    for (report, now, then) in [
        ("sales_value", json!(1200), json!(1000)),
        ("open_sales", json!(0), json!(1)),
        ("sales_won", json!(1), json!(0)),
        ("leads", json!(1), json!(1)),
    ] {
        assert_eq!(value(&crm, report).await, now, "{report}");
        let asked = format!("{report}?as_of={kyc}");
        assert_eq!(value(&crm, &asked).await, then, "{asked}");
    }
    let by = |rows: Vec<Value>, by: &str| rows[0][by].clone();
    for (dimension, now, then) in [
        ("owner", "Bohdan", "Anna"),
        ("tag", "late", "early"),
        ("stage", "paid", "kyc"),
    ] {
        let report = format!("sales?by={dimension}");
        assert_eq!(by(rows(&crm, &report).await, dimension), now);
        let then_rows = rows(&crm, &format!("{report}&as_of={kyc}")).await;
        assert_eq!(by(then_rows, dimension), then);
    }
    let before = lead["created_at"].as_str().unwrap();
    let before: jiff::Timestamp = before.parse().unwrap();
    let before = before - jiff::SignedDuration::from_secs(1);
    assert_eq!(
        value(&crm, &format!("leads?as_of={before}")).await,
        json!(0)
    );
    let far = "as_of=9999-12-31T23:59:59Z";
    assert_eq!(value(&crm, &format!("sales_won?{far}")).await, json!(1));
}

async fn the_list_of_reports_describes_itself(crm: Crm) {
    let list = crm.get("/api/v1/reports").await.good().clone();
    let measures = list["measures"].as_array().unwrap();
    assert!(measures.len() > 15, "{list}");
    for measure in measures {
        let url = measure["url"].as_str().unwrap();
        let plain = crm.get(url).await.good().clone();
        for field in ["unit", "meaning"] {
            assert_eq!(plain[field], measure[field], "{url}");
        }
        for by in measure["by"].as_array().unwrap() {
            for per in list["per"].as_array().unwrap() {
                let (by, per) = (by.as_str().unwrap(), per.as_str().unwrap());
                crm.get(&format!("{url}?by={by}&per={per}")).await.good();
            }
        }
    }
}

async fn a_report_opens_in_a_spreadsheet_and_starts_nothing(crm: Crm) {
    for (owner, tag) in [
        ("=HYPERLINK(\"x\")", "a,b"),
        ("Anna \"the\" Great", "plain"),
    ] {
        let lead = json!({ "source": "manual", "owner": owner, "tags": [tag] });
        crm.post("/api/v1/leads", lead).await.good();
    }
    let csv = crm
        .get("/api/v1/reports/leads?by=owner,tag&format=csv")
        .await;
    assert_eq!(csv.status, 200);
    assert_eq!(
        csv.text,
        "owner,tag,value\r\n\
         \"'=HYPERLINK(\"\"x\"\")\",\"a,b\",1\r\n\
         \"Anna \"\"the\"\" Great\",plain,1\r\n"
    );
    let accepts = |kind: &str| {
        let report = crm.request(Method::GET, "/api/v1/reports/leads");
        crm.send(report.header("Accept", kind.to_owned()))
    };
    assert_eq!(accepts("text/csv").await.text, "value\r\n2\r\n");
    assert_eq!(accepts("*/*").await.good()["rows"], json!([{ "value": 2 }]));
    let months = crm.get("/api/v1/reports/leads?per=week&format=csv").await;
    assert_eq!(months.text.lines().count(), 13, "{}", months.text);
    assert!(months.text.starts_with("period,value\r\n"));
    assert!(months.text.ends_with(",2\r\n"), "{}", months.text);
}

async fn a_wrong_question_is_told_what_may_be_asked(crm: Crm) {
    for (report, status, field, allowed) in [
        ("profit", 404, "measure", "there are leads, "),
        ("leads?per=year", 422, "per", "day, week, month"),
        ("leads?by=colour", 422, "by", "pipeline, stage"),
        ("leads?by=stage,stage", 422, "by", "twice"),
        ("leads?by=", 422, "by", "pipeline, stage"),
        ("leads?by=reason", 422, "by", "leads has no 'reason'"),
        (
            "leads?currency=UAH",
            422,
            "currency",
            "leads has no 'currency'",
        ),
        ("open_sales?by=reason", 422, "by", "has no 'reason'"),
        ("sales?outcome=maybe", 422, "outcome", "open, won, lost"),
        ("leads?format=xml", 422, "format", "json or csv"),
        ("leads?time_zone=Kyiv", 422, "time_zone", "Europe/Kyiv"),
        ("leads?from=soon", 422, "from", "2026-11-21"),
        ("leads?to=2026-13-01", 422, "to", "2026-11-21"),
        (
            "leads?from=2026-11-02&to=2026-11-01",
            422,
            "from",
            "must not be after",
        ),
        (
            "leads?as_of=yesterday",
            422,
            "as_of",
            "2026-11-21T08:30:00Z",
        ),
        (
            "leads?per=day&from=2020-01-01",
            422,
            "from",
            "at most 400 days",
        ),
        ("leads?colour=red", 422, "colour", "time_zone"),
    ] {
        let answer = crm.get(&format!("/api/v1/reports/{report}")).await;
        assert_eq!(answer.status, status, "{report}: {}", answer.text);
        let problem: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(problem["field"], field, "{report}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(allowed), "{report}: {detail}");
    }
}

async fn what_a_person_wrote_leaves_reports_with_the_person(crm: Crm) {
    let person = json!({ "name": "Olena", "phones": ["+380991112233"] });
    crm.post("/api/v1/contacts", person).await.good();
    let lead =
        json!({ "source": "manual", "contact_id": 1, "owner": "Zq owner", "tags": ["zq-tag"] });
    let lead = crm.post("/api/v1/leads", lead).await.good().clone();
    let path = format!("/api/v1/leads/{}/stage", lead["id"]);
    let lost = json!({ "stage": "lost", "reason": "Zq reason" });
    let lost = crm.patch(&path, lost).await.good().clone();
    let then = lost["updated_at"].as_str().unwrap().to_owned();
    let texts = async || {
        let mut texts = String::new();
        for by in ["owner", "tag", "reason"] {
            for as_of in ["", &format!("&as_of={then}")] {
                let rows = rows(&crm, &format!("leads_lost?by={by}{as_of}")).await;
                assert_eq!(rows[0]["value"], json!(1), "it is counted as before");
                texts.push_str(&json!(rows).to_string());
            }
        }
        texts
    };
    let before = texts().await;
    for word in ["Zq owner", "zq-tag", "Zq reason"] {
        assert_eq!(
            before.matches(word).count(),
            2,
            "now and as of then: {before}"
        );
    }
    crm.cli_good(&["erase", "contact-1"]);
    let gone = eventually(async || {
        let texts = texts().await;
        !texts.contains("Zq") && !texts.contains("zq")
    });
    assert!(gone.await, "{}", texts().await);
    crm.cli_good(&["projections", "rebuild", "reports"]);
    assert!(!texts().await.to_lowercase().contains("zq"));
    stories::forgotten::named_nowhere(crm, &["Zq owner", "zq-tag", "Zq reason"]).await;
}
