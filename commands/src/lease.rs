//! Whether the holder of a lease has died, told by a clock that never jumps.
//!
//! A lease names a moment by its holder's clock. Clocks of two machines differ and jump: a holder
//! that died with its clock an hour ahead would keep everybody out for an hour. So a lease ends
//! also where nobody has renewed it for as long as it lasts, while somebody watched.

use std::time::{Duration, Instant};

/// Watches one lease that somebody else holds.
#[derive(Debug, Clone)]
pub struct Watch<M> {
    seen: Option<(M, Instant)>,
}

impl<M> Default for Watch<M> {
    fn default() -> Self {
        Self { seen: None }
    }
}

impl<M: PartialEq> Watch<M> {
    /// Whether the mark, which every renewal changes, has stood still for this long.
    pub fn is_silent(&mut self, mark: M, lease: Duration, now: Instant) -> bool {
        match &self.seen {
            Some((known, since)) if *known == mark => now.duration_since(*since) > lease,
            Some(_) | None => {
                self.seen = Some((mark, now));
                false
            }
        }
    }
}
