//! `events export` and `events import`: the log to a file and back, byte for byte.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Lines, Write};
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use commands::clock::Clock;
use commands::idempotency;
use commands::people::People;
use commands::vault;
use domain::vault::Bind;
use journal::entry::Entry;
use journal::envelope::CommitHash;
use journal::line;
use journal::position::Position;
use journal::token::{StreamId, Token};
use journal::vault::Vault;
use journal::{Journal, failpoint};

use crate::cli::Plain;
use crate::master;
use crate::progress::bar;
use crate::system::tools::{Filling, Tools};
use crate::unfinished::Unfinished;

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

/// Appends the commits of a file, whose keys must be here already. What is there, by its id, is passed
/// over, so an import that was interrupted is simply begun again.
pub(super) async fn import(file: &Path, plain: &Plain) -> anyhow::Result<()> {
    let settings = &plain.settings;
    let sealed = read_through(file)?;
    if sealed.names_somebody() {
        ensure!(
            master::place(settings)?.has_vault().await?,
            "this log names people, and there is no vault with their keys: rapport keys import them first \
             (rapport keys export writes them where the log is from)"
        );
    }
    let importing = Unfinished {
        what: "an import of a log".into(),
        go_on: format!("rapport events import {}", file.display()),
    };
    let target = Filling::open(settings, &importing).await?;
    let journal = &target.tools.journal;
    fits(journal.vault(), &sealed).await?;
    if !target.goes_on {
        begins_alike(journal, file).await?;
    }
    importing.begin(journal.vault()).await?;
    journal.vault().make().await?;
    append(journal, file, |_, _| {}).await?;
    failpoint::reach("import.appended");
    let survey = vault::Survey::of(journal, |_| 0).await?;
    vault::adopt(journal, &survey, false, Clock::System.now()).await?;
    idempotency::remember(journal, Clock::System.now()).await?;
    Ok(journal.vault().finished().await?)
}

/// What a file says of keys.
struct SealedLog {
    people: People,
    bound: Option<Bind>,
}

impl SealedLog {
    fn names_somebody(&self) -> bool {
        self.bound.is_some() || !self.people.is_empty()
    }
}

fn read_through(file: &Path) -> anyhow::Result<SealedLog> {
    let (mut people, mut bound) = (People::default(), None);
    for (number, line) in (1_u64..).zip(lines(file)?) {
        let read = line::read(&line?).map_err(|reason| {
            anyhow!("line {number} was not written by rapport events export: {reason}")
        })?;
        people.see_line(&read);
        bound = read.commit.as_ref().and_then(vault::bound_by).or(bound);
    }
    Ok(SealedLog { people, bound })
}

/// Refuses a vault that is not the one that the file was sealed with, or that lacks a key.
async fn fits(keys: &Vault, sealed: &SealedLog) -> anyhow::Result<()> {
    if !sealed.names_somebody() {
        return Ok(());
    }
    if let Some(bound) = &sealed.bound {
        let ours = keys.identity().await?;
        ensure!(
            bound.vault == ours,
            "this log was sealed with the keys of {}, and the vault here is {ours}: import into an empty \
             place, where rapport keys import has brought its keys first",
            bound.vault
        );
    }
    let unknown = keys.unknown(&sealed.people.living()).await?;
    ensure!(
        unknown.is_empty(),
        "the vault here lacks the keys of {}: rapport keys import those of this log first",
        vault::named(&unknown)
    );
    Ok(())
}

fn lines(file: &Path) -> anyhow::Result<Lines<BufReader<File>>> {
    let file = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(BufReader::new(file).lines())
}

/// Refuses a log that holds something else, before anything is touched.
async fn begins_alike(journal: &Journal, file: &Path) -> anyhow::Result<()> {
    let mut there = There::of(journal).await?;
    if there.is_empty() {
        return Ok(());
    }
    for (number, line) in (1_u64..).zip(lines(file)?) {
        let read = line::read(&line?).map_err(|reason| {
            anyhow!("line {number} was not written by rapport events export: {reason}")
        })?;
        if read.passed_over {
            continue;
        }
        let found = there.next(journal, &read.sealed.stream).await?;
        ensure!(
            found.is_none_or(|(_, hash)| hash == read.sealed.hash),
            "line {number}: another commit stands in its place here; import into an empty log"
        );
    }
    Ok(())
}

/// Appends the commits of a file to a log, and shows the workspace of each to `stands`, with its
/// position where it is carried on.
pub async fn append(
    journal: &Journal,
    file: &Path,
    mut stands: impl FnMut(&Token, Option<Position>),
) -> anyhow::Result<()> {
    let bar = bar("import", 0);
    let (mut streams, mut unreadable): (HashMap<_, u64>, u64) = (HashMap::new(), 0);
    let mut there = There::of(journal).await?;
    for (number, line) in (1_u64..).zip(lines(file)?) {
        let read = line::read(&line?).map_err(|reason| {
            anyhow!("line {number} was not written by rapport events export: {reason}")
        })?;
        bar.inc(1);
        // What was never part of its stream is not carried on; what nobody can read keeps its place.
        unreadable += u64::from(read.commit.is_none());
        let stream = read.sealed.stream.clone();
        if read.passed_over {
            stands(&stream.workspace, None);
            continue;
        }
        let last = streams.get(&stream).copied().unwrap_or(0);
        let position = match there.next(journal, &stream).await? {
            Some((position, hash)) if hash == read.sealed.hash => position,
            Some((position, _)) => anyhow::bail!(
                "line {number}: another commit stands at {position} here; import into an empty log"
            ),
            None => journal.append(read.sealed, last).await.with_context(|| {
                format!("line {number}: {stream} has other commits here; import into an empty log")
            })?,
        };
        stands(&stream.workspace, Some(position));
        streams.insert(stream, position.sequence);
        failpoint::reach("import.commit");
    }
    bar.finish();
    if unreadable > 0 {
        eprintln!("{unreadable} lines hold what cannot be read: rapport events verify names it.");
    }
    Ok(())
}

/// What is there already, as an import or a restore that was interrupted left it.
struct There {
    partitions: Vec<Partition>,
}

/// A partition, read in the order in which it was filled.
struct Partition {
    head: Position,
    after: u64,
    read: VecDeque<(Position, CommitHash)>,
}

impl There {
    async fn of(journal: &Journal) -> anyhow::Result<Self> {
        let heads = journal.heads().await?;
        let partition = |head| Partition {
            head,
            after: 0,
            read: VecDeque::new(),
        };
        Ok(Self {
            partitions: heads.into_iter().map(partition).collect(),
        })
    }

    fn is_empty(&self) -> bool {
        let mut heads = self.partitions.iter().map(|partition| partition.head);
        heads.all(|head| head.sequence == 0)
    }

    /// The next commit that is there, of the partition in which this stream is.
    async fn next(
        &mut self,
        journal: &Journal,
        stream: &StreamId,
    ) -> anyhow::Result<Option<(Position, CommitHash)>> {
        let number = journal.partition(&stream.workspace);
        let partition = self.partitions.get_mut(usize::from(number));
        let partition = partition.context("the log has no such partition")?;
        if partition.read.is_empty() && partition.after < partition.head.sequence {
            let batch = journal.read_sealed(number, partition.after, BATCH).await?;
            let end = batch.last().map(|last| last.position().sequence);
            partition.after = end.unwrap_or(partition.head.sequence);
            let hashes = batch.iter().map(|entry| (entry.position(), entry.hash()));
            partition.read.extend(hashes);
        }
        Ok(partition.read.pop_front())
    }
}
