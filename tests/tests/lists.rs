//! Lists: filtered, sorted, counted and gone through from end to end, on both profiles.

use serde_json::{Value, json};
use stories::crm::Crm;

stories::on_both_profiles!(
    a_list_is_gone_through_in_every_order,
    a_list_is_narrowed_by_what_is_asked,
    a_person_is_found_by_phone_email_and_name,
    what_is_tagged_is_found_whatever_else_is_asked,
    a_list_comes_with_contacts,
    what_a_list_cannot_do_is_refused_by_name,
);

const NOBODY: [u64; 0] = [];

/// Six leads of two contacts; every other one is qualified.
async fn given_leads(crm: &Crm) {
    for name in ["Olena Koval", "Ostap Melnyk"] {
        let contact = json!({ "name": name, "company": "Acme", "phones": [], "emails": [] });
        crm.post("/api/v1/contacts", contact).await.good();
    }
    for number in 0..6 {
        let lead = json!({ "source": "manual", "contact_id": number % 2 + 1 });
        let lead = crm.post("/api/v1/leads", lead).await.good()["id"].clone();
        if number % 2 == 0 {
            let moved = json!({ "stage": "contacted" });
            crm.patch(&format!("/api/v1/leads/{lead}/stage"), moved)
                .await
                .good();
        }
    }
}

async fn ids(crm: &Crm, path: &str) -> Vec<u64> {
    let list = crm.get(path).await.good();
    let id = |record: &Value| record["id"].as_u64().unwrap();
    list.as_array().unwrap().iter().map(id).collect()
}

/// All ids of a list, two at a time.
async fn gone_through(crm: &Crm, path: &str) -> Vec<u64> {
    let (mut path, mut all) = (path.to_owned(), Vec::new());
    loop {
        let part = crm.get(&path).await;
        let next = part.link.clone();
        let id = |record: &Value| record["id"].as_u64().unwrap();
        all.extend(part.good().as_array().unwrap().iter().map(id));
        let Some(link) = next else { return all };
        link.split(['<', '>']).nth(1).unwrap().clone_into(&mut path);
    }
}

async fn a_list_is_gone_through_in_every_order(crm: Crm) {
    given_leads(&crm).await;
    for sort in ["id", "created_at", "updated_at", "ai_score"] {
        for narrowed in ["", "&source=manual", "&contact_id=1", "&stage=contacted"] {
            let up = format!("/api/v1/leads?limit=2&sort={sort}{narrowed}");
            let down = format!("/api/v1/leads?limit=2&sort=-{sort}{narrowed}");
            let (up, down) = (
                gone_through(&crm, &up).await,
                gone_through(&crm, &down).await,
            );
            let expected = if narrowed.contains("contact") { 3 } else { 6 };
            assert_eq!(up.len(), expected, "{sort} {narrowed}");
            assert!(
                up.iter().rev().eq(&down),
                "{sort} {narrowed}: {up:?} {down:?}"
            );
        }
    }
    let updated = gone_through(&crm, "/api/v1/leads?limit=2&sort=updated_at").await;
    assert_eq!(updated, [1, 2, 3, 4, 5, 6]);
}

async fn a_list_is_narrowed_by_what_is_asked(crm: Crm) {
    given_leads(&crm).await;
    assert_eq!(ids(&crm, "/api/v1/leads?contact_id=2").await, [6, 4, 2]);
    let third = crm.get("/api/v1/leads/3").await.good()["created_at"].clone();
    let third = third.as_str().unwrap();
    let later = format!("/api/v1/leads?created_from={third}");
    assert_eq!(ids(&crm, &later).await, [6, 5, 4, 3]);
    let until = format!("/api/v1/leads?created_to={third}&sort=created_at&stage=new");
    assert_eq!(ids(&crm, &until).await, [2]);
    let of = format!("/api/v1/leads?created_from={third}&contact_id=1&sort=updated_at");
    assert_eq!(ids(&crm, &of).await, [3, 5]);
    assert_eq!(ids(&crm, "/api/v1/leads?score_min=0.1").await, NOBODY);
    assert_eq!(
        ids(&crm, "/api/v1/leads?score_max=1").await,
        NOBODY,
        "none has a score"
    );
    let counted = crm.request(reqwest::Method::GET, "/api/v1/leads?count=true&limit=1");
    let counted = counted.send().await.unwrap();
    assert_eq!(counted.headers()["rapport-count"], "6");
}

async fn a_person_is_found_by_phone_email_and_name(crm: Crm) {
    let olena = json!({
        "name": "Олена Коваль", "company": "Acme", "phones": ["+380671234567"], "emails": ["o@example.com"],
    });
    crm.post("/api/v1/contacts", olena).await.good();
    let other = json!({ "name": "Oksana", "phones": ["+380501234567", "+380501234568"] });
    crm.post("/api/v1/contacts", other).await.good();
    for (asked, found) in [
        ("phone=067%20123%2045%2067", &[1][..]),
        ("phone=%2B380501234568", &[2]),
        ("phone=0501234569", &[]),
        ("email=O@EXAMPLE.com", &[1]),
        ("name=%D0%9E%D0%BB", &[1]),
        ("name=oks", &[2]),
        ("company=ac", &[1]),
        ("sort=name", &[2, 1]),
    ] {
        assert_eq!(
            ids(&crm, &format!("/api/v1/contacts?{asked}")).await,
            found,
            "{asked}"
        );
    }
    crm.delete("/api/v1/contacts/2/phones/+380501234568")
        .await
        .good();
    assert_eq!(ids(&crm, "/api/v1/contacts?phone=0501234568").await, NOBODY);
    assert_eq!(crm.delete("/api/v1/contacts/1").await.status, 204);
    assert_eq!(ids(&crm, "/api/v1/contacts?phone=0671234567").await, NOBODY);
    assert_eq!(ids(&crm, "/api/v1/contacts?company=ac").await, NOBODY);
}

