//! Undo of earlier changes, also where later ones followed.

use serde_json::{Value, json};
use stories::crm::Crm;

stories::on_both_profiles!(
    a_step_that_nobody_followed_is_taken_back,
    what_was_touched_since_is_kept_and_says_why,
    everything_that_one_request_caused_is_undone_or_explained,
    an_undone_removal_takes_its_phone_back_or_says_who_has_it,
    what_cannot_be_undone_is_refused,
    an_undo_is_undone_once_however_often_and_whenever_it_is_asked,
);

/// The position of the last change, as the caller was told.
async fn patched(crm: &Crm, path: &str, body: Value) -> String {
    let answer = crm.patch(path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.position.unwrap()
}

async fn undone(crm: &Crm, position: &str) -> Value {
    crm.post("/api/v1/undo", json!({ "position": position }))
        .await
        .good()
}

fn kept(undone: &Value) -> Vec<&str> {
    undone["kept"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kept| kept["kept"].as_str().unwrap())
        .collect()
}

async fn a_step_that_nobody_followed_is_taken_back(crm: Crm) {
    let lead = format!(
        "/api/v1/leads/{}",
        crm.given_a_lead_in(&["contacted"]).await
    );
    let first = patched(&crm, &lead, json!({ "business_domain": "second" })).await;
    let counted = crm
        .post(&format!("{lead}/messages"), json!({ "increment": 7 }))
        .await;
    let counted = counted.position.unwrap();
    crm.post(&format!("{lead}/messages"), json!({ "increment": 2 }))
        .await
        .good();
    let slip = json!({ "stage": "lost", "reason": "a slip" });
    let lost = patched(&crm, &format!("{lead}/stage"), slip).await;
    for position in [&lost, &first, &counted] {
        let undone = undone(&crm, position).await;
        assert_eq!(
            (
                undone["reversed"].as_array().unwrap().len(),
                kept(&undone).len()
            ),
            (1, 0),
            "{undone}"
        );
    }
    let now = crm.get(&lead).await.good();
    assert_eq!(
        (
            &now["stage"],
            &now["business_domain"],
            &now["message_count"]
        ),
        (&json!("contacted"), &json!("first"), &json!(2))
    );
    let funnel = crm.get("/api/v1/dashboard/conversion-funnel").await.good();
    assert_eq!(
        (
            &funnel["stages"][0]["entered"],
            &funnel["stages"][1]["entered"],
            &funnel["stages"][1]["dropped"]
        ),
        (&json!(1), &json!(1), &json!(0))
    );
    let stages = crm.get("/api/v1/dashboard").await.good();
    assert_eq!(
        (
            &stages["leads_by_stage"]["contacted"],
            &stages["leads_by_stage"]["lost"]
        ),
        (&json!(1), &json!(0))
    );
    let timeline = crm.get(&format!("{lead}/timeline")).await.good();
    let told = timeline.to_string();
    assert!(
        told.contains("a slip") && told.contains("undo of contacted to lost"),
        "nothing was rewritten: {told}"
    );
    // An undo can be undone.
    let restored = timeline.as_array().unwrap().iter().find(|happened| {
        happened["payload"]["to"] == "contacted" && happened["payload"]["from"] == "lost"
    });
    undone(&crm, restored.unwrap()["position"].as_str().unwrap()).await;
    assert_eq!(crm.get(&lead).await.good()["stage"], "lost");
}

async fn what_was_touched_since_is_kept_and_says_why(crm: Crm) {
    let made = crm
        .post(
            "/api/v1/contacts",
            json!({ "name": "Olena", "company": "Acme", "role": "CEO" }),
        )
        .await;
    let path = made.location.clone().unwrap();
    let both = patched(
        &crm,
        &path,
        json!({ "company": "Umbrella", "role": "CTO", "phones": ["+380671234567"] }),
    )
    .await;
    patched(&crm, &path, json!({ "role": "Founder" })).await;
    let undone = undone(&crm, &both).await;
    assert_eq!(kept(&undone), ["role was changed since"]);
    assert_eq!(undone["reversed"].as_array().unwrap().len(), 2);
    let now = crm.get(&path).await.good();
    assert_eq!(
        (&now["company"], &now["role"], &now["phones"]),
        (&json!("Acme"), &json!("Founder"), &json!([]))
    );
    let again = self::undone(&crm, &both).await;
    assert!(
        kept(&again)
            .iter()
            .all(|why| why.contains("since") || why.starts_with("it was undone already, at 0:")),
        "there is nothing left to undo: {again}"
    );
    assert_eq!(kept(&again).len(), 3);
    let opened = self::undone(&crm, &made.position.unwrap()).await;
    assert_eq!(
        kept(&opened),
        ["the contact was changed since; remove it instead"]
    );
}

async fn everything_that_one_request_caused_is_undone_or_explained(crm: Crm) {
    let lead = crm.given_a_transferred_lead(5).await;
    let timeline = crm
        .get(&format!("/api/v1/leads/{lead}/timeline"))
        .await
        .good();
    let correlation = timeline[4]["correlation"].clone();
    let undone = crm
        .post("/api/v1/undo", json!({ "correlation": correlation }))
        .await
        .good();
    assert_eq!(
        kept(&undone),
        [
            "a sale that was opened stays; mark it lost instead",
            "it became sale 1; mark that sale lost instead",
        ]
    );
    let analysed = timeline[3]["correlation"].clone();
    let undone = crm
        .post("/api/v1/undo", json!({ "correlation": analysed }))
        .await
        .good();
    assert_eq!(kept(&undone), ["it was analysed or transferred since"]);
}

async fn an_undone_removal_takes_its_phone_back_or_says_who_has_it(crm: Crm) {
    let olena = json!({ "name": "Olena", "phones": ["+380671234567"] });
    let path = crm
        .post("/api/v1/contacts", olena.clone())
        .await
        .location
        .unwrap();
    let removed = crm.delete(&path).await.position.unwrap();
    undone(&crm, &removed).await;
    assert_eq!(
        crm.get(&path).await.good()["phones"],
        json!(["+380671234567"])
    );
    assert_eq!(
        crm.post("/api/v1/contacts", olena.clone()).await.status,
        409,
        "the phone is hers again"
    );
    let removed = crm.delete(&path).await.position.unwrap();
    crm.post("/api/v1/contacts", olena).await.good();
    let taken = crm
        .post("/api/v1/undo", json!({ "position": removed }))
        .await;
    assert_eq!(
        (taken.status, &taken.body["field"]),
        (409, &json!("phones")),
        "{}",
        taken.text
    );
    assert_eq!(crm.get(&path).await.status, 404, "nothing was half done");
    crm.cli_good(&["erase", "contact-1"]);
    let erased = undone(&crm, &removed).await;
    assert_eq!(
        kept(&erased),
        ["the person was erased, and nothing of them comes back"]
    );
}

async fn what_cannot_be_undone_is_refused(crm: Crm) {
    crm.given_a_lead().await;
    let refused = async |body: Value| {
        let answer = crm.post("/api/v1/undo", body).await;
        (
            answer.status,
            answer.body["field"].as_str().unwrap_or_default().to_owned(),
        )
    };
    assert_eq!(refused(json!({})).await, (422, "position".into()));
    assert_eq!(
        refused(json!({ "position": "twelve" })).await,
        (422, "position".into())
    );
    assert_eq!(
        refused(json!({ "position": "0:99999" })).await,
        (404, "position".into())
    );
    assert_eq!(
        refused(json!({ "position": "7:1" })).await,
        (404, "position".into())
    );
    assert_eq!(
        refused(json!({ "position": "0:1" })).await,
        (422, "position".into()),
        "a number that was taken"
    );
    assert_eq!(
        refused(json!({ "correlation": "01900000-0000-7000-8000-000000000000" })).await,
        (404, "position".into())
    );
}

async fn an_undo_is_undone_once_however_often_and_whenever_it_is_asked(crm: Crm) {
    let lead = format!("/api/v1/leads/{}", crm.given_a_lead().await);
    let messages = format!("{lead}/messages");
    let count = async |increment: u32| {
        let counted = crm.post(&messages, json!({ "increment": increment })).await;
        counted.position.unwrap()
    };
    count(50).await;
    let seven = count(7).await;
    let asked = (0..5).map(|_| undone(&crm, &seven));
    let answers = futures::future::join_all(asked).await;
    let times = answers
        .iter()
        .filter(|answer| kept(answer).is_empty())
        .count();
    assert_eq!(times, 1, "{answers:?}");
    let already = answers.iter().flat_map(kept).collect::<Vec<_>>();
    assert!(
        already
            .iter()
            .all(|why| why.starts_with("it was undone already, at 0:")),
        "{already:?}"
    );
    assert_eq!(crm.get(&lead).await.good()["message_count"], 50);

    // The undo is a change: taken back, the seven count again, and can be undone again.
    let undo = already[0].strip_prefix("it was undone already, at ");
    assert!(kept(&undone(&crm, undo.unwrap()).await).is_empty());
    assert_eq!(crm.get(&lead).await.good()["message_count"], 57);
    assert!(kept(&undone(&crm, &seven).await).is_empty());
    assert_eq!(crm.get(&lead).await.good()["message_count"], 50);

    // An older delete, undone once, takes back nobody's later delete; nor an addition.
    let contact = json!({ "name": "Olena", "phones": ["+380671234567"] });
    let path = crm.post("/api/v1/contacts", contact).await.location;
    let path = path.unwrap();
    let removed = crm.delete(&path).await.position.unwrap();
    undone(&crm, &removed).await;
    crm.delete(&path).await.good();
    let again = undone(&crm, &removed).await;
    assert!(
        kept(&again)[0].starts_with("it was undone already"),
        "{again}"
    );
    assert_eq!(crm.get(&path).await.status, 404);
}
