//! `events export` and `events import`: the log to a file and back, byte for byte.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, anyhow};
use journal::Journal;
use journal::entry::Entry;
use journal::line;
use journal::position::Position;

use crate::cli::Plain;
use crate::progress::bar;
use crate::system::tools::Tools;

const BATCH: usize = 1024;

/// Writes every commit, one a line, in log order.
pub(super) async fn export(file: &Path, plain: &Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    let heads = tools.journal.heads().await?;
    let mut out: Box<dyn Write> = match file {
        stdout if stdout == Path::new("-") => Box::new(std::io::stdout().lock()),
        path => Box::new(BufWriter::new(
            File::create_new(path)
                .with_context(|| format!("{} must be a new file", path.display()))?,
        )),
    };
    write(&tools.journal, &heads, &mut out, "export", |_| {}).await
}

/// Writes every commit up to these heads, and shows each to `seen`.
pub async fn write(
    journal: &Journal,
    heads: &[Position],
    out: &mut impl Write,
    what: &'static str,
    mut seen: impl FnMut(&Entry),
) -> anyhow::Result<()> {
    let bar = bar(what, heads.iter().map(|head| head.sequence).sum());
    for head in heads {
        let mut after = 0;
        while after < head.sequence {
            let left = usize::try_from(head.sequence - after).unwrap_or(BATCH);
            let batch = journal
                .read_sealed(head.partition, after, left.min(BATCH))
                .await?;
            let Some(last) = batch.last() else { break };
            after = last.position().sequence;
            bar.inc(batch.len() as u64);
            for entry in batch {
                seen(&entry);
                writeln!(out, "{}", line::write(&entry)?)?;
            }
        }
    }
    out.flush()?;
    bar.finish_and_clear();
    Ok(())
}

/// Appends the commits of a file. What is there already, by its id, is passed over, so an
/// import that was interrupted is simply begun again.
pub(super) async fn import(file: &Path, plain: &Plain) -> anyhow::Result<()> {
    let tools = Tools::open(&plain.settings).await?;
    append(&tools.journal, file).await
}

/// Appends the commits of a file to a log.
pub async fn append(journal: &Journal, file: &Path) -> anyhow::Result<()> {
    let lines = BufReader::new(
        File::open(file).with_context(|| format!("{} cannot be read", file.display()))?,
    );
    let bar = bar("import", 0);
    let (mut streams, mut unreadable): (HashMap<_, u64>, u64) = (HashMap::new(), 0);
    for (number, line) in (1_u64..).zip(lines.lines()) {
        let read = line::read(&line?).map_err(|reason| {
            anyhow!("line {number} was not written by rapport events export: {reason}")
        })?;
        bar.inc(1);
        // What was never part of its stream is not carried on; what nobody can read keeps its place.
        unreadable += u64::from(read.commit.is_none());
        if read.passed_over {
            continue;
        }
        let stream = read.sealed.stream.clone();
        let last = streams.get(&stream).copied().unwrap_or(0);
        let position = journal.append(read.sealed, last).await;
        let position = position.with_context(|| {
            format!("line {number}: {stream} has other commits here; import into an empty log")
        })?;
        streams.insert(stream, position.sequence);
    }
    bar.finish();
    if unreadable > 0 {
        eprintln!("{unreadable} lines hold what cannot be read: rapport events verify names it.");
    }
    Ok(())
}
