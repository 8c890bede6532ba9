//! The rules of `ops/deploy/rapport-alerts.yml`, as Prometheus understands them.

use std::path::Path;
use std::process::Command;

use stories::servers::promtool;

fn promtool_says(arguments: &[&str]) -> String {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let mut command = Command::new(promtool());
    let done = command
        .current_dir(deploy)
        .args(arguments)
        .output()
        .unwrap();
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(done.status.success(), "promtool {arguments:?}: {said}");
    said
}

#[test]
fn prometheus_takes_every_rule() {
    let said = promtool_says(&["check", "rules", "rapport-alerts.yml"]);
    assert!(said.contains("rules found"), "{said}");
}

#[test]
fn alerts_fire_on_what_they_are_for_and_on_nothing_else() {
    promtool_says(&["test", "rules", "rapport-alerts.test.yml"]);
}
