//! Events out of files: JSON documents, one after the other, or records, one a line.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;

use memchr::memchr2;

use crate::contract::Contract;

/// The largest document that is read, in bytes. The services send at most 6 MB.
const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// How many lines are one event, where every line is a record.
const LINES_PER_EVENT: usize = 500;

/// How many bytes are one event at the most, where every line is a record.
const BYTES_PER_EVENT: usize = 1 << 20;

/// An event, as it was read.
#[derive(Debug)]
pub(super) struct InputEvent {
    pub(super) body: Vec<u8>,
    /// The contract, where the reader had to know it.
    pub(super) contract: Option<Contract>,
    /// The file's name.
    pub(super) name: Arc<str>,
    /// The number of its first line, from 1.
    pub(super) line: u64,
    /// Whether it is a file, which is read from its first line whenever it is read.
    pub(super) is_file: bool,
}

/// Reads the events of one input, one at a time.
///
/// Without a contract, the first document tells whether there are envelopes or bare records: in
/// envelopes, a document may span lines; bare records stand one a line.
pub(super) struct Events<R> {
    name: Arc<str>,
    is_file: bool,
    /// A document that was read and given back, to be read before the input goes on.
    given_back: Cursor<Vec<u8>>,
    input: BufReader<R>,
    /// The number of the next line.
    line: u64,
    contract: Option<Contract>,
    detected: bool,
    /// The input failed: there is no telling what would come next.
    failed: bool,
}

impl<R: Read> Events<R> {
    pub(super) fn new(name: &str, input: R, contract: Option<Contract>) -> Self {
        let input = BufReader::with_capacity(BYTES_PER_EVENT, input);
        let detected = contract.is_some();
        Self {
            name: name.into(),
            is_file: false,
            given_back: Cursor::default(),
            input,
            line: 1,
            contract,
            detected,
            failed: false,
        }
    }

    /// Says that the input is a file.
    pub(super) fn of_file(mut self, is_file: bool) -> Self {
        self.is_file = is_file;
        self
    }

    fn read(&mut self) -> io::Result<Option<InputEvent>> {
        if self.contract == Some(Contract::Ndjson) {
            return self.lines();
        }
        let Some(event) = self.document()? else { return Ok(None) };
        if !self.detected && Contract::detect(&event.body).is_ok_and(|c| c == Contract::Ndjson) {
            return self.again_as_lines(event);
        }
        self.detected = true;
        Ok(Some(event))
    }

    /// Gives back a document that turned out to be bare records, to be read by lines.
    fn again_as_lines(&mut self, document: InputEvent) -> io::Result<Option<InputEvent>> {
        self.contract = Some(Contract::Ndjson);
        self.line = document.line;
        self.given_back = Cursor::new(document.body);
        self.lines()
    }

    /// The next lines, as one event: those that are there, so that a slow pipe is answered as it
    /// flows.
    fn lines(&mut self) -> io::Result<Option<InputEvent>> {
        let first = self.line;
        let mut body = Vec::new();
        for _ in 0..LINES_PER_EVENT {
            if self.line(&mut body)? == 0 || body.len() >= BYTES_PER_EVENT || self.would_wait() {
                break;
            }
        }
        Ok((!body.is_empty()).then(|| self.event(body, first)))
    }

    /// The next JSON document, with the lines it spans.
    fn document(&mut self) -> io::Result<Option<InputEvent>> {
        let mut body = Vec::new();
        let mut first = self.line;
        let mut nesting = Nesting::default();
        loop {
            let start = body.len();
            if self.line(&mut body)? == 0 {
                return Ok((!body.is_empty()).then(|| self.event(body, first)));
            }
            if body.trim_ascii().is_empty() {
                body.clear();
                first = self.line;
            } else if nesting.ends_within(&body[start..]) {
                return Ok(Some(self.event(body, first)));
            }
        }
    }

    /// Appends the next line; the number of bytes is 0 at the end.
    fn line(&mut self, to: &mut Vec<u8>) -> io::Result<usize> {
        let room = (MAX_DOCUMENT_BYTES + 1).saturating_sub(to.len()) as u64;
        let mut bytes = self.given_back.by_ref().take(room).read_until(b'\n', to)?;
        if bytes == 0 {
            bytes = self.input.by_ref().take(room).read_until(b'\n', to)?;
        }
        if to.len() > MAX_DOCUMENT_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("line {}: a document exceeds {MAX_DOCUMENT_BYTES} bytes", self.line),
            ));
        }
        self.line += u64::from(bytes > 0);
        Ok(bytes)
    }

    /// Whether the next line has yet to be fetched from the input.
    fn would_wait(&self) -> bool {
        let ahead = &self.given_back;
        ahead.position() == ahead.get_ref().len() as u64 && self.input.buffer().is_empty()
    }

    fn event(&self, body: Vec<u8>, line: u64) -> InputEvent {
        let (contract, name, is_file) = (self.contract, Arc::clone(&self.name), self.is_file);
        InputEvent { body, contract, name, line, is_file }
    }
}

impl<R: Read> Iterator for Events<R> {
    type Item = io::Result<InputEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let event = self.read();
        self.failed = event.is_err();
        event.transpose()
    }
}

/// Follows a document's brackets, to tell where it ends. Whether it is JSON is for others to say.
#[derive(Default)]
struct Nesting {
    depth: usize,
}

impl Nesting {
    /// Takes the next line. True if the document ends with it: all brackets are closed, or a
    /// string is not, which no later line can mend.
    fn ends_within(&mut self, line: &[u8]) -> bool {
        let mut bytes = line.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => match behind_string(bytes.as_slice()) {
                    Some(rest) => bytes = rest.iter(),
                    None => return true,
                },
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        self.depth == 0
    }
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

    fn events(text: &str) -> Vec<(String, u64)> {
        Events::new("x", text.as_bytes(), None)
            .map(|event| event.expect("an event"))
            .map(|event| (String::from_utf8(event.body).expect("UTF-8"), event.line))
            .collect()
    }

    const EVENT: &str = r#"{"applicationArn":"a","records":[]}"#;

    #[test]
    fn one_document_a_line() {
        let read = events(&format!("\n{EVENT}\n\n{EVENT}"));
        assert_eq!(read, [(format!("{EVENT}\n"), 2), (EVENT.to_owned(), 4)]);
    }

    #[test]
    fn a_document_may_span_lines() {
        let pretty = "{\n\"applicationArn\": \"}{\\\"\",\n\"records\": [\n]}\n";
        assert_eq!(events(&format!("{pretty}{EVENT}")), [(pretty.into(), 1), (EVENT.into(), 5)]);
    }

    #[test]
    fn after_a_broken_line_the_next_one_is_read() {
        let read = events(&format!("{EVENT}\n{{\"a\": \"x\n{EVENT}"));
        assert_eq!(read.len(), 3);
        assert_eq!(read[2], (EVENT.to_owned(), 3));
    }

    #[test]
    fn bare_records_are_taken_line_by_line() {
        let text = "{\"a\":1}\n{\"a\":2\n{\"a\":3}\n";
        assert_eq!(events(text), [(text.to_owned(), 1)]);
        let many = "{}\n".repeat(LINES_PER_EVENT + 1);
        let read = events(&many);
        assert_eq!(read.iter().map(|(_, line)| *line).collect::<Vec<_>>(), [1, 501]);
    }

    #[test]
    fn a_document_that_never_ends_is_an_error() {
        let endless = io::repeat(b'[');
        let mut events = Events::new("x", endless, None);
        assert!(matches!(events.next(), Some(Err(_))));
        assert!(events.next().is_none(), "an input that failed has ended");
    }
}
