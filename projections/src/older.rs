//! An older program, for the story of an upgrade: one that lacks screens, or the newest versions.
//!
//! `RAPPORT_OLDER_SCREENS=leads=1,deliveries=0` has `leads` up to version 1, and no `deliveries`.
//! Release builds have none of it.

use crate::projection::Screen;

/// Whether this program has a screen.
#[cfg(not(debug_assertions))]
pub(crate) fn has(_screen: &dyn Screen) -> bool {
    true
}

/// Whether this program has a screen.
#[cfg(debug_assertions)]
pub(crate) fn has(screen: &dyn Screen) -> bool {
    let asked = std::env::var("RAPPORT_OLDER_SCREENS").unwrap_or_default();
    let mut limits = asked.split(',').filter_map(|limit| limit.split_once('='));
    let limit = limits.find(|(name, _)| *name == screen.name());
    limit.is_none_or(|(_, newest)| {
        newest
            .parse()
            .is_ok_and(|newest: u32| screen.version() <= newest)
    })
}
