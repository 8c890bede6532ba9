//! The sender died between its call and the record of it, and does not come back: a person says what
//! became of the delivery, over HTTP or at a terminal.

use serde_json::{Value, json};
use stories::crm::Crm;
use stories::servers::eventually;

use crate::deliveries;
use crate::receiver::Receiver;

const ROLES: [&str; 4] = ["commands", "projections", "gateway-webhooks", "api"];
const SENDER: usize = 2;
const SHORT: &[(&str, &str)] = &[
    ("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8"),
    ("WEBHOOK_TIMEOUT", "1"),
];

#[tokio::test]
async fn a_delivery_of_which_nobody_saw_the_end_is_settled_by_a_person() {
    let mut crm = Crm::cluster_of(&ROLES, SHORT).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.opened"]).await;

    let unknown = given_an_unknown_delivery(&mut crm, webhook).await;
    let settle = format!(
        "/api/v1/webhooks/{webhook}/deliveries/{}/settle",
        id(&unknown)
    );
    let refused = crm.post(&settle, json!({ "outcome": "perhaps" })).await;
    assert_eq!(
        (refused.status, &refused.body["field"]),
        (422, &json!("outcome"))
    );
    let settled = crm.post(&settle, json!({ "outcome": "delivered" })).await;
    assert_eq!(settled.good()["status"], "delivered");
    let refused = crm.post(&settle, json!({ "outcome": "retry" })).await;
    assert_eq!(
        (refused.status, &refused.body["type"]),
        (409, &json!("/problems/not-unknown"))
    );
    crm.processes()[SENDER].restart().await;
    let delivered = deliveries(&crm, webhook, "?status=delivered").await;
    assert_eq!(delivered[0]["detail"], "settled by hand");
    assert_eq!(receiver.heard().len(), 1, "it is not called again");

    let unknown = given_an_unknown_delivery(&mut crm, webhook).await;
    let (number, delivery) = (webhook.to_string(), id(&unknown));
    let settle = ["webhooks", "settle", &number, &delivery];
    crm.cli_good(&[&settle[..], &["retry"]].concat());
    let again = crm.cli(&[&settle[..], &["dead"]].concat());
    let told = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(
        !again.status.success() && told.contains("only one with the status unknown"),
        "{told}"
    );
    crm.processes()[SENDER].restart().await;
    let both = async || deliveries(&crm, webhook, "?status=delivered").await.len() == 2;
    assert!(eventually(both).await);
    let heard = receiver.heard();
    let times = heard.iter().filter(|heard| heard.id == delivery).count();
    assert_eq!(times, 2, "it was sent again");
}

/// The sender dies before it can say how its call went, and stays away.
async fn given_an_unknown_delivery(crm: &mut Crm, webhook: u64) -> Value {
    let sender = &mut crm.processes()[SENDER];
    sender.set("RAPPORT_FAILPOINT", Some("effect.called"));
    sender.restart().await;
    crm.given_a_lead().await;
    assert!(eventually(async || crm.processes()[SENDER].has_ended()).await);
    crm.processes()[SENDER].set("RAPPORT_FAILPOINT", None);
    let mut unknown = Vec::new();
    let found = eventually(async || {
        unknown = deliveries(crm, webhook, "?status=unknown").await;
        !unknown.is_empty()
    });
    assert!(found.await, "whether it happened is not known");
    unknown.remove(0)
}

fn id(delivery: &Value) -> String {
    delivery["id"].as_str().unwrap().to_owned()
}
