//! What a pipeline decides, how facts change it, and why it refuses.

mod undo;

#[cfg(test)]
mod tests;

use cqrs_es::Aggregate;
use serde::{Deserialize, Serialize};

use super::command::PipelineCommand;
use super::event::PipelineEvent;
use super::table::{BadTable, Stage, Table};
use super::{PipelineId, StageKey, built_in};
use crate::event::{Decide, decided};
use crate::id::Keyed;
use crate::text::{self, BadText};

/// The longest name of a pipeline or a stage, in characters.
pub const MAX_NAME: usize = 100;

/// A pipeline as its events made it; the default one was neither declared nor changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    pub declared: Option<Table>,
}

/// Why a pipeline refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PipelineError {
    #[error("There is no pipeline '{0}'; GET /api/v1/pipelines lists them")]
    NotFound(PipelineId),
    #[error("There is a pipeline '{0}' already; PATCH it, or choose another key")]
    Exists(PipelineId),
    #[error("This pipeline has no stage '{0}'")]
    NoStage(StageKey),
    #[error("name {0}")]
    BadName(BadText),
    #[error(transparent)]
    BadTable(#[from] BadTable),
    #[error("stages must name every stage of the pipeline once: {all}")]
    NotAll {
        /// Every key.
        all: String,
    },
}

impl Pipeline {
    /// How the pipeline stands, as it was declared or is built in.
    #[must_use]
    pub fn table(&self, key: PipelineId) -> Option<Table> {
        self.declared.clone().or_else(|| built_in::table(key))
    }
}

impl Decide for Pipeline {
    const STATE: u32 = 1;

    fn decide(&self, command: PipelineCommand) -> Result<Vec<PipelineEvent>, PipelineError> {
        match command {
            PipelineCommand::Open {
                key,
                kind,
                name,
                won_by,
                stages,
            } => {
                if self.table(key).is_some() {
                    return Err(PipelineError::Exists(key));
                }
                let table = Table {
                    key,
                    kind,
                    name: named(&name)?,
                    won_by,
                    stages: stages.into_iter().map(tidy).collect::<Result<_, _>>()?,
                    retired: false,
                };
                table.check()?;
                Ok(vec![opened(table)])
            }
            PipelineCommand::Change { key, name, retired } => {
                self.changing(key, |table| change(table, name.as_deref(), retired))
            }
            PipelineCommand::AddStage {
                key,
                stage,
                before,
                from,
            } => self.changing(key, |table| add(table, stage, before, from)),
            PipelineCommand::ChangeStage {
                key,
                stage,
                name,
                next,
                retired,
            } => self.changing(key, |table| {
                change_stage(table, stage, name.as_deref(), next, retired)
            }),
            PipelineCommand::Reorder { key, stages } => {
                self.changing(key, |table| reorder(table, stages))
            }
            PipelineCommand::Compensate { events } => Ok(events),
        }
    }
}

impl Pipeline {
    /// A change of what is there; of a pipeline that is built in, its first one says how it stood.
    fn changing(
        &self,
        key: PipelineId,
        change: impl FnOnce(&Table) -> Result<Vec<PipelineEvent>, PipelineError>,
    ) -> Result<Vec<PipelineEvent>, PipelineError> {
        let table = self.table(key).ok_or(PipelineError::NotFound(key))?;
        let events = change(&table)?;
        let mut after = Self {
            declared: Some(table.clone()),
        };
        for event in &events {
            after.apply(event.clone());
        }
        after.declared.as_ref().map_or(Ok(()), Table::check)?;
        let first = self.declared.is_none() && !events.is_empty();
        let first = first.then(|| opened(table));
        Ok(first.into_iter().chain(events).collect())
    }
}

fn opened(table: Table) -> PipelineEvent {
    PipelineEvent::Opened {
        key: table.key,
        kind: table.kind,
        name: table.name,
        won_by: table.won_by,
        stages: table.stages,
    }
}

fn named(name: &str) -> Result<String, PipelineError> {
    text::required_line(name, MAX_NAME).map_err(PipelineError::BadName)
}

/// A stage with its name in one spelling and each step once.
fn tidy(mut stage: Stage) -> Result<Stage, PipelineError> {
    stage.name = named(&stage.name)?;
    stage.next = once(stage.next);
    Ok(stage)
}

fn once(keys: Vec<StageKey>) -> Vec<StageKey> {
    let mut seen = Vec::with_capacity(keys.len());
    for key in keys {
        if !seen.contains(&key) {
            seen.push(key);
        }
    }
    seen
}

fn change(
    table: &Table,
    name: Option<&str>,
    retired: Option<bool>,
) -> Result<Vec<PipelineEvent>, PipelineError> {
    let name = name.map(named).transpose()?;
    let renamed = name.filter(|to| *to != table.name);
    let renamed = renamed.map(|to| PipelineEvent::Renamed {
        from: table.name.clone(),
        to,
    });
    let switched = retired.filter(|retired| *retired != table.retired);
    let switched = switched.map(|retired| {
        if retired {
            PipelineEvent::Retired {}
        } else {
            PipelineEvent::Restored {}
        }
    });
    Ok(renamed.into_iter().chain(switched).collect())
}

