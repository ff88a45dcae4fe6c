//! How far the measurement is: a bar on a terminal, short lines elsewhere.

use std::{
    io::{IsTerminal, stderr},
    sync::LazyLock,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// The bar, if somebody can see it.
static BAR: LazyLock<Option<ProgressBar>> = LazyLock::new(|| stderr().is_terminal().then(bar));

/// Says that so many more steps are to come.
pub(crate) fn expect(steps: usize) {
    if let Some(bar) = &*BAR {
        bar.inc_length(steps as u64);
    }
}

/// Says that a step is done.
pub(crate) fn advance() {
    if let Some(bar) = &*BAR {
        bar.inc(1);
    }
}

/// Says what happens now.
pub(crate) fn announce(what: &str) {
    match &*BAR {
        Some(bar) => bar.set_message(what.to_owned()),
        None => eprintln!("… {what}"),
    }
}

/// Prints a line on standard output, past the bar.
pub(crate) fn print(line: &str) {
    match &*BAR {
        Some(bar) => bar.suspend(|| println!("{line}")),
        None => println!("{line}"),
    }
}

/// Takes the bar away.
pub(crate) fn finish() {
    if let Some(bar) = &*BAR {
        bar.finish_and_clear();
    }
}

/// Makes a bar that nothing is expected of yet.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:40} {pos}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
