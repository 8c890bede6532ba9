//! `rapport keys`: API keys, and the keys of personal data.

mod import;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

use anyhow::Context as _;
use domain::id::KeyId;

use commands::clock::Clock;
use commands::vault;

use crate::system::tools::{Mending, Tools};
use crate::{cli, master};

/// Does what was typed.
pub async fn run(command: cli::Keys) -> anyhow::Result<()> {
    match command {
        cli::Keys::Create { name, role, plain } => {
            let tools = Tools::begin(&plain.settings).await?;
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
        cli::Keys::Import(ask) => import::run(ask).await?,
        cli::Keys::Verify {
            accept_missing,
            plain,
        } => verify(accept_missing, &plain).await?,
        cli::Keys::Revoke { id, plain } => {
            let tools = Tools::open(&plain.settings).await?;
            tools.keys().revoke(KeyId(id), &tools.origin()).await?;
            println!("Key {id} opens nothing any more.");
        }
    }
    Ok(())
}

/// Reads the whole log, and tells whose keys the vault lacks.
async fn verify(accept_missing: bool, plain: &cli::Plain) -> anyhow::Result<()> {
    let place = Mending::open(&plain.settings).await?;
    let tools = place.tools.context("there is no log here")?;
    let journal = &tools.journal;
    let survey = vault::Survey::of(journal, |_| 0).await?;
    anyhow::ensure!(
        place.vault.is_made() || !survey.names_somebody(),
        vault::VaultRefusal::Gone
    );
    let (missing, lost) = (survey.unknown(journal).await?, place.vault.lost().await?);
    if missing.is_empty() {
        let now = Clock::System.now();
        drop(vault::check(journal, now, true).await?);
        println!(
            "The vault has the key of everybody whom the log names, but for {} that were given up.",
            lost.len()
        );
        return Ok(());
    }
    anyhow::ensure!(accept_missing, vault::VaultRefusal::Older(missing));
    vault::adopt(journal, &survey, true, Clock::System.now()).await?;
    println!(
        "The keys of {} are given up: what they seal cannot be read, unless rapport keys import brings \
         them back.",
        vault::named(&missing)
    );
    Ok(())
}