fn add(
    table: &Table,
    stage: Stage,
    before: Option<StageKey>,
    from: Vec<StageKey>,
) -> Result<Vec<PipelineEvent>, PipelineError> {
    let from = once(from);
    if let Some(unknown) = from.iter().find(|key| table.stage(**key).is_none()) {
        return Err(PipelineError::NoStage(*unknown));
    }
    let place = match before {
        None => table.stages.len(),
        Some(key) => {
            let found = table.stages.iter().position(|stage| stage.key == key);
            found.ok_or(PipelineError::NoStage(key))?
        }
    };
    Ok(vec![PipelineEvent::StageAdded {
        stage: tidy(stage)?,
        place: u32::try_from(place).unwrap_or(u32::MAX),
        from,
    }])
}

fn change_stage(
    table: &Table,
    key: StageKey,
    name: Option<&str>,
    next: Option<Vec<StageKey>>,
    retired: Option<bool>,
) -> Result<Vec<PipelineEvent>, PipelineError> {
    let now = table.stage(key).ok_or(PipelineError::NoStage(key))?;
    let name = name.map(named).transpose()?;
    let renamed = name
        .filter(|to| *to != now.name)
        .map(|to| PipelineEvent::StageRenamed {
            stage: key,
            from: now.name.clone(),
            to,
        });
    let steps = next.map(once).filter(|to| *to != now.next);
    let steps = steps.map(|to| PipelineEvent::StepsChanged {
        stage: key,
        from: now.next.clone(),
        to,
    });
    let switched = retired.filter(|retired| *retired != now.retired);
    let switched = switched.map(|retired| {
        if retired {
            PipelineEvent::StageRetired { stage: key }
        } else {
            PipelineEvent::StageRestored { stage: key }
        }
    });
    Ok(renamed.into_iter().chain(steps).chain(switched).collect())
}

fn reorder(table: &Table, to: Vec<StageKey>) -> Result<Vec<PipelineEvent>, PipelineError> {
    let from: Vec<_> = table.stages.iter().map(|stage| stage.key).collect();
    let (mut known, mut asked) = (from.clone(), to.clone());
    known.sort_unstable();
    asked.sort_unstable();
    if known != asked {
        let all: Vec<_> = from.iter().map(StageKey::as_str).collect();
        let all = all.join(", ");
        return Err(PipelineError::NotAll { all });
    }
    let reordered = PipelineEvent::Reordered { from, to };
    let is_change = !matches!(&reordered, PipelineEvent::Reordered { from, to } if from == to);
    Ok(is_change.then_some(reordered).into_iter().collect())
}

impl Aggregate for Pipeline {
    const TYPE: &'static str = "pipeline";
    type Command = PipelineCommand;
    type Event = PipelineEvent;
    type Error = PipelineError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: PipelineEvent) {
        if let PipelineEvent::Opened {
            key,
            kind,
            name,
            won_by,
            stages,
        } = event
        {
            self.declared = Some(Table {
                key,
                kind,
                name,
                won_by,
                stages,
                retired: false,
            });
        } else if let Some(table) = &mut self.declared {
            table.apply(event);
        }
    }
}

impl Table {
    fn apply(&mut self, event: PipelineEvent) {
        match event {
            PipelineEvent::Opened { .. } => {}
            PipelineEvent::Renamed { to, .. } => self.name = to,
            PipelineEvent::StageAdded { stage, place, from } => {
                for key in from {
                    self.change(key, |before| before.next.push(stage.key));
                }
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                self.stages.insert(place.min(self.stages.len()), stage);
            }
            PipelineEvent::StageRenamed { stage, to, .. } => {
                self.change(stage, |stage| stage.name = to);
            }
            PipelineEvent::StepsChanged { stage, to, .. } => {
                self.change(stage, |stage| stage.next = to);
            }
            PipelineEvent::Reordered { to, .. } => {
                let place = |stage: &Stage| to.iter().position(|key| *key == stage.key);
                self.stages
                    .sort_by_key(|stage| place(stage).unwrap_or(to.len()));
            }
            PipelineEvent::StageRetired { stage } => {
                self.change(stage, |stage| stage.retired = true);
            }
            PipelineEvent::StageRestored { stage } => {
                self.change(stage, |stage| stage.retired = false);
            }
            PipelineEvent::Retired {} => self.retired = true,
            PipelineEvent::Restored {} => self.retired = false,
        }
    }

    fn change(&mut self, key: StageKey, change: impl FnOnce(&mut Stage)) {
        if let Some(stage) = self.stages.iter_mut().find(|stage| stage.key == key) {
            change(stage);
        }
    }
}

impl Keyed for Pipeline {
    type Id = PipelineId;
}
