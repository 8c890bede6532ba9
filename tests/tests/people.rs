//! What people write of a contact: tags, links to pages of the web, notes.

use serde_json::{Value, json};
use stories::crm::Crm;

stories::on_both_profiles!(
    what_is_written_of_a_contact_is_shown_and_taken_back,
    tags_and_links_come_to_those_that_are_there,
    a_contact_that_was_made_with_tags_is_undone_and_made_again,
);

async fn timeline(crm: &Crm, path: &str) -> Vec<Value> {
    let timeline = crm.get(&format!("{path}/timeline")).await.good();
    timeline.as_array().unwrap().clone()
}

async fn undo_the_last(crm: &Crm, path: &str) -> Value {
    let position = timeline(crm, path).await.last().unwrap()["position"].clone();
    let undo = json!({ "position": position });
    crm.post("/api/v1/undo", undo).await.good()
}

async fn what_is_written_of_a_contact_is_shown_and_taken_back(crm: Crm) {
    let olena = json!({
        "name": "Olena", "note": "an old friend", "tags": ["VIP", "vip"],
        "links": [{ "label": " LinkedIn ", "url": "HTTPS://Example.com/olena" }],
    });
    let made = crm.post("/api/v1/contacts", olena).await.good();
    let path = "/api/v1/contacts/1";
    let linkedin = json!({ "label": "LinkedIn", "url": "https://example.com/olena" });
    for contact in [&made, &crm.get(path).await.good()] {
        assert_eq!(contact["tags"], json!(["vip"]));
        assert_eq!(contact["links"], json!([linkedin]));
        assert_eq!(contact["note"], "an old friend");
    }
    let tags = format!("{path}/tags");
    let tagged = crm.post(&tags, json!({ "tag": "Spring" })).await.good();
    assert_eq!(tagged["tags"], json!(["spring", "vip"]));
    let again = crm.post(&tags, json!({ "tag": "spring" })).await.good();
    assert_eq!(again["version"], tagged["version"], "nothing is different");
    let off = crm.delete(&format!("{tags}/VIP")).await.good();
    assert_eq!(off["tags"], json!(["spring"]));
    undo_the_last(&crm, path).await;
    let shown = crm.get(path).await.good();
    assert_eq!(shown["tags"], json!(["spring", "vip"]), "the tag is back");

    let site = json!({ "links": [{ "label": "Site", "url": "https://example.com/olena" }] });
    let relabelled = crm.patch(path, site).await.good();
    assert_eq!(relabelled["links"][0]["label"], "Site");
    let undone = undo_the_last(&crm, path).await;
    assert_eq!(undone["kept"], json!([]));
    assert_eq!(crm.get(path).await.good()["links"], json!([linkedin]));

    let note = json!({ "text": "Wants it\r\nblue" });
    crm.post(&format!("{path}/notes"), note).await.good();
    let happened = timeline(&crm, path).await;
    let last = happened.last().unwrap();
    assert_eq!(last["event"], "contact.noted");
    assert_eq!(
        last["payload"],
        json!({ "number": 1, "text": "Wants it\nblue" })
    );
    undo_the_last(&crm, path).await;
    let happened = timeline(&crm, path).await;
    assert_eq!(happened.last().unwrap()["event"], "contact.note_withdrawn");
}

async fn tags_and_links_come_to_those_that_are_there(crm: Crm) {
    let person = |tag: &str, page: &str| {
        let url = format!("https://example.com/{page}");
        json!({
            "name": "Olena", "phones": ["+380671234567"], "tags": [tag], "links": [{ "url": url }],
        })
    };
    crm.post("/api/v1/contacts:upsert", person("vip", "one"))
        .await
        .good();
    let both = crm.post("/api/v1/contacts:upsert", person("spring", "two"));
    let both = both.await.good();
    assert_eq!(both["tags"], json!(["spring", "vip"]));
    assert_eq!(both["links"].as_array().unwrap().len(), 2);
    let lead = json!({ "source": "manual", "contact": person("lead", "one") });
    crm.post("/api/v1/leads", lead).await.good();
    let contact = crm.get("/api/v1/contacts/1").await.good();
    assert_eq!(contact["tags"], json!(["lead", "spring", "vip"]));
    assert_eq!(contact["links"].as_array().unwrap().len(), 2);
    let many: Vec<_> = (0..50).map(|number| format!("tag {number}")).collect();
    let full = json!({ "name": "Olena", "phones": ["+380671234567"], "tags": many });
    let refused = crm.post("/api/v1/contacts:upsert", full).await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (422, &json!("tags"))
    );
}

async fn a_contact_that_was_made_with_tags_is_undone_and_made_again(crm: Crm) {
    let olena = json!({ "name": "Olena", "tags": ["vip"] });
    crm.post("/api/v1/contacts", olena).await.good();
    let path = "/api/v1/contacts/1";
    let undone = undo_the_last(&crm, path).await;
    assert_eq!(undone["reversed"][0]["event"], "contact.created");
    assert_eq!(crm.get(path).await.status, 404);
    let redone = undo_the_last(&crm, path).await;
    assert_eq!(redone["reversed"][0]["event"], "contact.removed");
    assert_eq!(crm.get(path).await.good()["tags"], json!(["vip"]));
}
