//! Seeded randomness: the same seed throws the same numbers, on every machine.

/// A die. `SplitMix64`: small, and good enough to choose faults by.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// A die of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A die of its own for one of several who throw at once: what the others throw changes
    /// nothing for it.
    #[must_use]
    pub fn for_place(&self, place: u64) -> Self {
        let mut own = Self(self.0 ^ place.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        own.throw();
        own
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one; 0 where there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.throw().checked_rem(end).unwrap_or(0)
    }

    /// One of these.
    ///
    /// # Panics
    ///
    /// Where there are none.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(choices.len() as u64)).unwrap_or_default();
        &choices[index]
    }

    /// Whether something happens that does so once in this many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
