//! Every personal field of every event is sealed wherever it is stored, and forgotten with its person.
//!
//! Which fields there are is asked of the table of events: a new one without a line here fails.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use schemas::any::DomainEvent;
use serde_json::{Value, json};
use stories::crm::{Crm, with};
use stories::forgotten::{named_nowhere, sealed_everywhere};
use stories::servers::eventually;

/// The cluster with an archive, and with what calls webhooks.
const ROLES: [&str; 4] = [
    "commands",
    "projections,gateway-ai,gateway-webhooks",
    "archive",
    "api",
];
/// Enough for a snapshot.
const OFTEN: usize = 110;

#[tokio::test]
async fn what_people_write_is_sealed_and_forgotten_with_its_person_embedded() {
    everything_is_sealed_and_forgotten(Crm::embedded().await).await;
}

#[tokio::test]
async fn what_people_write_is_sealed_and_forgotten_with_its_person_cluster() {
    everything_is_sealed_and_forgotten(Crm::cluster_of(&ROLES, &[]).await).await;
}

/// What a story has written.
#[derive(Default)]
struct Written {
    /// What stands in a field of an event, and goes with the person whom it is about.
    with_the_person: BTreeMap<(&'static str, &'static str), String>,
    /// What is sealed, and is about no customer: names of keys, webhooks.
    sealed: BTreeMap<(&'static str, &'static str), String>,
    /// The same fields, by other ways.
    also: Vec<String>,
}

impl Written {
    fn person(&mut self, event: &'static str, field: &'static str, text: &str) {
        self.with_the_person.insert((event, field), text.to_owned());
    }

    fn sealed(&mut self, event: &'static str, field: &'static str, text: &str) {
        self.sealed.insert((event, field), text.to_owned());
    }

    /// Every personal field that there is, and no other.
    fn is_complete(&self) {
        let fields = DomainEvent::kinds().flat_map(|kind| {
            let personal = kind.personal.iter();
            personal.map(|personal| (kind.name, personal.field))
        });
        let written = self.with_the_person.keys().chain(self.sealed.keys());
        let written: BTreeSet<_> = written.copied().collect();
        assert_eq!(
            written,
            fields.collect::<BTreeSet<_>>(),
            "each personal field needs a line in this story"
        );
    }

    fn about_the_person(&self) -> Vec<&str> {
        let fields = self.with_the_person.values().chain(&self.also);
        fields.map(String::as_str).collect()
    }

    fn everything(&self) -> Vec<&str> {
        let sealed = self.sealed.values().map(String::as_str);
        self.about_the_person().into_iter().chain(sealed).collect()
    }
}

async fn everything_is_sealed_and_forgotten(mut crm: Crm) {
    let mut written = Written::default();
    a_contact(&crm, &mut written).await;
    a_lead_and_its_sale(&crm, &mut written).await;
    a_lead_of_two_people(&crm, &mut written).await;
    a_key_and_a_webhook(&crm, &mut written).await;
    written.is_complete();
    let refused = requests_that_are_refused(&crm).await;
    crm.cli_good(&["backup", "backups"]);
    let mut needles = written.everything();
    needles.extend(&refused);
    sealed_everywhere(&mut crm, &needles).await;

    crm.cli_good(&["erase", "contact-1"]);
    crm.cli_good(&["backup", "backups"]);
    let lead = crm.get("/api/v1/leads/1").await.good();
    assert_eq!(lead["ai_reason"], "erased", "{lead}");
    for (path, left) in [("leads/1", "erased"), ("leads/2", "Zq now it is Oksana's")] {
        let timeline = crm.get(&format!("/api/v1/{path}/timeline")).await.good();
        assert!(timeline.to_string().contains(left), "{timeline}");
    }
    a_text_of_who_was_erased_is_not_kept(&crm).await;
    let gone = eventually(async || reused(&crm).await == 410).await;
    assert!(gone, "nor is the answer to a retry");
    let gone = eventually(async || opened_with_a_title(&crm).await == 410).await;
    assert!(gone, "nor that to the request that opened a lead");
    crm.cli_good(&["events", "verify"]);
    crm.cli_good(&["projections", "rebuild", "leads"]);
    let mut needles = written.about_the_person();
    needles.extend(&refused);
    named_nowhere(crm, &needles).await;
}

