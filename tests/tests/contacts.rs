//! Contacts: one per phone and per email, changed field by field, on both profiles.

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use stories::crm::{Crm, with};
use stories::servers::eventually;

stories::on_both_profiles!(
    a_contact_is_changed_field_by_field,
    a_phone_and_an_email_belong_to_one_contact,
    of_many_who_create_the_same_person_one_does,
    a_lead_belongs_to_a_contact_that_is_there,
    one_person_has_one_spelling,
    two_editors_of_one_contact_lose_nothing,
    what_a_contact_shows_no_other_gets_in_any_race,
    what_is_lost_is_free_at_once_and_comes_back_while_it_is,
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

async fn one_person_has_one_spelling(crm: Crm) {
    let card = json!({
        "name": " Йосип\u{200b}", "note": "a\r\nb",
        "phones": ["067 123 45 67", "tel:+380-67-123-45-67", "+380 (0) 67\u{a0}123‑45‑67"],
        "emails": ["mailto:Olena@Пошта.УКР", "olena@xn--80a1acn3a.xn--j1amh"],
    });
    let made = crm.post("/api/v1/contacts", card).await.good();
    assert_eq!(
        (&made["name"], &made["note"]),
        (&json!("Йосип"), &json!("a\nb"))
    );
    assert_eq!(made["phones"], json!(["+380671234567"]));
    assert_eq!(made["emails"], json!(["olena@пошта.укр"]));
    let path = format!("/api/v1/contacts/{}", made["id"]);
    let recased = json!({ "emails": ["OLENA@ПОШТА.УКР"] });
    let same = crm.patch(&path, recased).await.good();
    assert_eq!(same["version"], made["version"], "nothing changed");
    for (field, text) in [
        ("phones", "8 (067) 123-45-67"),
        ("phones", "00380671234567"),
        ("emails", "Olena@пошта.укр"),
    ] {
        let twin = json!({ "name": "Twin", field: [text] });
        let taken = crm.post("/api/v1/contacts", twin).await;
        assert_eq!(
            (taken.status, &taken.body["field"]),
            (409, &json!(field)),
            "{text}"
        );
    }
    let extension = json!({ "name": "Desk", "phones": ["+380 67 123 45 67 ext. 12"] });
    let desk = crm.post("/api/v1/contacts", extension).await.good();
    assert_eq!(
        desk["phones"],
        json!(["+380671234567;ext=12"]),
        "another desk"
    );
    crm.cli_good(&["doctor"]);
    let repaired = crm.cli_good(&["contacts", "repair"]);
    assert!(repaired.contains("0 mended, 0 left"), "{repaired}");
}

async fn two_editors_of_one_contact_lose_nothing(crm: Crm) {
    let made = crm
        .post("/api/v1/contacts", json!({ "name": "Olena" }))
        .await
        .good();
    let path = format!("/api/v1/contacts/{}", made["id"]);
    let (phones, emails) = (format!("{path}/phones"), format!("{path}/emails"));
    let phone = |n: usize| format!("+3806712345{n:02}");
    let adds = (0..12).map(|n| async move { n });
    let added = join_all(adds.map(|n| async {
        let n = n.await;
        let one = crm.post(&phones, json!({ "phone": phone(n) })).await;
        let other = crm
            .post(&emails, json!({ "email": format!("O{n}@example.com") }))
            .await;
        [one.status, other.status]
    }));
    assert!(added.await.iter().all(|statuses| *statuses == [200, 200]));
    let card = crm.get(&path).await.good();
    let count = |field: &str, card: &serde_json::Value| card[field].as_array().unwrap().len();
    assert_eq!((count("phones", &card), count("emails", &card)), (12, 12));
    let again = crm
        .post(&phones, json!({ "phone": "067 123 45 00" }))
        .await
        .good();
    assert_eq!(again["version"], card["version"], "it is there already");
    let removed = join_all((0..6).map(|n| {
        let path = format!("{phones}/%2B3806712345{n:02}");
        async move { path }
    }));
    let removed = removed.await;
    let removed = join_all(removed.iter().map(|path| crm.delete(path))).await;
    assert!(removed.iter().all(|answer| answer.status == 200));
    let gone = crm.delete(&format!("{emails}/O3@EXAMPLE.com")).await.good();
    assert_eq!((count("phones", &gone), count("emails", &gone)), (6, 11));
    let again = crm.delete(&format!("{emails}/o3@example.com")).await.good();
    assert_eq!(again["version"], gone["version"], "it is gone already");
    assert_eq!(crm.get(&path).await.good(), gone);
}

async fn what_a_contact_shows_no_other_gets_in_any_race(crm: Crm) {
    let phone = "+380671234567";
    let first = crm
        .post(
            "/api/v1/contacts",
            json!({ "name": "Olena", "phones": [phone] }),
        )
        .await;
    let first = format!("/api/v1/contacts/{}", first.good()["id"]);
    let second = crm
        .post("/api/v1/contacts", json!({ "name": "Oleh" }))
        .await
        .good();
    let second = format!("/api/v1/contacts/{}", second["id"]);
    let holds = |card: &serde_json::Value| card["phones"] == json!([phone]);
    for round in 0..20 {
        let (_, _, _) = futures::join!(
            crm.patch(&first, json!({ "phones": [] })),
            crm.patch(
                &first,
                json!({ "phones": [phone], "note": format!("x{round}") })
            ),
            crm.patch(&second, json!({ "phones": [phone] })),
        );
        let mut cards = (crm.get(&first).await.good(), crm.get(&second).await.good());
        assert!(
            !(holds(&cards.0) && holds(&cards.1)),
            "round {round}: both have it"
        );
        if holds(&cards.0) {
            let taken = crm.patch(&second, json!({ "phones": [phone] })).await;
            assert_eq!(taken.status, 409, "round {round}: it is shown, and free");
        } else {
            crm.patch(&second, json!({ "phones": [] })).await.good();
            cards.0 = crm.patch(&first, json!({ "phones": [phone] })).await.good();
        }
        assert!(holds(&cards.0));
    }
    crm.cli_good(&["doctor"]);
}

async fn what_is_lost_is_free_at_once_and_comes_back_while_it_is(crm: Crm) {
    let phone = json!({ "name": "Olena", "phones": ["+380671234567"] });
    let first = crm.post("/api/v1/contacts", phone.clone()).await.good()["id"].clone();
    let first = format!("/api/v1/contacts/{first}");
    let removed = crm.delete(&first).await;
    assert_eq!(removed.status, 204);
    let undo = json!({ "position": removed.position });
    let second = crm.post("/api/v1/contacts", phone.clone()).await.good()["id"].clone();
    let second = format!("/api/v1/contacts/{second}");
    let refused = crm.post("/api/v1/undo", undo.clone()).await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (409, &json!("phones"))
    );
    assert_eq!(crm.delete(&second).await.status, 204);
    crm.post("/api/v1/undo", undo).await.good();
    assert_eq!(crm.get(&first).await.good()["phones"], phone["phones"]);
    assert_eq!(crm.post("/api/v1/contacts", phone).await.status, 409);
}

