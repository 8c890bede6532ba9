//! Contacts: one per phone and per email, changed field by field, on both profiles.

use futures::future::join_all;
use serde_json::json;
use stories::crm::Crm;

stories::on_both_profiles!(
    a_contact_is_changed_field_by_field,
    a_phone_and_an_email_belong_to_one_contact,
    of_many_who_create_the_same_person_one_does,
    a_lead_belongs_to_a_contact_that_is_there,
);

async fn a_contact_is_changed_field_by_field(crm: Crm) {
    let card = json!({
        "name": "Olena Koval", "company": "Acme", "role": "CEO", "note": "met in Lviv",
        "phones": ["+380 67 123-45-67"], "emails": ["Olena@Example.com"],
    });
    let made = crm.post("/api/v1/contacts", card).await;
    assert_eq!(made.status, 201);
    let path = made.location.clone().unwrap();
    let made = made.good();
    assert_eq!(made["phones"], json!(["+380671234567"]), "as it is dialled");
    let changed = crm
        .patch(
            &path,
            json!({ "company": null, "role": "Founder", "emails": [] }),
        )
        .await
        .good();
    assert_eq!(
        (&changed["company"], &changed["role"], &changed["emails"]),
        (&json!(null), &json!("Founder"), &json!([]))
    );
    assert_eq!(
        (&changed["name"], &changed["note"]),
        (&made["name"], &made["note"]),
        "what was not named stays"
    );
    assert_eq!(crm.get(&path).await.good(), changed);
    let before = format!("{path}?as_of={}", made["updated_at"].as_str().unwrap());
    assert_eq!(crm.get(&before).await.good(), made);
    assert_eq!(crm.delete(&path).await.status, 204);
    assert_eq!(crm.get(&path).await.status, 404);
    assert_eq!(crm.get("/api/v1/contacts").await.good(), json!([]));
}

async fn a_phone_and_an_email_belong_to_one_contact(crm: Crm) {
    let olena =
        json!({ "name": "Olena", "phones": ["+380671234567"], "emails": ["o@example.com"] });
    let first = crm.post("/api/v1/contacts", olena).await.good()["id"].clone();
    for (field, value) in [
        ("phones", "+38 (067) 123 45 67"),
        ("emails", "O@EXAMPLE.COM"),
    ] {
        let taken = crm
            .post(
                "/api/v1/contacts",
                json!({ "name": "Oleh", field: [value] }),
            )
            .await;
        assert_eq!((taken.status, &taken.body["field"]), (409, &json!(field)));
        assert!(
            taken.body["detail"]
                .as_str()
                .unwrap()
                .contains(&format!("contact {first}"))
        );
    }
    crm.patch(
        &format!("/api/v1/contacts/{first}"),
        json!({ "phones": [] }),
    )
    .await
    .good();
    crm.post(
        "/api/v1/contacts",
        json!({ "name": "Oleh", "phones": ["+380671234567"] }),
    )
    .await
    .good();
    crm.delete(&format!("/api/v1/contacts/{first}"))
        .await
        .good();
    crm.post(
        "/api/v1/contacts",
        json!({ "name": "Oksana", "emails": ["o@example.com"] }),
    )
    .await
    .good();
}

async fn of_many_who_create_the_same_person_one_does(crm: Crm) {
    let person = json!({ "name": "Olena", "phones": ["+380671234567"] });
    let answers = join_all((0..20).map(|_| crm.post("/api/v1/contacts", person.clone()))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(
        made,
        1,
        "{:?}",
        answers
            .iter()
            .map(|answer| answer.status)
            .collect::<Vec<_>>()
    );
    assert!(
        answers
            .iter()
            .all(|answer| [201, 409].contains(&answer.status))
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

async fn a_lead_belongs_to_a_contact_that_is_there(crm: Crm) {
    let nobody = crm
        .post(
            "/api/v1/leads",
            json!({ "source": "manual", "contact_id": 7 }),
        )
        .await;
    assert_eq!(
        (nobody.status, &nobody.body["field"]),
        (422, &json!("contact_id"))
    );
    let contact = crm
        .post("/api/v1/contacts", json!({ "name": "Olena" }))
        .await
        .good()["id"]
        .clone();
    let lead = crm
        .post(
            "/api/v1/leads",
            json!({ "source": "manual", "contact_id": contact }),
        )
        .await
        .good();
    assert_eq!(lead["contact_id"], contact);
}
