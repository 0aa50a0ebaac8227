//! The tables of the documentation: each stands between two comments that name it.

use std::fs;
use std::io;
use std::path::Path;

/// Replaces what stands between the comments `<!-- NAME -->` and `<!-- end of NAME -->`.
///
/// # Errors
///
/// If the file cannot be read or written, or lacks the comments.
pub(crate) fn replace(page: &Path, name: &str, table: &str) -> io::Result<()> {
    let text = fs::read_to_string(page)?;
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let missing = || io::Error::other(format!("{} has no table {name}", page.display()));
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    fs::write(page, [before, &begin, table, &end, after].concat())
}
