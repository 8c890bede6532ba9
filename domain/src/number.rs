//! Numbers people can say: an allocator per workspace and kind hands out blocks (hi/lo).
//!
//! Invariant: no number is handed out twice; a block whose owner died leaves a gap.

use cqrs_es::Aggregate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Decide, decided, stored};
use crate::id::{Keyed, NumberKind};

/// The largest block.
pub const MAX_BLOCK: u32 = 4096;

/// An allocator as its events made it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    /// How many were handed out so far; the next is one more.
    pub used: u64,
}

/// Hand out a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeNumbers {
    /// How many; 1 to [`MAX_BLOCK`].
    pub count: u32,
}

/// What happened to an allocator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "payload")]
pub enum NumbersEvent {
    /// A block was handed out.
    #[serde(rename = "number.taken")]
    Taken {
        /// The first number of the block.
        first: u64,
        /// How many follow, itself included.
        count: u32,
    },
}

stored!(NumbersEvent { Taken = "number.taken" v 1 });

/// Why no numbers are handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NumbersError {
    /// A block outside 1 to [`MAX_BLOCK`].
    #[error("a block has 1 to {MAX_BLOCK} numbers")]
    BadCount,
}

impl Decide for Numbers {
    const STATE: u32 = 1;

    fn decide(
        &self,
        TakeNumbers { count }: TakeNumbers,
    ) -> Result<Vec<NumbersEvent>, NumbersError> {
        match count {
            1..=MAX_BLOCK => Ok(vec![NumbersEvent::Taken {
                first: self.used + 1,
                count,
            }]),
            _ => Err(NumbersError::BadCount),
        }
    }
}

impl Aggregate for Numbers {
    const TYPE: &'static str = "number";
    type Command = TakeNumbers;
    type Event = NumbersEvent;
    type Error = NumbersError;
    type Services = ();

    decided!();

    fn apply(&mut self, event: NumbersEvent) {
        let NumbersEvent::Taken { first, count } = event;
        self.used = first + u64::from(count) - 1;
    }
}

impl Keyed for Numbers {
    type Id = NumberKind;
}

#[cfg(test)]
mod tests {
    use cqrs_es::test::TestFramework;

    use super::{MAX_BLOCK, Numbers, NumbersError, NumbersEvent, TakeNumbers};

    #[test]
    fn the_first_number_is_one_and_blocks_follow_each_other() {
        let numbers = || TestFramework::<Numbers>::with(());
        let taken = |first, count| NumbersEvent::Taken { first, count };
        numbers()
            .given_no_previous_events()
            .when(TakeNumbers { count: 1 })
            .then_expect_events(vec![taken(1, 1)]);
        numbers()
            .given(vec![taken(1, 1), taken(2, 64)])
            .when(TakeNumbers { count: 4 })
            .then_expect_events(vec![taken(66, 4)]);
        for count in [0, MAX_BLOCK + 1] {
            numbers()
                .given_no_previous_events()
                .when(TakeNumbers { count })
                .then_expect_error(NumbersError::BadCount);
        }
    }
}
