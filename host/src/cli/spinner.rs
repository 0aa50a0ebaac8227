use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows on a terminal that something goes on, and for how long.
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    pub(super) fn start(message: String) -> Self {
        let progress = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}");
        progress.set_style(style.expect("the template is valid"));
        progress.set_message(message);
        if io::stderr().is_terminal() {
            progress.enable_steady_tick(Duration::from_millis(200));
        }
        Self(progress)
    }

    /// Clears its line.
    pub(super) fn finish(self) {
        self.0.finish_and_clear();
    }
}
