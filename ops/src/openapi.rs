//! `rapport openapi`: the HTTP API, described.

/// Prints it.
pub fn print() -> anyhow::Result<()> {
    println!("{}", crate::server::describe().to_pretty_json()?);
    Ok(())
}
