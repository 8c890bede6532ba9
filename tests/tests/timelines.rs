//! Timelines tell who, when, from where, and what was before and after.

use serde_json::{Value, json};
use stories::answer::sorted;
use stories::crm::Crm;

stories::on_both_profiles!(
    a_lead_and_its_sale_tell_what_was_before_and_after,
    an_erased_person_is_erased_on_both_sides,
);

/// The timeline without what differs from run to run.
async fn told(crm: &Crm, path: &str) -> Vec<Value> {
    let timeline = crm.get(&format!("/api/v1/{path}/timeline")).await.good();
    let mut timeline = timeline.as_array().unwrap().clone();
    for happened in &mut timeline {
        let happened = happened.as_object_mut().unwrap();
        for varies in ["at", "position", "correlation", "payload"] {
            assert!(happened.remove(varies).is_some(), "{varies} is told");
        }
        let caused = happened["causation"].is_string();
        happened.insert("causation".into(), json!(caused));
        let changes = happened["changes"].as_array_mut().unwrap();
        for change in changes
            .iter_mut()
            .filter(|change| change["field"] == "ai_analyzed_at")
        {
            change["after"] = json!("[moment]");
        }
    }
    timeline.iter().map(sorted).collect()
}

async fn a_lead_and_its_sale_tell_what_was_before_and_after(crm: Crm) {
    let lead = crm.given_a_lead_in(&["contacted", "qualified"]).await;
    crm.post(
        &format!("/api/v1/leads/{lead}/messages"),
        json!({ "increment": 3 }),
    )
    .await
    .good();
    crm.transfer(lead, 99.9).await;
    crm.patch("/api/v1/sales/1/stage", json!({ "stage": "kyc" }))
        .await
        .good();
    let all = told(&crm, &format!("leads/{lead}")).await;
    insta::assert_json_snapshot!("lead", all);
    let sale = told(&crm, "sales/1").await;
    assert_eq!(sale[..], all[all.len() - 2..], "the sale's own part");
    assert_eq!(crm.get("/api/v1/sales/9/timeline").await.status, 404);
}

async fn an_erased_person_is_erased_on_both_sides(crm: Crm) {
    let person = json!({ "name": "Zinaida Quux", "company": "Acme", "phones": ["+380991112233"] });
    crm.post("/api/v1/contacts", person).await.good();
    let change = json!({ "company": "Umbrella", "note": "likes tea", "phones": ["+380991112244"] });
    crm.patch("/api/v1/contacts/1", change).await.good();
    crm.delete("/api/v1/contacts/1").await.good();
    insta::assert_json_snapshot!("contact", told(&crm, "contacts/1").await);
    crm.cli_good(&["erase", "contact-1"]);
    let forgotten = async || {
        !crm.get("/api/v1/contacts/1/timeline")
            .await
            .text
            .contains("tea")
    };
    assert!(stories::servers::eventually(forgotten).await);
    let erased = told(&crm, "contacts/1").await;
    let text = json!(erased).to_string();
    for named in ["Zinaida", "Acme", "Umbrella", "+3809"] {
        assert!(!text.contains(named), "{text}");
    }
    insta::assert_json_snapshot!("erased", erased);
}
