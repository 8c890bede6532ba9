//! `events quarantine`: what nobody can read any more is passed over by every reader from now on.

use anyhow::{Context as _, ensure};
use commands::origin::Origin;
use domain::quarantine::{PassOver, Quarantine, QuarantineId};
use journal::entry::Entry;
use journal::position::Position;
use journal::quarantine::WORKSPACE;
use journal::token::Token;

use crate::cli::Plain;
use crate::system::tools::Tools;

/// Puts a position into quarantine. What can be read is refused: it is nobody's to take out.
pub(super) async fn run(position: Position, plain: &Plain) -> anyhow::Result<()> {
    ensure!(position.sequence > 0, "a position looks like 0:1234");
    let tools = Tools::open(&plain.settings).await?;
    let there = tools
        .journal
        .read(position.partition, position.sequence - 1, 1)
        .await?;
    let there = there.first().filter(|entry| entry.position() == position);
    let reason = match there.with_context(|| format!("the log has nothing at {position}"))? {
        Entry::Commit(_) => anyhow::bail!("{position} can be read: there is nothing to mend"),
        Entry::Unreadable(unreadable) if unreadable.fault.is_passed_over() => {
            anyhow::bail!("{position} is passed over already: {}", unreadable.fault)
        }
        Entry::Unreadable(unreadable) => unreadable.fault.to_string(),
    };
    let stream = there.and_then(Entry::stream);
    let command = PassOver {
        position: position.to_string(),
        reason,
    };
    let origin = Origin::new(Token::try_new(WORKSPACE)?, "cli");
    let done = tools
        .desk()
        .send::<Quarantine>(QuarantineId::Log, command, &origin)
        .await?;
    if plain.json {
        println!(
            "{}",
            serde_json::json!({ "quarantined": position.to_string(), "position": done.position().to_string() })
        );
        return Ok(());
    }
    let stream = stream.map_or_else(|| "its stream".to_owned(), |stream| stream.to_string());
    println!("{position} is passed over from now on, and {stream} goes on without it.");
    println!(
        "Restart the processes, and rebuild what it is parked in: rapport projections list names that."
    );
    Ok(())
}
