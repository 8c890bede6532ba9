//! Rules backtested on history, which is left as it is.

use serde_json::{Value, json};
use stories::crm::Crm;

stories::on_both_profiles!(another_rule_is_tried_on_the_leads_that_there_were);

async fn another_rule_is_tried_on_the_leads_that_there_were(crm: Crm) {
    crm.given_a_transferred_lead(5).await;
    crm.move_along("sales/1", &["kyc", "agreement", "paid"])
        .await;
    crm.given_a_lead().await;
    let scanned = json!({ "source": "scanner", "business_domain": "second" });
    let scanned = crm.post("/api/v1/leads", scanned).await.good()["id"].clone();
    crm.move_along(&format!("leads/{scanned}"), &["contacted", "qualified"])
        .await;
    let before = crm.cli_good(&["events", "export", "-"]);

    let rules = crm.cli_good(&["backtest", "rules"]);
    let mut rules: Value = serde_json::from_str(&rules).unwrap();
    rules["source"]["scanner"] = json!(0.25);
    std::fs::write(crm.folder().join("rules.json"), rules.to_string()).unwrap();
    let told = crm.cli_good(&["backtest", "scoring", "--rules", "rules.json", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let figures = |of: &str| {
        [
            "came_in",
            "contacted",
            "qualified",
            "ready",
            "transferred",
            "paid",
            "paid_and_ready",
        ]
        .map(|name| told[of][name].as_u64().unwrap())
    };
    assert_eq!(figures("today"), [3, 2, 2, 1, 1, 1, 1]);
    assert_eq!(
        figures("rules"),
        [3, 2, 2, 2, 1, 1, 1],
        "the scanned lead would have been ready too"
    );
    let shown = crm.cli_good(&[
        "backtest",
        "scoring",
        "--rules",
        "rules.json",
        "--to",
        "2001-01-01",
    ]);
    assert!(
        shown.contains("came in                                         0          0"),
        "{shown}"
    );

    std::fs::write(crm.folder().join("rules.json"), r#"{"sauce": 1}"#).unwrap();
    let wrong = crm.cli(&["backtest", "scoring", "--rules", "rules.json"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("unknown field `sauce`"));
    assert_eq!(
        crm.cli_good(&["events", "export", "-"]),
        before,
        "nothing was touched"
    );
}
