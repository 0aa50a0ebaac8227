/// A text of others, such as a record's id or a rule's reason, on one line: what a terminal would obey
/// is shown as what it is.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// At most so many characters of a text. What is cut off shows as `…`.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        assert_eq!(printable("a\n\u{1b}[2J\u{9b}1mü"), "a��[2J�1mü");
    }

    #[test]
    fn what_is_cut_off_shows() {
        assert_eq!(cut("üüü", 3), "üüü");
        assert_eq!(cut("üüü", 2), "üü…");
        assert_eq!(cut("", 0), "");
    }
}
