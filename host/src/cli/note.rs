use std::fmt::Display;
use std::io::{self, Write};

/// Writes a line to standard error, beside what was asked for. If that is closed, nobody is left to be told.
pub(super) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
