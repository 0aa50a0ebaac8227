use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printable::printable;
use crate::response::Counts;

/// Standard error, as a person sees it: lines that stay, and below them, on a terminal, one that
/// shows how far the work has come. A clone is the same screen.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    progress: ProgressBar,
    started: Instant,
}

impl Screen {
    pub(super) fn new() -> Self {
        let progress = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}");
        progress.set_style(style.expect("the template is valid"));
        if io::stderr().is_terminal() {
            progress.enable_steady_tick(Duration::from_millis(200));
        }
        Self { progress, started: Instant::now() }
    }

    /// Shows how far the work has come.
    pub(super) fn progress(&self, counts: &Counts) {
        self.show(format!(
            "{} records, {} flagged, {} failed",
            HumanCount(counts.records),
            HumanCount(counts.flagged),
            HumanCount(counts.failed)
        ));
    }

    /// Shows how far the work has come, in words of its own.
    pub(super) fn show(&self, message: String) {
        self.progress.set_message(message);
    }

    /// Takes away what showed how far the work had come.
    pub(super) fn clear(&self) {
        self.progress.finish_and_clear();
    }

    /// Writes a line that stays. What it quotes cannot make it another.
    pub(super) fn line(&self, line: &str) {
        // Nobody is left to be told that standard error is closed.
        let _ = self.clone().write_all(format!("{}\n", printable(line)).as_bytes());
    }

    /// Writes the summary, as the last line.
    pub(super) fn summary(&self, counts: &Counts, dry_run: bool) {
        self.clear();
        let Counts { records, passed, flagged, failed, published, .. } = *counts;
        let per_second = records as f64 / self.started.elapsed().as_secs_f64();
        // What most runs have none of is not mentioned unless there is some.
        let rare = [
            (counts.dropped, "dropped"),
            (counts.dead_lettered, "dead-lettered"),
            (counts.discarded, "discarded as bad"),
        ];
        let rare: String = rare
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}, "))
            .collect();
        let published = match dry_run {
            true => "0 published (dry run)".to_owned(),
            false => format!("{published} published"),
        };
        self.line(&format!(
            "{records} records: {passed} passed, {flagged} flagged, {rare}{failed} failed, \
             {published}; {} records/s",
            HumanCount(per_second as u64)
        ));
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.progress.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
