//! What ops do with the log: export and import, rebuild, tail.

use serde_json::json;
use stories::crm::Crm;

stories::on_both_profiles!(
    a_read_model_is_rebuilt_while_reads_go_on,
    everything_moves_to_a_new_log
);

async fn a_read_model_is_rebuilt_while_reads_go_on(crm: Crm) {
    for _ in 0..20 {
        crm.given_a_lead_in(&["contacted"]).await;
    }
    let before = crm.get("/api/v1/leads").await.good();
    for name in ["leads", "funnel"] {
        let told = crm.cli_good(&["projections", "rebuild", name]);
        assert!(told.contains("generation 2"), "{told}");
    }
    assert_eq!(crm.get("/api/v1/leads").await.good(), before);
    crm.given_a_lead().await;
    assert_eq!(
        crm.get("/api/v1/dashboard").await.good()["total_leads"],
        21,
        "it goes on in the new tables"
    );
    assert_eq!(
        crm.get("/api/v1/dashboard/conversion-funnel").await.good()["total"],
        21
    );
    let list = crm.cli_good(&["projections", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let generations = list.as_array().unwrap().iter().map(|known| {
        (
            known["name"].as_str().unwrap(),
            known["generation"].as_u64().unwrap(),
        )
    });
    assert_eq!(
        generations.collect::<Vec<_>>(),
        [
            ("contact_addresses", 1),
            ("contacts", 1),
            ("deliveries", 1),
            ("due", 1),
            ("funnel", 2),
            ("leads", 2),
            ("pipelines", 1),
            ("reports", 1),
            ("sales", 1),
            ("webhooks", 1)
        ]
    );
    let unknown = crm.cli(&["projections", "rebuild", "weather"]);
    assert!(
        String::from_utf8_lossy(&unknown.stderr)
            .contains("there are leads, sales, contacts, funnel")
    );
}

async fn everything_moves_to_a_new_log(crm: Crm) {
    crm.given_a_transferred_lead(10).await;
    crm.post("/api/v1/contacts", json!({ "name": "Olena" }))
        .await
        .good();
    crm.cli_good(&["events", "export", "log.jsonl"]);
    crm.cli_good(&["keys", "export", "keys.json"]);
    let exported = std::fs::read_to_string(crm.folder().join("log.jsonl")).unwrap();
    // Into an embedded log, whichever the first one was: a file is all that an empty folder has.
    let (log, keys) = (
        crm.folder().join("log.jsonl"),
        crm.folder().join("keys.json"),
    );
    let mut other = Crm::embedded_from(&log, &keys, &crm.master_key()).await;
    assert_eq!(
        other.get("/api/v1/contacts/1").await.good()["name"],
        "Olena",
        "with the keys that open it"
    );
    let moved = other.cli_good(&["events", "export", "-"]);
    assert!(
        moved.starts_with(&exported),
        "byte for byte, before what came after"
    );
    assert_eq!(
        other.get("/api/v1/leads/1").await.good(),
        crm.get("/api/v1/leads/1").await.good()
    );
    assert_eq!(
        other.get("/api/v1/dashboard").await.good(),
        crm.get("/api/v1/dashboard").await.good()
    );
    let shown = other.cli_good(&["events", "show", "lead", "1"]);
    assert_eq!(shown.lines().count(), 5, "{shown}");
    for import in [
        ["keys", "import", "keys.json"],
        ["events", "import", "log.jsonl"],
    ] {
        let used = other.cli(&import);
        assert!(String::from_utf8_lossy(&used.stderr).contains("another rapport runs on data"));
    }
    assert!(other.last().stop());
    let again = other.cli_good(&["events", "import", "log.jsonl"]);
    assert!(again.is_empty(), "what is there already is passed over");
}
