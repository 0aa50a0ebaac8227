//! Where a JSON document ends that arrives piece by piece.

use memchr::memchr3;
use weir_json::MAX_DEPTH;

/// Follows a document's brackets, commas and colons, so that each byte is looked at once. Whether what
/// stands between them is JSON is for others to say.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// The brackets that are open.
    open: Vec<u8>,
    expected: Expected,
    within: Within,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Value,
    /// A value, or the end of an array that is empty.
    FirstElement,
    Key,
    /// A key, or the end of an object that is empty.
    FirstKey,
    Colon,
    /// Behind a value: a comma, or the end of what it is in.
    CommaOrEnd,
}

/// What has begun and goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    /// A number, or one of the words that JSON knows.
    Scalar,
    String,
    /// A string, behind a backslash.
    Escape,
}

/// What a document is like after a piece of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on, if only by blanks.
    Open,
    /// It ends before this byte of the piece: behind its line, or before what stands behind it there.
    Complete(usize),
    /// This byte of the piece shows that it is not JSON, whatever follows.
    Broken(usize),
}

impl Outline {
    /// Takes the next piece.
    pub(super) fn take(&mut self, piece: &[u8]) -> Progress {
        let mut at = 0;
        while let [byte, ..] = piece[at..] {
            match self.within {
                Within::Nothing if byte.is_ascii_whitespace() => {
                    at += 1;
                    if byte == b'\n' && self.is_complete() {
                        return Progress::Complete(at);
                    }
                }
                Within::Nothing if self.is_complete() => return Progress::Complete(at),
                Within::Nothing => {
                    if !self.begins(byte) {
                        return Progress::Broken(at);
                    }
                    at += 1;
                }
                Within::Scalar => {
                    let Some(end) = piece[at..].iter().position(ends_scalar) else { break };
                    at += end;
                    self.within = Within::Nothing;
                }
                // Most of an event is long strings.
                Within::String => {
                    let Some(end) = memchr3(b'"', b'\\', b'\n', &piece[at..]) else { break };
                    at += end;
                    self.within = match piece[at] {
                        b'"' => Within::Nothing,
                        b'\\' => Within::Escape,
                        // No later line can end it.
                        _ => return Progress::Broken(at),
                    };
                    at += 1;
                }
                Within::Escape if byte == b'\n' => return Progress::Broken(at),
                Within::Escape => {
                    at += 1;
                    self.within = Within::String;
                }
            }
        }
        Progress::Open
    }

    /// Whether it may end here.
    pub(super) fn is_complete(&self) -> bool {
        let is_in_string = matches!(self.within, Within::String | Within::Escape);
        self.open.is_empty() && self.expected == Expected::CommaOrEnd && !is_in_string
    }

    /// Takes the first byte of what stands between blanks. Whether it fits.
    fn begins(&mut self, byte: u8) -> bool {
        match byte {
            b'{' => self.opens(b'{', Expected::FirstKey),
            b'[' => self.opens(b'[', Expected::FirstElement),
            b'}' => self.closes(b'{', Expected::FirstKey),
            b']' => self.closes(b'[', Expected::FirstElement),
            b',' => self.comma(),
            b':' => self.colon(),
            b'"' => {
                self.within = Within::String;
                self.string()
            }
            _ => {
                self.within = Within::Scalar;
                self.value()
            }
        }
    }

    fn opens(&mut self, bracket: u8, expected: Expected) -> bool {
        let fits = self.value() && self.open.len() < MAX_DEPTH as usize;
        self.open.push(bracket);
        self.expected = expected;
        fits
    }

    fn closes(&mut self, bracket: u8, empty: Expected) -> bool {
        let fits = self.expected == Expected::CommaOrEnd || self.expected == empty;
        self.expected = Expected::CommaOrEnd;
        self.open.pop() == Some(bracket) && fits
    }

    fn comma(&mut self) -> bool {
        let fits = self.expected == Expected::CommaOrEnd;
        self.expected = match self.open.last() {
            Some(b'{') => Expected::Key,
            Some(_) => Expected::Value,
            None => return false,
        };
        fits
    }

