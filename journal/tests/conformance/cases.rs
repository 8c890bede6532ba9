//! What must hold on every backend.

pub mod appending;
pub mod crashing;
pub mod feeding;
pub mod keeping;
pub mod reading;
pub mod refusing;
pub mod unreadable;
