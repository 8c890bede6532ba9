//! Integer ids that people can say, handed out from blocks (hi/lo).
//!
//! A block is one number while requests are rare and grows while they are not, so that a
//! quiet workspace has no gaps and a busy one does not append twice per lead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cqrs_es::AggregateError;
use domain::id::NumberKind;
use domain::number::{MAX_BLOCK, Numbers, NumbersError, TakeNumbers};
use jiff::Timestamp;
use journal::token::Token;

use crate::desk::Desk;
use crate::origin::Origin;

/// A block that is used up sooner than this was too small.
const TOO_SOON: Duration = Duration::from_millis(200);

/// Hands out numbers. Cheap to clone; clones share the blocks.
#[derive(Clone)]
pub struct Allocator {
    desk: Desk,
    blocks: Arc<Mutex<Blocks>>,
}

/// The blocks at hand; whoever refills one holds it, and nobody else's.
type Blocks = HashMap<(Token, NumberKind), Arc<tokio::sync::Mutex<Block>>>;

/// What is left of a block.
#[derive(Default)]
struct Block {
    next: u64,
    left: u32,
    size: u32,
    taken_at: Option<Timestamp>,
}

impl Allocator {
    /// An allocator with no blocks yet.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self {
            desk,
            blocks: Arc::default(),
        }
    }

    /// A number nobody else gets; the same one again where the request's claim has fixed it.
    pub async fn next(
        &self,
        kind: NumberKind,
        origin: &Origin,
    ) -> Result<u64, AggregateError<NumbersError>> {
        match &origin.claim {
            Some(claim) => {
                let number = claim.number(kind, origin.row, self.take(kind, origin));
                number.await
            }
            None => self.take(kind, origin).await,
        }
    }

    /// Fixes the numbers of these rows of a request in one step, where it has a claim to fix them in. One that
    /// is not used is a gap.
    pub async fn reserve(
        &self,
        kind: NumberKind,
        rows: &[u16],
        origin: &Origin,
    ) -> Result<(), AggregateError<NumbersError>> {
        let Some(claim) = &origin.claim else {
            return Ok(());
        };
        let mut taken = Vec::new();
        for row in claim.without_number(kind, rows).await {
            taken.push((row, self.take(kind, origin).await?));
        }
        claim.keep_numbers(kind, &taken).await
    }

    async fn take(
        &self,
        kind: NumberKind,
        origin: &Origin,
    ) -> Result<u64, AggregateError<NumbersError>> {
        let block = self.block(&origin.workspace, kind);
        let mut block = block.lock().await;
        if block.left == 0 {
            self.refill(&mut block, kind, &origin.workspace).await?;
        }
        block.left -= 1;
        block.next += 1;
        Ok(block.next - 1)
    }

    fn block(&self, workspace: &Token, kind: NumberKind) -> Arc<tokio::sync::Mutex<Block>> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(blocks.entry((workspace.clone(), kind)).or_default())
    }

    async fn refill(
        &self,
        block: &mut Block,
        kind: NumberKind,
        workspace: &Token,
    ) -> Result<(), AggregateError<NumbersError>> {
        let now = self.desk.clock().now();
        let soon = block
            .taken_at
            .is_some_and(|taken| now.duration_since(taken).unsigned_abs() < TOO_SOON);
        let count = if soon {
            (block.size * 2).min(MAX_BLOCK)
        } else {
            1
        };
        // An origin of its own: a lost answer leaves a gap, never the same block twice.
        let origin = Origin::new(workspace.clone(), "numbers");
        let numbers = self
            .desk
            .send::<Numbers>(kind, TakeNumbers { count }, &origin)
            .await?;
        let next = numbers.state.used + 1 - u64::from(count);
        *block = Block {
            next,
            left: count,
            size: count,
            taken_at: Some(now),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use domain::id::NumberKind;
    use journal::Journal;
    use journal::memory::MemoryJournal;
    use journal::token::Token;

    use super::Allocator;
    use crate::clock::Clock;
    use crate::desk::Desk;
    use crate::origin::Origin;

    fn allocator(journal: &Journal) -> Allocator {
        Allocator::new(Desk::local(journal.clone(), Clock::System))
    }

    fn origin(workspace: &str) -> Origin {
        Origin::new(Token::try_new(workspace).unwrap(), "test")
    }

    #[tokio::test]
    async fn every_workspace_and_kind_begins_at_one() {
        let numbers = allocator(&Journal::from(MemoryJournal::new()));
        for workspace in ["one", "two"] {
            for kind in [NumberKind::Lead, NumberKind::Sale] {
                assert_eq!(numbers.next(kind, &origin(workspace)).await.unwrap(), 1);
            }
        }
    }

    #[tokio::test]
    async fn several_processes_never_hand_out_the_same_number() {
        let journal = Journal::from(MemoryJournal::new());
        let (one, two) = (allocator(&journal), allocator(&journal));
        let origin = origin("main");
        let mut seen = HashSet::new();
        for _ in 0..500 {
            let pair = tokio::join!(
                one.next(NumberKind::Lead, &origin),
                two.next(NumberKind::Lead, &origin)
            );
            assert!(seen.insert(pair.0.unwrap()));
            assert!(seen.insert(pair.1.unwrap()));
        }
        let appended = journal.heads().await.unwrap()[0].sequence;
        assert!(
            appended < 100,
            "{appended} blocks for 1000 numbers: blocks do not grow"
        );
    }
}
