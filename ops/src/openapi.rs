//! `rapport openapi`: the HTTP API, described.

/// Prints it.
pub async fn print() -> anyhow::Result<()> {
    println!("{}", crate::server::describe().await?.to_pretty_json()?);
    Ok(())
}
