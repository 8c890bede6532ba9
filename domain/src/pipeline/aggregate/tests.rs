use cqrs_es::Aggregate as _;
use cqrs_es::test::TestFramework;
use proptest::prelude::*;

use super::{Pipeline, PipelineError};
use crate::event::Decide as _;
use crate::pipeline::built_in::{self, CONTACTED, LOST, NEW, QUALIFIED, SALES_TEAM, TRANSFERRED};
use crate::pipeline::command::PipelineCommand;
use crate::pipeline::event::PipelineEvent;
use crate::pipeline::table::{BadTable, Kind, NoStep, Outcome, Stage, WonBy};
use crate::pipeline::{PipelineId, StageKey};
use crate::undo::Reverse as _;

const OURS: PipelineId = PipelineId::literal("partners");
const TALKS: StageKey = StageKey::literal("talks");
const SIGNED: StageKey = StageKey::literal("signed");

fn pipeline() -> TestFramework<Pipeline> {
    TestFramework::with(())
}

fn stage(key: StageKey, outcome: Outcome, next: &[StageKey]) -> Stage {
    Stage {
        key,
        name: key.to_string(),
        outcome,
        next: next.to_vec(),
        retired: false,
    }
}

fn open(stages: Vec<Stage>) -> PipelineCommand {
    PipelineCommand::Open {
        key: OURS,
        kind: Kind::Lead,
        name: " Partners ".into(),
        won_by: WonBy::Step,
        stages,
    }
}

fn two_stages() -> Vec<Stage> {
    vec![
        stage(TALKS, Outcome::Open, &[SIGNED]),
        stage(SIGNED, Outcome::Won, &[]),
    ]
}

fn opened() -> PipelineEvent {
    PipelineEvent::Opened {
        key: OURS,
        kind: Kind::Lead,
        name: "Partners".into(),
        won_by: WonBy::Step,
        stages: two_stages(),
    }
}

fn built_in_opened() -> PipelineEvent {
    super::opened(built_in::sales_team())
}

fn change_stage(stage: StageKey, retired: bool) -> PipelineCommand {
    PipelineCommand::ChangeStage {
        key: SALES_TEAM,
        stage,
        name: None,
        next: None,
        retired: Some(retired),
    }
}

#[test]
fn it_is_declared_once() {
    pipeline()
        .given_no_previous_events()
        .when(open(two_stages()))
        .then_expect_events(vec![opened()]);
    pipeline()
        .given(vec![opened()])
        .when(open(two_stages()))
        .then_expect_error(PipelineError::Exists(OURS));
}

#[test]
fn stages_that_make_no_pipeline_are_refused() {
    let lost_first = vec![stage(LOST, Outcome::Lost, &[])];
    let unknown = vec![stage(TALKS, Outcome::Open, &[SIGNED])];
    let twice = vec![
        stage(TALKS, Outcome::Open, &[]),
        stage(TALKS, Outcome::Won, &[]),
    ];
    let (of, to) = (TALKS, SIGNED);
    for (stages, why) in [
        (vec![], BadTable::Count(0)),
        (lost_first, BadTable::NoBeginning),
        (unknown, BadTable::NoSuchNext { of, to }),
        (twice, BadTable::Twice(TALKS)),
    ] {
        pipeline()
            .given_no_previous_events()
            .when(open(stages))
            .then_expect_error(PipelineError::BadTable(why));
    }
}

#[test]
fn the_first_change_of_one_that_is_built_in_says_how_it_stood() {
    let added = StageKey::literal("demo");
    let asked = PipelineCommand::AddStage {
        key: SALES_TEAM,
        stage: stage(added, Outcome::Open, &[QUALIFIED, QUALIFIED, LOST]),
        before: Some(QUALIFIED),
        from: vec![CONTACTED],
    };
    let event = PipelineEvent::StageAdded {
        stage: stage(added, Outcome::Open, &[QUALIFIED, LOST]),
        place: 2,
        from: vec![CONTACTED],
    };
    pipeline()
        .given_no_previous_events()
        .when(asked)
        .then_expect_events(vec![built_in_opened(), event.clone()]);
    let mut after = Pipeline::default();
    after.apply(built_in_opened());
    after.apply(event);
    let table = after.table(SALES_TEAM).unwrap();
    let order: Vec<_> = table.stages.iter().map(|stage| stage.key).collect();
    assert_eq!(order, [NEW, CONTACTED, added, QUALIFIED, TRANSFERRED, LOST]);
    assert!(table.step(table.place(CONTACTED), added).is_ok());
    assert!(table.step(table.place(added), QUALIFIED).is_ok());
}

