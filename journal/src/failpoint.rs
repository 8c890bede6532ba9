//! Named places where a test lets the program die, as by `kill -9`, at just that step.
//!
//! `RAPPORT_FAILPOINT=command.appended` dies where that place is reached first,
//! `command.appended=3` where it is reached for the third time. Release builds have none of it.

/// Dies here, where a test asked for it.
#[inline]
pub fn reach(name: &str) {
    #[cfg(debug_assertions)]
    debug::reach(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod debug {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ASKED: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let asked = std::env::var("RAPPORT_FAILPOINT").ok()?;
        let (name, times) = asked.split_once('=').unwrap_or((&asked, "1"));
        Some((name.to_owned(), AtomicU64::new(times.parse().ok()?)))
    });

    pub(super) fn reach(name: &str) {
        let Some((asked, times)) = &*ASKED else {
            return;
        };
        if asked == name && times.fetch_sub(1, Ordering::SeqCst) == 1 {
            std::process::abort();
        }
    }
}