async fn what_is_tagged_is_found_whatever_else_is_asked(crm: Crm) {
    given_leads(&crm).await;
    for lead in 1..=6 {
        let path = format!("/api/v1/leads/{lead}");
        let owner = if lead < 5 { "Olena" } else { "Ostap" };
        let change = json!({
            "tags": ["spring", format!("number {lead}")], "owner": owner, "title": format!("Pool {lead}"),
        });
        crm.patch(&path, change).await.good();
    }
    crm.delete("/api/v1/leads/4/tags/Spring").await.good();
    crm.post("/api/v1/contacts/1/tags", json!({ "tag": "VIP" }))
        .await
        .good();
    for (asked, found) in [
        ("leads?tag=Spring", &[6, 5, 3, 2, 1][..]),
        ("leads?tag=spring&sort=id", &[1, 2, 3, 5, 6]),
        ("leads?tag=number%205", &[5]),
        ("leads?tag=spring&stage=contacted", &[5, 3, 1]),
        ("leads?tag=spring&owner=OLENA", &[3, 2, 1]),
        ("leads?owner=ostap", &[6, 5]),
        ("leads?tag=spring&contact_id=2&sort=updated_at", &[2, 6]),
        ("leads?tag=nobody", &[]),
        ("leads?title=pool%203", &[3]),
        ("leads?sort=title&title=p&contact_id=1", &[1, 3, 5]),
        ("contacts?tag=vip", &[1]),
        ("contacts?tag=spring", &[]),
    ] {
        assert_eq!(
            ids(&crm, &format!("/api/v1/{asked}")).await,
            found,
            "{asked}"
        );
    }
    for sort in ["id", "-id"] {
        let path = format!("/api/v1/leads?limit=2&tag=spring&source=manual&sort={sort}");
        assert_eq!(gone_through(&crm, &path).await.len(), 5, "{sort}");
    }
    assert_eq!(crm.delete("/api/v1/contacts/1").await.status, 204);
    assert_eq!(ids(&crm, "/api/v1/contacts?tag=vip").await, NOBODY);
}

async fn a_list_comes_with_contacts(crm: Crm) {
    given_leads(&crm).await;
    let leads = crm.get("/api/v1/leads?expand=contact&limit=1").await.good();
    assert_eq!(leads[0]["contact"]["name"], "Ostap Melnyk");
    assert_eq!(crm.delete("/api/v1/contacts/2").await.status, 204);
    let leads = crm.get("/api/v1/leads?expand=contact&limit=1").await.good();
    assert_eq!(
        (&leads[0]["contact"], &leads[0]["contact_removed"]),
        (&json!(null), &json!(true))
    );
    assert_eq!(
        crm.get("/api/v1/sales?expand=contact").await.good(),
        json!([])
    );
}

async fn what_a_list_cannot_do_is_refused_by_name(crm: Crm) {
    for (path, field) in [
        ("leads?sort=colour", "sort"),
        ("leads?sort=", "sort"),
        ("leads?contact_id=0", "contact_id"),
        ("leads?created_from=yesterday", "created_from"),
        (
            "leads?created_from=2026-11-02&created_to=2026-11-01",
            "created_from",
        ),
        ("leads?score_min=2", "score_min"),
        ("leads?score_min=0.9&score_max=0.1", "score_min"),
        ("leads?score_min=0.5&sort=created_at", "score_min"),
        ("leads?score_min=0.5&created_from=2026-11-01", "score_min"),
        ("leads?business_domain=", "business_domain"),
        ("leads?count=yes", "count"),
        ("leads?expand=sale", "expand"),
        ("leads?sort=created_at&cursor=7", "cursor"),
        ("leads?tag=", "tag"),
        ("leads?tag=a&sort=updated_at", "sort"),
        ("leads?tag=a&score_min=0.5", "score_min"),
        ("leads?owner=%00", "owner"),
        ("contacts?tag=a&name=b", "name"),
        ("contacts?owner=a", "owner"),
        ("leads?phone=0671234567", "phone"),
        ("sales?amount_min=-1", "amount_min"),
        ("sales?currency=XXX", "currency"),
        ("contacts?phone=12", "phone"),
        ("contacts?email=nobody", "email"),
        ("contacts?name=", "name"),
        ("contacts?phone=0671234567&email=o@example.com", "email"),
    ] {
        let answer = crm.get(&format!("/api/v1/{path}")).await;
        assert_eq!(
            (answer.status, &answer.body["field"]),
            (422, &json!(field)),
            "{path}"
        );
    }
}
