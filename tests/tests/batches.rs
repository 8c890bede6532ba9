//! Many rows in one request: each by itself, once however often they are sent.

use reqwest::Method;
use serde_json::{Value, json};
use stories::answer::Answer;
use stories::crm::{Crm, with};
use stories::servers::eventually;

stories::on_both_profiles!(
    each_row_is_made_changed_or_refused_by_itself,
    five_hundred_rows_are_made_once_however_often_they_are_sent,
    leads_come_with_their_contacts_once,
);

const CONTACTS: &str = "/api/v1/contacts:batch";
const LEADS: &str = "/api/v1/leads:batch";

async fn send(crm: &Crm, key: &str, rows: &Value) -> reqwest::Result<Answer> {
    send_to(crm, CONTACTS, key, rows).await
}

async fn send_to(crm: &Crm, path: &str, key: &str, rows: &Value) -> reqwest::Result<Answer> {
    let body = json!({ "rows": rows });
    let request = with(crm.request(Method::POST, path), &body);
    Answer::read(request.header("Idempotency-Key", key).send().await?).await
}

fn people(count: usize) -> Value {
    let person = |number| {
        let phone = format!("+38067{number:07}");
        json!({ "name": format!("Person {number}"), "phones": [phone], "tags": ["import"] })
    };
    (0..count).map(person).collect()
}

/// The ids of the results, all of which are new.
fn made(answer: &Answer) -> Vec<u64> {
    let results = answer.body["results"].as_array().unwrap().iter();
    let id = |result: &Value| {
        assert_eq!(result["status"], 201, "{result}");
        result["id"].as_u64().unwrap()
    };
    results.map(id).collect()
}

async fn count(crm: &Crm) -> String {
    let counted = crm.request(Method::GET, "/api/v1/contacts?count=true&limit=1");
    let counted = counted.send().await.unwrap();
    counted.headers()["rapport-count"].to_str().unwrap().into()
}

