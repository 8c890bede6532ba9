//! `null` clears a field, and what is left out stays.

use serde_json::json;
use stories::crm::Crm;

pub async fn null_clears_and_what_is_left_out_stays(crm: Crm) {
    let person = json!({ "name": "Olena", "company": "Acme", "note": "met in Lviv" });
    crm.post("/api/v1/contacts", person).await.good();
    let lead = json!({ "source": "partner", "business_domain": "first", "contact_id": 1 });
    crm.post("/api/v1/leads", lead).await.good();
    let hook = json!({ "url": "https://example.com/hook", "events": ["*"], "description": "CRM" });
    crm.post("/api/v1/webhooks", hook).await.good();
    for (path, field, left) in [
        ("/api/v1/leads/1", "contact_id", "business_domain"),
        ("/api/v1/leads/1", "business_domain", "source"),
        ("/api/v1/contacts/1", "company", "note"),
        ("/api/v1/contacts/1", "note", "name"),
        ("/api/v1/webhooks/1", "description", "url"),
    ] {
        let before = crm.get(path).await.good();
        assert!(!before[field].is_null(), "{path} {field}");
        let same = crm.patch(path, json!({})).await.good();
        // Other fields of a webhook move by themselves.
        for known in [field, left] {
            assert_eq!(
                same[known], before[known],
                "{path} {known}: nothing was said"
            );
        }
        let cleared = crm.patch(path, json!({ field: null })).await.good();
        assert!(cleared[field].is_null(), "{path} {field}: {cleared}");
        assert_eq!(cleared[left], before[left], "{path} {left}");
        assert!(
            crm.get(path).await.good()[field].is_null(),
            "{path} {field}"
        );
    }
    let many: Vec<_> = (0..21).map(|n| format!("a{n}@example.com")).collect();
    let many = crm
        .patch("/api/v1/contacts/1", json!({ "emails": many }))
        .await;
    assert_eq!((many.status, &many.body["field"]), (422, &json!("emails")));
}
