//! The bar that shows how far a long work is.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error, which is hidden where that is no terminal.
pub fn bar(what: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(total).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