#[tokio::test]
async fn a_request_that_died_with_its_reservations_is_finished_by_its_retry() {
    let mut crm = Crm::embedded().await;
    crm.last()
        .set("RAPPORT_FAILPOINT", Some("contact.reserved"));
    crm.last().restart().await;
    let olena =
        json!({ "name": "Olena", "phones": ["+380671234567"], "emails": ["o@example.com"] });
    let create = |crm: &Crm| {
        with(crm.request(Method::POST, "/api/v1/contacts"), &olena).header("Idempotency-Key", "1")
    };
    assert!(
        create(&crm).send().await.is_err(),
        "it dies before the contact is there"
    );
    let died = async || crm.last().has_ended();
    assert!(eventually(died).await, "contact.reserved was never reached");
    crm.last().set("RAPPORT_FAILPOINT", None);
    crm.last().restart().await;
    let busy = crm.post("/api/v1/contacts", olena.clone()).await;
    assert_eq!((busy.status, &busy.body["field"]), (409, &json!("phones")));
    assert!(busy.retry_after.is_some(), "it may come back to life");
    let made = crm.send(create(&crm)).await;
    assert_eq!(made.status, 201);
    let taken = crm.post("/api/v1/contacts", olena.clone()).await;
    assert!(
        taken.text.contains(&format!("contact {}", made.body["id"])),
        "{}",
        taken.text
    );
    let all = crm.get("/api/v1/contacts").await.good();
    assert_eq!(all.as_array().unwrap().len(), 1);
    crm.cli_good(&["doctor"]);
}
