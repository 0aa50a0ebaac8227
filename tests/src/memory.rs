//! What stays resident of a process while it answers events.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;

/// The resident memory of a process at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    /// The most there ever was of all, in KiB.
    pub peak_kib: u64,
    /// What the process allocated, in KiB: all there is now but pages of files, which are mostly
    /// the executable's.
    pub allocated_kib: u64,
}

/// Runs `command`, gives it the same event again and again, and looks at its resident memory each
/// time it has answered so many in all, which ascend.
///
/// It looks while the input is not yet at its end: then the process still exists, and has nothing
/// more to do. (What `wait4` tells of a process that ended includes the memory of the one that
/// started it.)
///
/// # Panics
///
/// If the process does not start, ends too early or fails, or where there is no `/proc`.
pub fn resident_after<const N: usize>(
    events: [usize; N],
    command: &mut Command,
    event: &[u8],
) -> [Resident; N] {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let mut input = child.stdin.take().expect("a pipe was asked for");
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
    let total = events.last().copied().unwrap_or_default();
    let line = [event.trim_ascii_end(), b"\n"].concat();

    let resident = thread::scope(|scope| {
        let written = scope.spawn(move || {
            (0..total).for_each(|_| input.write_all(&line).expect("the process reads its input"));
            input
        });
        let mut answered = 0;
        let resident = events.map(|events| {
            while answered < events {
                let length = answers.skip_until(b'\n').expect("an answer");
                assert!(length > 0, "{command:?} ended after {answered} of {total} events");
                answered += 1;
            }
            resident(child.id())
        });
        drop(written.join().expect("everything is written"));
        resident
    });
    assert!(child.wait().expect("the end of the process").success(), "{command:?} fails");
    resident
}

/// The resident memory of a process that runs.
fn resident(process: u32) -> Resident {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .expect("the status of a process that runs");
    let kib = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_suffix("kB")?.trim().parse().ok())
    };
    Resident {
        peak_kib: kib("VmHWM:").expect("the peak of the resident memory"),
        allocated_kib: kib("RssAnon:").expect("the resident memory of no file"),
    }
}
