//! Where the vault of keys is: told by a setting, and never made beside a log that others share.

use std::process::Command;

use stories::servers::Folder;

#[test]
fn a_process_of_a_cluster_makes_no_vault_of_its_own() {
    let folder = Folder::new("vaults");
    for command in [&["serve", "--role", "commands"][..], &["keys", "list"]] {
        let mut rapport = Command::new(env!("CARGO_BIN_EXE_rapport"));
        rapport.env_clear().current_dir(folder.path()).args(command);
        rapport.env("NATS_URL", "nats://127.0.0.1:1");
        rapport.env("RAPPORT_MASTER_KEY", "5a".repeat(32));
        let output = rapport.output().unwrap();
        let refusal = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && refusal.contains("set DATABASE_URL to postgres://"),
            "{refusal}"
        );
    }
    assert!(!folder.path().join("data/vault.db").exists());
}