async fn a_contact(crm: &Crm, written: &mut Written) {
    let person = json!({
        "name": "Zq Name", "company": "Zq Company", "role": "Zq Role", "note": "Zq note",
        "phones": ["+380991112201"], "emails": ["zq.one@example.com"],
    });
    crm.post("/api/v1/contacts", person).await.good();
    for (field, text) in [
        ("name", "Zq Name"),
        ("company", "Zq Company"),
        ("role", "Zq Role"),
        ("note", "Zq note"),
        ("phones", "380991112201"),
        ("emails", "zq.one@"),
    ] {
        written.person("contact.created", field, text);
    }
    for change in [
        json!({ "role": "Zq From" }),
        json!({ "role": "Zq To" }),
        json!({ "phones": ["+380991112202"], "emails": ["zq.two@example.com"] }),
    ] {
        crm.patch("/api/v1/contacts/1", change).await.good();
    }
    written.person("contact.field_changed", "from", "Zq From");
    written.person("contact.field_changed", "to", "Zq To");
    written.person("contact.phone_added", "phone", "380991112202");
    written.person("contact.phone_removed", "phone", "380991112201");
    written.person("contact.email_added", "email", "zq.two@");
    written.person("contact.email_removed", "email", "zq.one@");
    written_of_a_contact(crm, written).await;
    for number in 0..OFTEN {
        let note = json!({ "note": format!("Zq said {number}") });
        crm.patch("/api/v1/contacts/1", note).await.good();
    }
    written.also.push("Zq said".into());
    let other = json!({ "name": "Oksana", "phones": ["+380670000000"] });
    crm.post("/api/v1/contacts", other).await.good();
}

/// A tag, a link, and a note that is taken back.
async fn written_of_a_contact(crm: &Crm, written: &mut Written) {
    let tag = json!({ "tag": "Zq-Patron" });
    crm.post("/api/v1/contacts/1/tags", tag).await.good();
    crm.delete("/api/v1/contacts/1/tags/zq-patron").await.good();
    written.person("contact.tag_added", "tag", "zq-patron");
    written.person("contact.tag_removed", "tag", "zq-patron");
    let link = json!({ "label": "Zq blog", "url": "https://zq-blog.example.com/" });
    for links in [json!([link]), json!([])] {
        let links = json!({ "links": links });
        crm.patch("/api/v1/contacts/1", links).await.good();
    }
    for event in ["contact.link_added", "contact.link_removed"] {
        written.person(event, "label", "Zq blog");
        written.person(event, "url", "zq-blog.example");
    }
    let note = json!({ "text": "Zq likes green" });
    crm.post("/api/v1/contacts/1/notes", note).await.good();
    undo_the_last_of(crm, "contacts/1").await;
    let stays =
        json!({ "tags": ["Zq-Stays"], "links": [{ "url": "https://zq-stays.example.com/" }] });
    crm.patch("/api/v1/contacts/1", stays).await.good();
    written
        .also
        .extend(["zq-stays".into(), "zq-stays.example".into()]);
    written.person("contact.noted", "text", "Zq likes green");
    written.person("contact.note_withdrawn", "text", "Zq likes green");
}

async fn undo_the_last_of(crm: &Crm, path: &str) {
    let timeline = crm.get(&format!("/api/v1/{path}/timeline")).await.good();
    let last = timeline.as_array().unwrap().last().unwrap()["position"].clone();
    let undo = json!({ "position": last });
    crm.post("/api/v1/undo", undo).await.good();
}

