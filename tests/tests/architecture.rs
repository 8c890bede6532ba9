//! A crate uses only those before it.

use std::process::Command;

use serde_json::Value;

const ORDER: [&str; 8] = [
    "domain",
    "schemas",
    "journal",
    "commands",
    "projections",
    "gateways",
    "bot",
    "ops",
];

#[test]
fn arrows_between_crates_point_one_way() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let metadata = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tells what depends on what");
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    let rank = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut seen = 0;
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(own) = rank(name) else {
            assert_eq!(
                name, "stories",
                "where does the crate {name} stand? Add it to ORDER"
            );
            continue;
        };
        seen += 1;
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        for used in dependencies.filter(|dependency| dependency["kind"] != "dev") {
            let used = used["name"].as_str().unwrap();
            assert_ne!(used, "stories", "{name} uses the tests");
            assert!(
                rank(used).is_none_or(|used| used < own),
                "{name} must not use {used}"
            );
        }
    }
    assert!(seen >= 7, "only {seen} crates were looked at");
}
