//! `rapport keys`: make, list and revoke API keys.

use domain::id::KeyId;

use crate::cli;
use crate::system::Tools;

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
            let count = crate::master::rotate(&plain.settings).await?;
            println!(
                "{count} keys are wrapped with the new master key; the old one opens nothing any more."
            );
        }
        cli::Keys::Revoke { id, plain } => {
            let tools = Tools::open(&plain.settings).await?;
            tools.keys().revoke(KeyId(id), &tools.origin()).await?;
            println!("Key {id} opens nothing any more.");
        }
    }
    Ok(())
}
