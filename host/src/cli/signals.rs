use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGCHLD, SIGXFSZ};
use signal_hook::flag;

/// Makes up for what a process may inherit: it is told when a process of its own ends, and that a file may
/// grow no more is an error of who writes to it, as a full disk is, and not the end of all.
pub(super) fn prepare() -> io::Result<()> {
    for signal in [SIGCHLD, SIGXFSZ] {
        // Nobody asks whether it came. What is handled is neither ignored nor the end.
        flag::register(signal, Arc::default())?;
    }
    Ok(())
}