#[test]
fn a_retired_stage_takes_nobody_and_lets_everybody_go() {
    let mut pipeline = Pipeline::default();
    for event in pipeline.decide(change_stage(CONTACTED, true)).unwrap() {
        pipeline.apply(event);
    }
    let table = pipeline.table(SALES_TEAM).unwrap();
    let known = "new, qualified, transferred, lost".to_owned();
    assert_eq!(
        table.step(table.place(NEW), CONTACTED),
        Err(NoStep::NoStage { known })
    );
    assert!(table.step(table.place(CONTACTED), QUALIFIED).is_ok());
}

#[test]
fn what_everything_new_needs_is_not_retired() {
    let refused = [
        (NEW, None),
        (TRANSFERRED, Some(BadTable::NowhereToTransfer)),
    ];
    for (stage, why) in refused {
        let decided = Pipeline::default().decide(change_stage(stage, true));
        let why = why.map(PipelineError::BadTable);
        assert_eq!(decided.err(), why, "{stage}");
    }
    let only = PipelineCommand::ChangeStage {
        key: OURS,
        stage: TALKS,
        name: None,
        next: None,
        retired: Some(true),
    };
    pipeline()
        .given(vec![opened()])
        .when(only)
        .then_expect_error(PipelineError::BadTable(BadTable::NoBeginning));
}

#[test]
fn an_order_names_every_stage_once() {
    let reorder = |stages: &[StageKey]| PipelineCommand::Reorder {
        key: OURS,
        stages: stages.to_vec(),
    };
    let all = "talks, signed".to_owned();
    for stages in [&[TALKS][..], &[TALKS, TALKS], &[TALKS, SIGNED, LOST]] {
        pipeline()
            .given(vec![opened()])
            .when(reorder(stages))
            .then_expect_error(PipelineError::NotAll { all: all.clone() });
    }
    pipeline()
        .given(vec![opened()])
        .when(reorder(&[TALKS, SIGNED]))
        .then_expect_events(vec![]);
}

#[test]
fn an_undo_that_would_leave_no_beginning_is_refused() {
    let mut pipeline = Pipeline::default();
    pipeline.apply(opened());
    let restored = PipelineEvent::StageRestored { stage: TALKS };
    assert!(pipeline.reverse(&pipeline, &restored).is_err());
    let renamed = PipelineEvent::Renamed {
        from: "Old".into(),
        to: "Partners".into(),
    };
    let back = PipelineEvent::Renamed {
        from: "Partners".into(),
        to: "Old".into(),
    };
    assert_eq!(pipeline.reverse(&pipeline, &renamed), Ok(back));
}

fn asked() -> impl Strategy<Value = PipelineCommand> {
    let key = || prop::sample::select(vec![NEW, CONTACTED, QUALIFIED, TRANSFERRED, LOST, TALKS]);
    let keys = || prop::collection::vec(key(), 0..6);
    let outcome = prop::sample::select(Outcome::ALL);
    prop_oneof![
        (key(), outcome, keys(), prop::option::of(key()), keys()).prop_map(
            |(new, outcome, next, before, from)| PipelineCommand::AddStage {
                key: SALES_TEAM,
                stage: stage(new, outcome, &next),
                before,
                from,
            }
        ),
        (
            key(),
            prop::option::of(keys()),
            prop::option::of(any::<bool>())
        )
            .prop_map(|(stage, next, retired)| PipelineCommand::ChangeStage {
                key: SALES_TEAM,
                stage,
                name: None,
                next,
                retired,
            }),
        keys().prop_map(|stages| PipelineCommand::Reorder {
            key: SALES_TEAM,
            stages,
        }),
    ]
}

proptest! {
    /// Whatever is asked in whatever order, what stands there is a pipeline.
    #[test]
    fn no_sequence_of_commands_leaves_something_else(commands in prop::collection::vec(asked(), 0..30)) {
        let mut pipeline = Pipeline::default();
        for command in commands {
            for event in pipeline.decide(command).unwrap_or_default() {
                pipeline.apply(event);
            }
            prop_assert_eq!(pipeline.table(SALES_TEAM).unwrap().check(), Ok(()));
        }
    }
}
