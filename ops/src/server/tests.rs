//! What is reviewed as a difference: the API's description, and who may call what.

use std::fmt::Write as _;
use std::path::Path;

use axum::http::Method;
use commands::http::access::{Table, is_public, operations};

use super::describe;

#[tokio::test]
async fn the_api_is_described_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/openapi.json");
    let text = format!("{}\n", describe().await.unwrap().to_pretty_json().unwrap());
    if std::env::var_os("RAPPORT_WRITE_SCHEMAS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "schemas/openapi.json is not what the code says: run `just schemas` and review the difference"
    );
}

#[tokio::test]
async fn every_route_says_who_may_call_it() {
    let mut description = describe().await.unwrap();
    let table = Table::of(&mut description).unwrap();
    let mut told = String::new();
    for (path, item) in &mut description.paths.paths {
        for (method, _) in operations(item) {
            let needed = table.get(&method, path).unwrap();
            let forms = if needed.form { ", form" } else { "" };
            let role = needed.least.as_str();
            writeln!(told, "{role:<9} {method:<6} {path}{forms}").unwrap();
        }
    }
    for path in ["/health", "/ready", "/metrics", "/openapi.json", "/docs/"] {
        assert!(is_public(&Method::GET, path));
        writeln!(told, "everybody GET    {path}").unwrap();
    }
    insta::assert_snapshot!("routes", told);
}
