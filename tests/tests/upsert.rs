//! People are found by what nobody else has: a contact is completed or made, also with its lead.

use reqwest::Method;
use serde_json::{Value, json};
use stories::crm::{Crm, with};

stories::on_both_profiles!(
    a_contact_is_found_by_phone_or_email_and_completed_or_made,
    phones_of_two_people_are_refused_and_name_both,
    a_lead_brings_its_contact_once_however_often_it_is_sent,
    many_at_once_make_one_contact,
);

const UPSERT: &str = "/api/v1/contacts:upsert";

async fn a_contact_is_found_by_phone_or_email_and_completed_or_made(crm: Crm) {
    let olena = json!({ "name": "Olena", "company": "Acme", "phones": ["067 123 45 67"] });
    let made = crm.post(UPSERT, olena).await;
    assert_eq!((made.status, &made.body["id"]), (201, &json!(1)));
    let more = json!({
        "name": "Olena Koval", "phones": ["+380671234567"], "emails": ["Olena@Example.com"],
    });
    let found = crm.post(UPSERT, more).await;
    assert_eq!((found.status, &found.body["id"]), (200, &json!(1)));
    let by_email =
        json!({ "name": "Olena Koval", "emails": ["olena@example.com"], "phones": ["0501112233"] });
    let found = crm.post(UPSERT, by_email.clone()).await.good();
    let shown = crm.get("/api/v1/contacts/1").await.good();
    assert_eq!(found, shown);
    assert_eq!(
        (&shown["name"], &shown["company"]),
        (&json!("Olena Koval"), &json!("Acme"))
    );
    assert_eq!(shown["phones"], json!(["+380671234567", "+380501112233"]));
    let again = crm.post(UPSERT, by_email).await.good();
    assert_eq!(again["version"], shown["version"], "nothing is new");
}

async fn phones_of_two_people_are_refused_and_name_both(crm: Crm) {
    for (name, phone) in [("Olena", "+380671234567"), ("Oksana", "+380501112233")] {
        let person = json!({ "name": name, "phones": [phone] });
        crm.post("/api/v1/contacts", person).await.good();
    }
    let both = json!({ "name": "Who", "phones": ["+380671234567", "+380501112233"] });
    let refused = crm.post(UPSERT, both.clone()).await;
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (409, &json!("/problems/several"))
    );
    assert_eq!(refused.body["contact_ids"], json!([1, 2]));
    let taken = json!({ "name": "Who", "phones": ["+380501112233"] });
    let refused = crm.post("/api/v1/contacts", taken).await;
    assert_eq!(refused.body["contact_ids"], json!([2]));
    let lead = json!({ "source": "manual", "contact": both });
    let refused = crm.post("/api/v1/leads", lead).await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (409, &json!("contact.phones"))
    );
    let leads = crm.get("/api/v1/leads").await.good();
    assert_eq!(leads, json!([]), "nothing is half done");
}

async fn a_lead_brings_its_contact_once_however_often_it_is_sent(crm: Crm) {
    let lead = json!({
        "source": "scanner", "title": "Pool",
        "contact": { "name": "Olena", "emails": ["olena@example.com"] },
    });
    let send = async |key: &str, body: &Value| {
        let request = with(crm.request(Method::POST, "/api/v1/leads"), body);
        crm.send(request.header("Idempotency-Key", key))
            .await
            .good()
    };
    let first = send("one", &lead).await;
    assert_eq!(send("one", &lead).await, first);
    assert_eq!(first["contact_id"], 1);
    let other = json!({
        "source": "scanner",
        "contact": { "name": "O. Koval", "emails": ["olena@example.com"], "role": "CEO" },
    });
    let second = send("two", &other).await;
    assert_ne!(second["id"], first["id"]);
    assert_eq!(second["contact_id"], 1);
    let contact = crm.get("/api/v1/contacts/1").await.good();
    assert_eq!(
        (&contact["name"], &contact["role"]),
        (&json!("Olena"), &json!("CEO")),
        "completed, not replaced"
    );
    let nameless = json!({ "source": "scanner", "contact": { "name": "A walk-in" } });
    assert_eq!(send("three", &nameless).await["contact_id"], 2);
    assert_eq!(send("three", &nameless).await["contact_id"], 2);
    assert_eq!(
        crm.get("/api/v1/contacts")
            .await
            .good()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

async fn many_at_once_make_one_contact(crm: Crm) {
    let person =
        |number: usize| json!({ "name": format!("Olena {number}"), "phones": ["+380671234567"] });
    let mut ids = Vec::new();
    let all = (0..8).map(|number| crm.post(UPSERT, person(number)));
    for answer in futures::future::join_all(all).await {
        // Whoever comes just while it is being made is told to come again.
        assert!([200, 201, 409].contains(&answer.status), "{}", answer.text);
        if answer.status != 409 {
            ids.push(answer.body["id"].clone());
        }
    }
    assert!(
        !ids.is_empty() && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    assert_eq!(
        crm.get("/api/v1/contacts")
            .await
            .good()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