/// Opened before anybody knew whose it is.
async fn a_lead_and_its_sale(crm: &Crm, written: &mut Written) {
    crm.given_a_lead().await;
    let step = |stage: &str, reason: &str| json!({ "stage": stage, "reason": reason });
    let early = step("contacted", "Zq before anybody knew");
    crm.patch("/api/v1/leads/1/stage", early).await.good();
    written.also.push("Zq before anybody knew".into());
    crm.patch("/api/v1/leads/1", json!({ "contact_id": 1 }))
        .await
        .good();
    let hers = step("qualified", "Zq wants it blue");
    crm.patch("/api/v1/leads/1/stage", hers).await.good();
    written.person("lead.stage_changed", "reason", "Zq wants it blue");
    written_of_a_lead(crm, written).await;
    for _ in 0..OFTEN {
        let count = json!({ "increment": 1 });
        crm.post("/api/v1/leads/1/messages", count).await.good();
    }
    crm.transfer(1, 10).await;
    let analyzed = crm.get("/api/v1/leads/1").await.good();
    let reason = analyzed["ai_reason"].as_str().unwrap();
    assert!(reason.len() > 10, "{analyzed}");
    written.person("lead.analyzed", "reason", reason);
    let sold = step("kyc", "Zq pays in cash");
    crm.patch("/api/v1/sales/1/stage", sold).await.good();
    written.person("sale.stage_changed", "reason", "Zq pays in cash");
    assert_eq!(reused(crm).await, 200);
}

/// Its title, a tag, and a note that is taken back.
async fn written_of_a_lead(crm: &Crm, written: &mut Written) {
    for title in ["Zq two pools", "Zq three pools"] {
        let change = json!({ "title": title, "utm": { "campaign": "Zq spring" } });
        crm.patch("/api/v1/leads/1", change).await.good();
    }
    written.person("lead.field_changed", "from", "Zq two pools");
    written.person("lead.field_changed", "to", "Zq three pools");
    written.also.push("Zq spring".into());
    let tag = json!({ "tag": "Zq-Vip" });
    crm.post("/api/v1/leads/1/tags", tag).await.good();
    let tagged = crm.request(Method::DELETE, "/api/v1/leads/1/tags/zq-vip");
    crm.send(tagged).await.good();
    written.person("lead.tag_added", "tag", "zq-vip");
    written.person("lead.tag_removed", "tag", "zq-vip");
    let note = json!({ "text": "Zq asked for blue" });
    crm.post("/api/v1/leads/1/notes", note).await.good();
    undo_the_last_of(crm, "leads/1").await;
    // Lists find it by these.
    let found = json!({ "owner": "Zq Owner", "tags": ["Zq-Left"] });
    crm.patch("/api/v1/leads/1", found).await.good();
    for words in ["Zq Owner", "zq owner", "zq-left"] {
        written.also.push(words.into());
    }
    written.person("lead.noted", "text", "Zq asked for blue");
    written.person("lead.note_withdrawn", "text", "Zq asked for blue");
}

/// A request with words of an analysis in its answer, under one key.
async fn reused(crm: &Crm) -> u16 {
    let again = with(
        crm.request(Method::POST, "/api/v1/leads/1/messages"),
        &json!({ "increment": 1 }),
    );
    crm.send(again.header("Idempotency-Key", "words"))
        .await
        .status
}

/// It was thought to be hers, and is somebody else's.
async fn a_lead_of_two_people(crm: &Crm, written: &mut Written) {
    assert_eq!(opened_with_a_title(crm).await, 201);
    written.also.push("Zq came with a title".into());
    for (change, path) in [
        (
            json!({ "stage": "contacted", "reason": "Zq once hers" }),
            "leads/2/stage",
        ),
        (json!({ "contact_id": 2 }), "leads/2"),
        (
            json!({ "stage": "lost", "reason": "Zq now it is Oksana's" }),
            "leads/2/stage",
        ),
    ] {
        crm.patch(&format!("/api/v1/{path}"), change).await.good();
    }
    written.also.push("Zq once hers".into());
    a_lead_that_was_lost(crm, written).await;
}