    fn colon(&mut self) -> bool {
        let fits = self.expected == Expected::Colon;
        self.expected = Expected::Value;
        fits
    }

    fn string(&mut self) -> bool {
        if !matches!(self.expected, Expected::Key | Expected::FirstKey) {
            return self.value();
        }
        self.expected = Expected::Colon;
        true
    }

    fn value(&mut self) -> bool {
        let fits = matches!(self.expected, Expected::Value | Expected::FirstElement);
        self.expected = Expected::CommaOrEnd;
        fits
    }
}

/// Whether a number, or one of the words that JSON knows, ends before this byte.
fn ends_scalar(byte: &u8) -> bool {
    matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"') || byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a text in pieces of this size: how it stands at the end of it, or which byte of the text
    /// decided.
    fn progress_by(text: &str, size: usize) -> Progress {
        let mut outline = Outline::default();
        for (number, piece) in text.as_bytes().chunks(size).enumerate() {
            match outline.take(piece) {
                Progress::Open => {}
                Progress::Complete(end) => return Progress::Complete(number * size + end),
                Progress::Broken(at) => return Progress::Broken(number * size + at),
            }
        }
        Progress::Open
    }

    fn progress(text: &str) -> Progress {
        let whole = progress_by(text, text.len());
        for size in 1..text.len().min(50) {
            assert_eq!(progress_by(text, size), whole, "{text} by {size}");
        }
        whole
    }

    #[test]
    fn a_document_ends_where_its_value_does() {
        let texts = [
            "1",
            "true",
            "\"}\\\"\"",
            "\"\\\\\"",
            "[]",
            "{}",
            "[{}, [ ], \"\"]",
            "{\"a\": [\n1,\ntrue\n],\n\"b\": {}\n}",
        ];
        for text in texts {
            assert_eq!(
                progress(&format!("{text}\n\n")),
                Progress::Complete(text.len() + 1),
                "{text}"
            );
            let line = format!("{text}  {{");
            assert_eq!(progress(&line), Progress::Complete(text.len() + 2), "{text}");
            // At the end of the input it need not be followed by anything.
            let mut outline = Outline::default();
            assert_eq!(outline.take(text.as_bytes()), Progress::Open, "{text}");
            assert!(outline.is_complete(), "{text}");
        }
        let open = [
            "",
            "{",
            "[1,",
            "[1\n",
            "{\"a\"\n",
            "{\"a\":\n",
            "{\"a\":1,\n",
            "[[]\n",
            "\"a",
            "\"a\\",
        ];
        for text in open {
            let mut outline = Outline::default();
            assert_eq!(outline.take(text.as_bytes()), Progress::Open, "{text}");
            assert!(!outline.is_complete(), "{text}");
        }
    }

    #[test]
    fn a_document_is_broken_where_nothing_can_mend_it() {
        let texts = [
            ("{\"a\": [1, 2\n", "{"),
            ("{\"a\": 1\n", "\"b\""),
            ("{\"a\" ", "1"),
            ("{\"a\": 1, ", "{"),
            ("{", "1"),
            ("[1,", "]"),
            ("[1", "}"),
            ("{\"a\"", ","),
            ("{\"a\"", "}"),
            ("[", ","),
            ("[", ":"),
            ("", "]"),
            ("\"a", "\n"),
            ("\"a\\", "\n"),
        ];
        for (good, bad) in texts {
            let text = format!("{good}{bad}\n{{}}");
            assert_eq!(progress(&text), Progress::Broken(good.len()), "{text}");
        }
    }

    #[test]
    fn it_is_as_deep_as_a_document_may_be() {
        let deepest = MAX_DEPTH as usize;
        assert_eq!(progress(&"[\n".repeat(deepest)), Progress::Open);
        assert_eq!(progress(&"[\n".repeat(deepest + 1)), Progress::Broken(2 * deepest));
    }
}
