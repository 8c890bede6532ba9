//! Stages and pipelines that are asked for, as the words of places.

use commands::http::problem::Problem;
use domain::pipeline::table::{Kind, Place, Table};

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
        let followed = self.followed(tables)?;
        let places = followed.iter().flat_map(|table| {
            let stages = table.stages.iter().map(|stage| stage.key);
            stages.map(|stage| (table.key, stage))
        });
        let places: Vec<_> = places.collect();
        let wanted = |stage: &str| self.stage.as_deref().is_none_or(|wanted| wanted == stage);
        let words = places.iter().filter(|(_, stage)| wanted(stage.as_str()));
        let words: Vec<_> = words
            .map(|(pipeline, stage)| {
                let (pipeline, stage) = (*pipeline, *stage);
                pipelines::word(Place { pipeline, stage })
            })
            .collect();
        if words.is_empty() {
            let mut known: Vec<&str> = Vec::new();
            for (_, stage) in &places {
                if !known.contains(&stage.as_str()) {
                    known.push(stage.as_str());
                }
            }
            return Err(one_of("stage", &known));
        }
        question.chosen.push((column, words));
        Ok(())
    }

    fn followed<'a>(&self, tables: &'a [Table]) -> Result<Vec<&'a Table>, Problem> {
        let Some(wanted) = &self.pipeline else {
            return Ok(tables.iter().collect());
        };
        let found: Vec<_> = tables
            .iter()
            .filter(|table| table.key.as_str() == wanted)
            .collect();
        if found.is_empty() {
            let known: Vec<_> = tables.iter().map(|table| table.key.as_str()).collect();
            return Err(one_of("pipeline", &known));
        }
        Ok(found)
    }
}

fn one_of(name: &str, known: &[&str]) -> Problem {
    Problem::invalid(name, format!("{name} must be one of {}", known.join(", ")))
}