/// Reports count it by what people wrote of it.
async fn a_lead_that_was_lost(crm: &Crm, written: &mut Written) {
    let words = json!({ "owner": "Zq Owner", "tags": ["zq-lost"] });
    let mut open = json!({ "source": "manual", "contact_id": 1 });
    open.as_object_mut()
        .unwrap()
        .extend(words.as_object().unwrap().clone());
    crm.post("/api/v1/leads", open).await.good();
    let lost = json!({ "stage": "lost", "reason": "Zq too dear" });
    crm.patch("/api/v1/leads/3/stage", lost).await.good();
    let told = crm.get("/api/v1/reports/leads_lost?by=owner,tag,reason");
    let told = told.await.good().to_string();
    for word in ["Zq Owner", "zq-lost", "Zq too dear"] {
        assert!(told.contains(word), "{told}");
        written.also.push(word.into());
    }
}

/// Its title is in the kept answer of the request too.
async fn opened_with_a_title(crm: &Crm) -> u16 {
    let open = json!({ "source": "manual", "contact_id": 1, "title": "Zq came with a title" });
    let open = with(crm.request(Method::POST, "/api/v1/leads"), &open);
    let open = open.header("Idempotency-Key", "a title");
    crm.send(open).await.status
}

async fn a_key_and_a_webhook(crm: &Crm, written: &mut Written) {
    crm.cli_good(&["keys", "create", "Zq laptop", "--role", "analyst"]);
    written.sealed("key.issued", "name", "Zq laptop");
    let register = json!({
        "url": "https://zq-one.example.com/", "events": ["contact.restored"], "description": "Zq hears",
    });
    let registered = crm.post("/api/v1/webhooks", register).await.good();
    written.sealed("webhook.registered", "url", "zq-one.example");
    written.sealed("webhook.registered", "description", "Zq hears");
    let secret = |answer: &Value| answer["secret"].as_str().unwrap().to_owned();
    written.sealed("webhook.registered", "secret", &secret(&registered));
    let path = format!("/api/v1/webhooks/{}", registered["id"]);
    let change = json!({ "url": "https://zq-two.example.com/", "description": "Zq listens" });
    crm.patch(&path, change).await.good();
    written.sealed("webhook.changed", "url", "zq-two.example");
    written.sealed("webhook.changed", "description", "Zq listens");
    let rotated = crm.post(&format!("{path}/secret"), json!({})).await.good();
    written.sealed("webhook.secret_rotated", "secret", &secret(&rotated));
}

/// Whoever is named in a body that was refused is nobody whom we know: there is no key that dies.
async fn requests_that_are_refused(crm: &Crm) -> Vec<&'static str> {
    for (key, body) in [
        (
            "taken",
            json!({ "name": "Zq Refused", "phones": ["+380670000000"] }),
        ),
        (
            "misspelt",
            json!({ "name": "Zq Misspelt", "phones": ["call zq-misspelt"] }),
        ),
        ("unknown", json!({ "name": "Zq Unknown", "zq-field": 1 })),
    ] {
        let post = || {
            with(crm.request(Method::POST, "/api/v1/contacts"), &body)
                .header("Idempotency-Key", key)
        };
        let (first, again) = (crm.send(post()).await, crm.send(post()).await);
        assert!((400..500).contains(&first.status), "{}", first.text);
        assert_eq!((first.status, &first.text), (again.status, &again.text));
        assert!(again.replayed, "it is the kept answer");
    }
    vec![
        "Zq Refused",
        "Zq Misspelt",
        "zq-misspelt",
        "Zq Unknown",
        "zq-field",
    ]
}

async fn a_text_of_who_was_erased_is_not_kept(crm: &Crm) {
    let more = json!({ "stage": "agreement", "reason": "Zq asks again" });
    crm.patch("/api/v1/sales/1/stage", more).await.good();
    // Another process may hold the key for five more seconds.
    let gone = eventually(async || {
        let timeline = crm.get("/api/v1/sales/1/timeline").await.good();
        !timeline.to_string().contains("Zq")
    });
    assert!(gone.await, "what was written later is kept");
}
