//! A person who was erased is named nowhere, and everything else goes on.

use std::fs;

use reqwest::Method;
use serde_json::json;
use stories::crm::{Crm, with};
use stories::forgotten::named_nowhere;

stories::on_both_profiles!(an_erased_person_is_named_nowhere);

const NAME: &str = "Zinaida Quux";
const PHONE: &str = "380991112233";
const EMAIL: &str = "zinaida.quux";
const PERSON: [&str; 3] = [NAME, PHONE, EMAIL];

async fn an_erased_person_is_named_nowhere(crm: Crm) {
    let person = json!({ "name": NAME, "phones": [format!("+{PHONE}")], "emails": [format!("{EMAIL}@example.com")] });
    let create = || {
        with(crm.request(Method::POST, "/api/v1/contacts"), &person)
            .header("Idempotency-Key", "once")
    };
    let made = crm.send(create()).await;
    assert_eq!(
        crm.send(create()).await.body,
        made.body,
        "a retry hears the answer"
    );
    // Enough changes for a snapshot.
    for number in 0..110 {
        crm.patch(
            "/api/v1/contacts/1",
            json!({ "note": format!("{NAME} said {number}") }),
        )
        .await
        .good();
    }
    let other = json!({ "name": "Oksana", "phones": ["+380670000000"] });
    crm.post("/api/v1/contacts", other).await.good();
    let created_at = made.body["created_at"].as_str().unwrap().to_owned();
    let exported = crm.cli_good(&["events", "export", "-"]);
    assert!(
        !exported.contains(NAME) && !exported.contains(PHONE),
        "an export is sealed"
    );

    let told = crm.cli_good(&["erase", "contact-1"]);
    assert!(told.contains("contact-1 was erased"), "{told}");

    assert_eq!(crm.get("/api/v1/contacts/1").await.status, 404);
    assert_eq!(
        crm.get("/api/v1/contacts")
            .await
            .good()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let forgotten = async || {
        crm.get(&format!("/api/v1/contacts/1?as_of={created_at}"))
            .await
            .body["name"]
            == "erased"
    };
    assert!(
        stories::servers::eventually(forgotten).await,
        "as it was then, without the person"
    );
    let gone = crm.send(create()).await;
    assert_eq!(
        (gone.status, &gone.body["type"]),
        (410, &json!("/problems/erased"))
    );
    crm.post(
        "/api/v1/contacts",
        json!({ "name": "Oleh", "phones": [format!("+{PHONE}")] }),
    )
    .await
    .good();
    crm.delete("/api/v1/contacts/3").await.good();
    crm.cli_good(&["erase", "contact-3"]);
    crm.cli_good(&["erase", "contact-3"]);

    crm.cli_good(&["events", "verify"]);
    crm.cli_good(&["projections", "rebuild", "contacts"]);
    assert_eq!(
        crm.get("/api/v1/contacts").await.good()[0]["name"],
        "Oksana",
        "a replay goes on"
    );
    let unknown = crm.cli(&["erase", "somebody"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("contact-7"));

    crm.cli_good(&["projections", "rebuild", "contact_addresses"]);
    let by_phone = format!("/api/v1/contacts?phone=%2B{PHONE}");
    assert_eq!(crm.get(&by_phone).await.good(), json!([]));

    named_nowhere(crm, &PERSON).await;
}

#[tokio::test]
async fn a_lost_master_key_is_told_at_once_and_a_rotated_one_opens_everything() {
    let mut crm = Crm::embedded().await;
    crm.post("/api/v1/contacts", json!({ "name": NAME }))
        .await
        .good();
    assert!(crm.last().stop());
    let told = crm.cli_good(&["keys", "rotate"]);
    assert!(told.contains("wrapped with the new master key"), "{told}");
    crm.last().restart().await;
    assert_eq!(crm.get("/api/v1/contacts/1").await.good()["name"], NAME);
    crm.patch("/api/v1/contacts/1", json!({ "note": "still" }))
        .await
        .good();
    let now = crm.get("/api/v1/contacts/1").await.good()["updated_at"].clone();
    let replayed = crm
        .get(&format!(
            "/api/v1/contacts/1?as_of={}",
            now.as_str().unwrap()
        ))
        .await
        .good();
    assert_eq!(
        (&replayed["name"], &replayed["note"]),
        (&json!(NAME), &json!("still"))
    );
    assert!(crm.last().stop());
    fs::write(crm.folder().join("data/master.key"), "5a".repeat(32)).unwrap();
    let refused = crm.cli(&["doctor"]);
    let refused = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(
        refused.contains("is not the one that these keys were wrapped with"),
        "{refused}"
    );
}
