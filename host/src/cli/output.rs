//! Standard output, where a command leaves what it was asked for.

use std::fmt::Display;
use std::io::Write;

use anyhow::Context;

use super::exit::Failure;

/// Writes a text to standard output, without its colours where that is no terminal. Whoever reads it may
/// be gone, as `head` is: `println!` would panic.
pub(super) fn print(text: impl Display) -> Result<(), Failure> {
    print_to(anstream::stdout().lock(), text)
}

fn print_to(mut out: impl Write, text: impl Display) -> Result<(), Failure> {
    write!(out, "{text}")
        .and_then(|()| out.flush())
        .context("cannot write to standard output")
        .map_err(Failure::Runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_an_error() {
        let mut taken = Vec::new();
        print_to(&mut taken, "a line\n").expect("room");
        assert_eq!(taken, b"a line\n");
        let nobody: &mut [u8] = &mut [];
        let failure = print_to(nobody, "a line\n").expect_err("no room");
        assert!(matches!(failure, Failure::Runtime(_)), "{failure:?}");
    }
}
