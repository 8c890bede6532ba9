//! Whatever is changed, undone, done again, retried and raced for: a lead, a sale and a contact are what a
//! model says that they are, and so is every answer.

mod model;
mod several;
mod world;

use model::{Model, Verdict};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use world::{Deed, Kind, World};

/// Requests for the same undo that are made at once.
const AT_ONCE: usize = 5;

#[derive(Debug, Clone)]
enum Step {
    Do(Kind, Deed),
    /// Undoes one of the changes so far, through one of two desks.
    Undo(Kind, usize),
    /// The same undo again, as a request that got no answer is made again.
    UndoAndRetry(Kind, usize),
    UndoAtOnce(Kind, usize),
    UndoWhileDoing(Kind, usize, Deed),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = || proptest::sample::select(&Kind::ALL[..]);
    // The latest changes are undone most often.
    let which = || prop_oneof![3 => 0..3_usize, 1 => 0..40_usize];
    let step = prop_oneof![
        8 => (kind(), Deed::any()).prop_map(|(kind, deed)| Step::Do(kind, deed)),
        8 => (kind(), which()).prop_map(|(kind, back)| Step::Undo(kind, back)),
        2 => (kind(), which()).prop_map(|(kind, back)| Step::UndoAndRetry(kind, back)),
        1 => (kind(), which()).prop_map(|(kind, back)| Step::UndoAtOnce(kind, back)),
        1 => (kind(), which(), Deed::any()).prop_map(|(kind, back, deed)| Step::UndoWhileDoing(kind, back, deed)),
    ];
    proptest::collection::vec(step, 1..60)
}

#[test]
fn records_are_what_the_model_says_whatever_is_undone() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: 96,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(async {
                let mut told = Told::new().await;
                for step in &steps {
                    Box::pin(told.step(step)).await;
                }
            });
            Ok(())
        })
        .unwrap();
}

/// The real thing, and what the model says of it.
struct Told {
    world: World,
    models: [Model; 3],
}

impl Told {
    async fn new() -> Self {
        let world = World::new().await;
        let models = Kind::ALL.map(|_| Model::default());
        let mut told = Self { world, models };
        for kind in Kind::ALL {
            let mut shown = told.world.shown(kind).await;
            if let Some(existence) = shown.get_mut(model::EXISTENCE) {
                // Until it was created.
                *existence = false.to_string();
            }
            told.models[kind as usize].begins(shown);
            told.catch_up(kind).await;
        }
        told
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Do(kind, deed) => {
                self.world.desk(0).attempt(*kind, deed).await;
                self.catch_up(*kind).await;
                self.compare(*kind).await;
            }
            Step::Undo(kind, back) => {
                let position = self.models[*kind as usize].position(*back);
                let expected = self.models[*kind as usize].undo(position);
                let answer = self.world.desk(back % 2).undo(position, None).await;
                assert_eq!(answer, expected, "{kind:?} at {position}");
                self.after_undo(*kind, position, &expected).await;
            }
            Step::UndoAndRetry(kind, back) => {
                let position = self.models[*kind as usize].position(*back);
                let expected = self.models[*kind as usize].undo(position);
                let seed = commands::clock::fresh_id();
                for (desk, retried) in [(0, false), (1, true), (0, true)] {
                    let desk = self.world.desk(desk);
                    let answer = desk.undo(position, Some((seed, retried))).await;
                    assert_eq!(
                        answer, expected,
                        "{kind:?} at {position}, retried: {retried}"
                    );
                }
                self.after_undo(*kind, position, &expected).await;
            }
            Step::UndoAtOnce(kind, back) => {
                let position = self.models[*kind as usize].position(*back);
                let expected = self.models[*kind as usize].undo(position);
                let asked = (0..AT_ONCE).map(|number| {
                    let desk = self.world.desk(number % 2);
                    tokio::spawn(async move { desk.undo(position, None).await })
                });
                let mut answers = Vec::new();
                for asked in asked.collect::<Vec<_>>() {
                    answers.push(asked.await.unwrap());
                }
                for (place, verdict) in expected.iter().enumerate() {
                    let times = answers
                        .iter()
                        .filter(|answer| answer[place] == Verdict::Reversed);
                    let once = usize::from(*verdict == Verdict::Reversed);
                    assert_eq!(times.count(), once, "{kind:?} at {position}: {answers:?}");
                }
                self.after_undo(*kind, position, &expected).await;
            }
            Step::UndoWhileDoing(kind, back, deed) => {
                let position = self.models[*kind as usize].position(*back);
                let before = self.models[*kind as usize].undo(position);
                let (one, other) = (self.world.desk(0), self.world.desk(1));
                let (answer, ()) =
                    tokio::join!(one.undo(position, None), other.attempt(*kind, deed));
                let reversed = self.catch_up(*kind).await;
                let model = &self.models[*kind as usize];
                match reversed {
                    Some(expected) => assert_eq!(answer, expected),
                    None => assert!(
                        answer == before || answer == model.undo(position),
                        "{kind:?} at {position}: {answer:?}"
                    ),
                }
                self.compare(*kind).await;
            }
        }
    }

    async fn after_undo(&mut self, kind: Kind, position: u64, expected: &[Verdict]) {
        let reversed = self.catch_up(kind).await;
        let appended = expected.contains(&Verdict::Reversed);
        assert_eq!(reversed.is_some(), appended, "{kind:?} at {position}");
        self.compare(kind).await;
    }

    /// Tells the model what the log has; answers what the model says of the last undo among it.
    async fn catch_up(&mut self, kind: Kind) -> Option<Vec<Verdict>> {
        let model = &mut self.models[kind as usize];
        let mut reversed = None;
        for change in self.world.changes(kind, model.seen()).await {
            match change.undoes {
                Some(position) => reversed = Some(model.undone(change.position, position)),
                None => model.done(change.position, change.facts),
            }
        }
        reversed
    }

    async fn compare(&self, kind: Kind) {
        let shown = self.world.shown(kind).await;
        assert_eq!(shown, self.models[kind as usize].shown(), "{kind:?}");
    }
}
