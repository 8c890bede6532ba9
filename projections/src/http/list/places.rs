//! Stages and pipelines that are asked for, as the words of places.

use commands::http::problem::Problem;
use domain::pipeline::table::{Kind, Table};

use super::values;
use crate::columns::{Listed, Role, Words};
use crate::pipelines;
use crate::question::Question;

/// Where records are asked for that stand there.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) stage: Option<String>,
    pub(super) pipeline: Option<String>,
}

/// The column of places that a screen has, and of which kind.
pub(super) fn column<P: Listed>() -> Option<(&'static str, Kind)> {
    P::LISTED_BY
        .iter()
        .find_map(|column| match column.kept.role {
            Role::Choice(Words::Places(kind)) => Some((column.kept.name, kind)),
            Role::Choice(Words::Fixed(_)) | Role::Filter | Role::Key | Role::Order(_) => None,
        })
}

impl Asked {
    pub(super) const fn is_asked(&self) -> bool {
        self.stage.is_some() || self.pipeline.is_some()
    }

    /// Says in a question which places there are, and which of them are wanted.
    pub(super) fn narrow(
        &self,
        question: &mut Question,
        column: &'static str,
        tables: &[Table],
    ) -> Result<(), Problem> {
        question.places = tables.iter().flat_map(pipelines::words).collect();
        if !self.is_asked() {
            return Ok(());
        }
        let followed = match &self.pipeline {
            Some(wanted) => std::slice::from_ref(pipelines::named(tables, wanted)?),
            None => tables,
        };
        let stages = followed.iter().flat_map(|table| {
            let keys = table.stages.iter().map(|stage| stage.key);
            keys.map(move |stage| (table.key, stage))
        });
        let wanted = match &self.stage {
            Some(text) => Some(values::word("stage", text, &known(followed))?),
            None => None,
        };
        let stages = stages.filter(|(_, stage)| wanted.is_none_or(|key| key == stage.as_str()));
        let words = stages.map(|(pipeline, stage)| pipelines::word(pipeline, stage));
        question.chosen.push((column, words.collect()));
        Ok(())
    }
}

/// The keys of all stages of these, each once.
fn known(tables: &[Table]) -> Vec<&str> {
    let mut known = Vec::new();
    for stage in tables.iter().flat_map(|table| &table.stages) {
        if !known.contains(&stage.key.as_str()) {
            known.push(stage.key.as_str());
        }
    }
    known
}
