//! `rapport keys`: API keys, and the keys of personal data.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::Context as _;
use domain::id::KeyId;
use journal::vault::Row;

use crate::system::tools::Tools;
use crate::{cli, master};

/// Does what was typed.
pub async fn run(command: cli::Keys) -> anyhow::Result<()> {
    match command {
        cli::Keys::Create { name, role, plain } => {
            let tools = Tools::open(&plain.settings).await?;
            let key = tools.keys().create(&name, role, &tools.origin()).await?;
            if plain.json {
                println!(
                    "{}",
                    serde_json::json!({ "id": key.id, "key": key.secret, "role": role })
                );
            } else {
                println!("{}", key.secret);
                eprintln!("Key {} ({role}) is shown this once; keep it.", key.id);
            }
        }
        cli::Keys::List(plain) => {
            let tools = Tools::open(&plain.settings).await?;
            let keys = tools.keys().list(&plain.settings.workspace).await?;
            if plain.json {
                println!("{}", serde_json::to_string(&keys)?);
            }
            for key in keys.iter().filter(|_| !plain.json) {
                let revoked = if key.revoked { "  revoked" } else { "" };
                println!(
                    "{:>4}  {:<8}  {}{revoked}",
                    key.id.0,
                    key.role.as_str(),
                    key.name
                );
            }
        }
        cli::Keys::Rotate(plain) => {
            let count = master::rotate(&plain.settings).await?;
            println!(
                "{count} keys are wrapped with the new master key; the old one opens nothing any more."
            );
        }
        cli::Keys::Export { file, plain } => {
            let keys = master::open_vault(&plain.settings).await?.export().await?;
            let out = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&file);
            let out = out.with_context(|| format!("{} must be a new file", file.display()))?;
            serde_json::to_writer(out, &keys)?;
            eprintln!(
                "{} keys. Whoever has them and the master key reads what they seal; what is erased later, too.",
                keys.len()
            );
        }
        cli::Keys::Import { file, plain } => {
            let text = std::fs::read(&file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let keys: Vec<Row> = serde_json::from_slice(&text)
                .with_context(|| format!("{} holds no keys", file.display()))?;
            master::open_vault(&plain.settings)
                .await?
                .import(&keys)
                .await?;
            eprintln!("{} keys.", keys.len());
        }
        cli::Keys::Revoke { id, plain } => {
            let tools = Tools::open(&plain.settings).await?;
            tools.keys().revoke(KeyId(id), &tools.origin()).await?;
            println!("Key {id} opens nothing any more.");
        }
    }
    Ok(())
}
