//! Where a JSON document ends that is read line by line.

use memchr::memchr2;
use weir_json::MAX_DEPTH;

/// Follows a document's brackets, commas and colons, so that each line is looked at once. Whether what
/// stands between them is JSON is for others to say.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// The brackets that are open.
    open: Vec<u8>,
    expected: Expected,
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

/// What a document is like after a line of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    Open,
    /// It ends before this byte of the line.
    Complete(usize),
    /// It is not JSON, whatever follows.
    Broken,
}

impl Outline {
    /// Takes the next line.
    pub(super) fn take(&mut self, line: &[u8]) -> Progress {
        let mut rest = line;
        while let [byte, behind @ ..] = rest.trim_ascii_start() {
            rest = behind;
            if self.is_complete() {
                return Progress::Complete(line.len() - rest.len() - 1);
            }
            let fits = match byte {
                b'{' => self.opens(b'{', Expected::FirstKey),
                b'[' => self.opens(b'[', Expected::FirstElement),
                b'}' => self.closes(b'{', Expected::FirstKey),
                b']' => self.closes(b'[', Expected::FirstElement),
                b',' => self.comma(),
                b':' => self.colon(),
                b'"' => match behind_string(rest) {
                    Some(behind) => {
                        rest = behind;
                        self.string()
                    }
                    // No later line can end it.
                    None => false,
                },
                _ => {
                    let end = rest.iter().position(|&byte| ends_scalar(byte));
                    rest = &rest[end.unwrap_or(rest.len())..];
                    self.value()
                }
            };
            if !fits {
                return Progress::Broken;
            }
        }
        match self.is_complete() {
            true => Progress::Complete(line.len()),
            false => Progress::Open,
        }
    }

    fn is_complete(&self) -> bool {
        self.open.is_empty() && self.expected == Expected::CommaOrEnd
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
fn ends_scalar(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"') || byte.is_ascii_whitespace()
}

/// What follows the string whose opening quote is before `bytes`. None if it does not end.
fn behind_string(mut bytes: &[u8]) -> Option<&[u8]> {
    // Most of an event is long strings.
    loop {
        let at = memchr2(b'"', b'\\', bytes)?;
        match bytes[at] {
            b'"' => return bytes.get(at + 1..),
            _ => bytes = bytes.get(at + 2..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(text: &str) -> Progress {
        let mut outline = Outline::default();
        let lines = text.split_inclusive('\n').map(|line| outline.take(line.as_bytes()));
        lines.last().expect("a line")
    }

    #[test]
    fn a_document_ends_where_its_value_does() {
        let texts = [
            "1",
            "\"}\\\"\"",
            "[]",
            "{}",
            "[{}, [ ], \"\"]",
            "{\"a\": [\n1,\ntrue\n],\n\"b\": {}\n}",
        ];
        for text in texts {
            let last = text.lines().next_back().expect("a line").len();
            assert_eq!(progress(text), Progress::Complete(last), "{text}");
            let line = format!("{text}  {{");
            assert_eq!(progress(&line), Progress::Complete(last + 2), "{text}");
        }
        for text in ["{", "[1,", "[1\n", "{\"a\"\n", "{\"a\":\n", "{\"a\":1,\n", "[[]\n"] {
            assert_eq!(progress(text), Progress::Open, "{text}");
        }
    }

    #[test]
    fn a_document_is_broken_where_nothing_can_mend_it() {
        let texts = [
            "{\"a\": [1, 2\n{",
            "{\"a\": 1\n\"b\"",
            "{\"a\" 1",
            "{\"a\": 1, {",
            "{1",
            "[1,]",
            "[1}",
            "{\"a\",",
            "{\"a\"}",
            "[,",
            "[:",
            "]",
            "\"a",
            "\"a\\",
        ];
        for text in texts {
            assert_eq!(progress(text), Progress::Broken, "{text}");
        }
    }

    #[test]
    fn it_is_as_deep_as_a_document_may_be() {
        let deepest = MAX_DEPTH as usize;
        assert_eq!(progress(&"[\n".repeat(deepest)), Progress::Open);
        assert_eq!(progress(&"[\n".repeat(deepest + 1)), Progress::Broken);
    }
}
