//! A process that is asked to stop lets its calls end, so that a deploy leaves none of which nobody
//! saw the end.

use std::process::Command;

use stories::crm::Crm;
use stories::servers::eventually;

use crate::deliveries;
use crate::receiver::{Mood, Receiver};

#[tokio::test]
async fn a_call_that_is_under_way_ends_before_the_process_does() {
    let loopback = [("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8")];
    let mut crm = Crm::embedded_with(&loopback).await;
    let receiver = Receiver::start().await;
    let (webhook, _) = receiver.registered(&crm, &["lead.opened"]).await;
    receiver.is(Mood::Held);
    crm.given_a_lead().await;
    receiver.until(|heard| heard.len() == 1).await;

    let id = crm.last().id().to_string();
    let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(asked.success());
    let closed = async || reqwest::get(crm.url(0)).await.is_err();
    assert!(eventually(closed).await, "it takes no requests any more");
    receiver.is(Mood::Good);
    assert!(eventually(async || crm.last().has_ended()).await);

    crm.last().restart().await;
    let told = async || deliveries(&crm, webhook, "?status=delivered").await.len() == 1;
    assert!(eventually(told).await, "the outcome was recorded");
    assert_eq!(receiver.heard().len(), 1, "and it is not called again");
}
