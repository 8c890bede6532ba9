//! What people write of a lead and correct of a sale: titles, owners, amounts, tags, where it was found, notes.

use reqwest::Method;
use serde_json::{Value, json};
use stories::crm::Crm;

stories::on_both_profiles!(
    what_is_written_of_a_lead_is_shown_and_cleared_and_remembered,
    two_who_tag_at_once_lose_nothing,
    a_transfer_says_its_amount_in_the_body_too,
    an_amount_of_a_sale_is_corrected_until_it_has_ended,
);

async fn timeline(crm: &Crm, path: &str) -> Vec<Value> {
    let timeline = crm.get(&format!("{path}/timeline")).await.good();
    timeline.as_array().unwrap().clone()
}

async fn what_is_written_of_a_lead_is_shown_and_cleared_and_remembered(crm: Crm) {
    let open = json!({
        "source": "partner", "title": " Two  pools ", "owner": "Olena", "expected_amount": 99.9,
        "tags": ["VIP", "vip", "Spring"], "utm": { "source": "google", "campaign": "pools" },
    });
    let lead = crm.post("/api/v1/leads", open).await.good();
    let path = format!("/api/v1/leads/{}", lead["id"]);
    let shown = crm.get(&path).await.good();
    for lead in [&lead, &shown] {
        assert_eq!(lead["title"], "Two  pools");
        assert_eq!(lead["owner"], "Olena");
        assert_eq!(lead["expected_amount"], 99.9);
        assert_eq!(lead["expected_currency"], "UAH");
        assert_eq!(lead["tags"], json!(["spring", "vip"]));
        assert_eq!(lead["utm"]["source"], "google");
        assert_eq!(lead["utm"]["medium"], Value::Null);
    }
    let change = json!({ "owner": null, "utm": { "source": null, "term": "blue pool" } });
    crm.patch(&path, change).await.good();
    let lead = crm.get(&path).await.good();
    assert_eq!(
        (&lead["title"], &lead["owner"]),
        (&json!("Two  pools"), &Value::Null)
    );
    assert_eq!(lead["utm"]["source"], Value::Null);
    assert_eq!(
        (&lead["utm"]["campaign"], &lead["utm"]["term"]),
        (&json!("pools"), &json!("blue pool"))
    );
    let version = lead["version"].clone();
    let same = crm.patch(&path, json!({ "title": "Two  pools" })).await;
    assert_eq!(same.good()["version"], version, "nothing is different");

    let note = json!({ "text": "Wants it\r\nblue" });
    crm.post(&format!("{path}/notes"), note).await.good();
    let happened = timeline(&crm, &path).await;
    let last = happened.last().unwrap();
    assert_eq!(last["event"], "lead.noted");
    assert_eq!(last["payload"]["text"], "Wants it\nblue");
    let undone = json!({ "position": last["position"] });
    let undone = crm.post("/api/v1/undo", undone).await.good();
    assert_eq!(undone["reversed"][0]["event"], "lead.noted");
    let happened = timeline(&crm, &path).await;
    assert_eq!(happened.last().unwrap()["event"], "lead.note_withdrawn");
    let at = happened[0]["at"].as_str().unwrap();
    let then = crm.get(&format!("{path}?as_of={at}")).await.good();
    assert_eq!(then["owner"], "Olena", "as it was");
}

async fn two_who_tag_at_once_lose_nothing(crm: Crm) {
    let lead = crm.given_a_lead().await;
    let path = format!("/api/v1/leads/{lead}/tags");
    let tags: Vec<_> = (0..8).map(|number| format!("tag {number}")).collect();
    let put_on = tags
        .iter()
        .map(|tag| crm.post(&path, json!({ "tag": tag })));
    for answer in futures::future::join_all(put_on).await {
        answer.good();
    }
    let shown = crm.get(&format!("/api/v1/leads/{lead}")).await.good();
    assert_eq!(shown["tags"], json!(tags));
    let off = crm.request(Method::DELETE, &format!("{path}/TAG%203"));
    let left = crm.send(off).await.good()["tags"].clone();
    assert_eq!(left.as_array().unwrap().len(), 7);
}

async fn a_transfer_says_its_amount_in_the_body_too(crm: Crm) {
    let lead = crm.given_a_lead_in(&["contacted", "qualified"]).await;
    let path = format!("/api/v1/leads/{lead}");
    crm.post(&format!("{path}/analyze"), json!({})).await.good();
    let worth = json!({ "amount": 99.9, "currency": "USD" });
    let sale = crm.post(&format!("{path}/transfer"), worth).await.good();
    assert_eq!(
        (&sale["amount"], &sale["currency"]),
        (&json!(99.9), &json!("USD"))
    );
}

async fn an_amount_of_a_sale_is_corrected_until_it_has_ended(crm: Crm) {
    let lead = crm.given_a_transferred_lead(100).await;
    let lead = crm.get(&format!("/api/v1/leads/{lead}")).await.good();
    let path = format!("/api/v1/sales/{}", lead["sale_id"]);
    let changed = crm.patch(&path, json!({ "amount": 250.5 })).await.good();
    assert_eq!(
        (&changed["amount"], &changed["currency"]),
        (&json!(250.5), &json!("UAH"))
    );
    let happened = timeline(&crm, &path).await;
    let last = happened.last().unwrap();
    assert_eq!(last["changes"][0]["before"], 100);
    crm.post("/api/v1/undo", json!({ "position": last["position"] }))
        .await
        .good();
    assert_eq!(crm.get(&path).await.good()["amount"], 100);
    crm.patch(&path, json!({ "amount": 300 })).await.good();
    for stage in ["kyc", "agreement", "paid"] {
        let step = json!({ "stage": stage });
        crm.patch(&format!("{path}/stage"), step).await.good();
    }
    let paid = crm.get("/api/v1/dashboard").await.good()["paid"].clone();
    assert_eq!(paid["UAH"], 300);
    let refused = crm.patch(&path, json!({ "amount": 1 })).await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (409, &json!("amount"))
    );
}