async fn each_row_is_made_changed_or_refused_by_itself(crm: Crm) {
    let olena = json!({ "name": "Olena", "phones": ["+380671234567"] });
    crm.post("/api/v1/contacts", olena).await.good();
    let rows = json!([
        { "name": "Ostap", "emails": ["Ostap@Example.com"] },
        { "id": 1, "company": "Acme", "tags": ["vip"] },
        { "name": "Twin", "phones": ["067 123 45 67"] },
        { "name": "Nobody", "phones": ["12"] },
        { "id": 1, "company": "Globex" },
        { "id": 99, "company": "Acme" },
        { "id": "one" },
        { "name": "said twice" },
        "Olena",
        { "id": 1, "name": null },
    ]);
    let body = json!({ "rows": rows }).to_string();
    let twice = r#"{"name":"A","name":"B"}"#;
    let body = body.replace(r#"{"name":"said twice"}"#, twice);
    let request = crm.request(Method::POST, CONTACTS);
    let request = request.header("Content-Type", "application/json");
    let answer = crm.send(request.body(body)).await;
    let results = answer.clone().good()["results"].clone();
    let told = |place: usize| {
        let (status, problem) = (&results[place]["status"], &results[place]["problem"]);
        (status.as_u64().unwrap(), problem["field"].clone())
    };
    for (place, status, field) in [
        (0, 201, Value::Null),
        (1, 200, Value::Null),
        (2, 409, json!("rows[2].phones")),
        (3, 422, json!("rows[3].phones[0]")),
        (4, 200, Value::Null),
        (5, 404, json!("rows[5].id")),
        (6, 422, json!("rows[6].id")),
        (7, 422, json!("rows[7].name")),
        (8, 422, json!("rows[8].id")),
        (9, 422, json!("rows[9].name")),
    ] {
        assert_eq!(told(place), (status, field), "{results}");
    }
    assert_eq!(results[2]["problem"]["contact_ids"], json!([1]));
    assert_eq!(results[0]["id"], 2);
    let contact = crm.get("/api/v1/contacts/1").await.good();
    assert_eq!(
        (&contact["company"], &contact["tags"]),
        (&json!("Globex"), &json!(["vip"])),
        "in the order of the rows"
    );
    assert_eq!(contact["version"], results[4]["version"]);
    let last = crm.get("/api/v1/contacts/1/timeline").await.good();
    let last = last.as_array().unwrap().last().unwrap().clone();
    let undo = json!({ "correlation": last["correlation"] });
    let undone = crm.post("/api/v1/undo", undo).await.good();
    assert_eq!(undone["kept"], json!([]), "one request is undone as one");
    let contact = crm.get("/api/v1/contacts/1").await.good();
    assert_eq!(contact["company"], Value::Null);
    assert_eq!(count(&crm).await, "1");
}

async fn five_hundred_rows_are_made_once_however_often_they_are_sent(crm: Crm) {
    let rows = people(500);
    let first = send(&crm, "import", &rows).await.unwrap();
    let ids = made(&first);
    assert_eq!(ids.len(), 500);
    let again = send(&crm, "import", &rows).await.unwrap();
    assert_eq!((again.replayed, &again.body), (true, &first.body));
    assert_eq!(count(&crm).await, "500");
    let other = send(&crm, "again", &rows).await.unwrap();
    let results = other.body["results"].as_array().unwrap();
    let taken = |result: &&Value| result["problem"]["type"] == "/problems/taken";
    assert_eq!(results.iter().filter(taken).count(), 500);
    let twins = json!([
        { "name": "One", "phones": ["+380501112233"] }, { "name": "Other", "phones": ["+380501112233"] },
    ]);
    let twins = send(&crm, "twins", &twins).await.unwrap();
    let results = twins.body["results"].as_array().unwrap().iter();
    let mut statuses: Vec<_> = results.map(|result| result["status"].clone()).collect();
    statuses.sort_by_key(Value::as_u64);
    assert_eq!(statuses, [201, 409]);
    for (key, many) in [("many", people(501)), ("none", json!([]))] {
        let refused = send(&crm, key, &many).await.unwrap();
        assert_eq!(
            (refused.status, &refused.body["field"]),
            (422, &json!("rows"))
        );
    }
}

async fn leads_come_with_their_contacts_once(crm: Crm) {
    let lead = |number: usize| {
        let contact =
            json!({ "name": "Somebody", "emails": [format!("o{}@example.com", number % 20)] });
        json!({ "source": "scanner", "title": format!("Pool {number}"), "contact": contact })
    };
    let rows: Value = (0..40).map(lead).collect();
    let first = send_to(&crm, LEADS, "leads", &rows).await.unwrap();
    let ids = made(&first);
    let again = send_to(&crm, LEADS, "leads", &rows).await.unwrap();
    assert_eq!((again.replayed, made(&again)), (true, ids.clone()));
    assert_eq!(count(&crm).await, "20", "each person once");
    let leads = crm.get("/api/v1/leads?limit=100").await.good();
    assert_eq!(leads.as_array().unwrap().len(), 40);
    let rows = json!([
        { "id": ids[0], "owner": "Olena", "tags": ["spring"] },
        { "id": ids[1], "contact_id": 99 },
        { "source": "nowhere" },
        { "source": "manual", "tags": [""] },
    ]);
    let answer = send_to(&crm, LEADS, "changes", &rows).await.unwrap().good();
    let results = answer["results"].as_array().unwrap().iter();
    let told = results.map(|result| {
        (
            result["status"].as_u64(),
            result["problem"]["field"].clone(),
        )
    });
    let expected = [
        (Some(200), Value::Null),
        (Some(422), json!("rows[1].contact_id")),
        (Some(422), json!("rows[2].source")),
        (Some(422), json!("rows[3].tags")),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let lead = crm.get(&format!("/api/v1/leads/{}", ids[0])).await.good();
    assert_eq!(lead["owner"], "Olena");
}

#[tokio::test]
async fn it_may_die_between_rows() {
    let mut crm = Crm::embedded().await;
    for (failpoint, rows) in [
        ("contact.reserved=7", people(30)),
        ("command.appended=20", strangers(30)),
    ] {
        crm.last().set("RAPPORT_FAILPOINT", Some(failpoint));
        crm.last().restart().await;
        let died = send(&crm, failpoint, &rows).await;
        assert!(died.is_err(), "{died:?}");
        let dead = async || crm.last().has_ended();
        assert!(eventually(dead).await);
        crm.last().set("RAPPORT_FAILPOINT", None);
        crm.last().restart().await;
        let ids = made(&send(&crm, failpoint, &rows).await.unwrap());
        assert_eq!(ids.len(), 30);
        let again = send(&crm, failpoint, &rows).await.unwrap();
        assert_eq!((again.replayed, made(&again)), (true, ids));
    }
    assert_eq!(count(&crm).await, "60");
}

fn strangers(count: usize) -> Value {
    let person = |number| json!({ "name": format!("Stranger {number}") });
    (0..count).map(person).collect()
}

#[tokio::test]
async fn what_failed_is_carried_out_by_the_next_try() {
    let crm = Crm::embedded().await;
    let log = rusqlite::Connection::open(crm.folder().join("data/log.db")).unwrap();
    log.execute_batch(
        "CREATE TRIGGER broken BEFORE INSERT ON commits WHEN NEW.stream LIKE '%contact%4'
         BEGIN SELECT RAISE(ABORT, 'broken'); END",
    )
    .unwrap();
    let rows = strangers(6);
    let failed = send(&crm, "rows", &rows).await.unwrap();
    let results = failed.body["results"].as_array().unwrap().iter();
    let statuses: Vec<_> = results.map(|result| result["status"].as_u64()).collect();
    assert_eq!(failed.status, 200);
    // A constraint of the log that never holds looks like somebody who is always faster.
    assert_eq!(statuses[3], Some(409), "{statuses:?}");
    assert_eq!(failed.retry_after.as_deref(), Some("1"));
    log.execute_batch("DROP TRIGGER broken").unwrap();
    let done = send(&crm, "rows", &rows).await.unwrap();
    assert_eq!((done.replayed, &done.retry_after), (false, &None));
    let ids = made(&done);
    let again = send(&crm, "rows", &rows).await.unwrap();
    assert_eq!((again.replayed, made(&again)), (true, ids));
    assert_eq!(count(&crm).await, "6");
}

#[tokio::test]
async fn a_restored_log_remembers_the_rows_of_a_request() {
    let mut crm = Crm::embedded().await;
    let rows = strangers(9);
    let ids = made(&send(&crm, "rows", &rows).await.unwrap());
    let leads = rows.as_array().unwrap().iter();
    let leads = leads.map(|person| json!({ "source": "manual", "contact": person }));
    let leads = leads.collect();
    let opened = made(&send_to(&crm, LEADS, "leads", &leads).await.unwrap());
    crm.cli_good(&["backup", "backups"]);
    crm.lose_everything().await;
    crm.cli_good(&["restore", "backups"]);
    crm.last().restart().await;
    let again = send(&crm, "rows", &rows).await.unwrap();
    assert_eq!((again.replayed, made(&again)), (false, ids));
    let again = send_to(&crm, LEADS, "leads", &leads).await.unwrap();
    assert_eq!((again.replayed, made(&again)), (false, opened));
    assert_eq!(count(&crm).await, "18");
}
