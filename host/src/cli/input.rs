//! Events out of files: JSON documents, one after the other, or records, one a line.

mod lookahead;
mod outline;

use std::fs::File;
use std::io::{self, ErrorKind::FileTooLarge, Read};
use std::mem;
use std::sync::Arc;

use memchr::{memchr, memchr_iter, memmem};

use self::lookahead::Lookahead;
use self::outline::{Outline, Progress};
use crate::contract::{Contract, Origin};

/// The largest document that is read, in bytes. The services send at most 6 MB.
const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// How many lines are one event, where every line is a record.
const LINES_PER_EVENT: usize = 500;

/// How many bytes are one event at the most, where every line is a record.
pub(super) const BYTES_PER_EVENT: usize = 1 << 20;

/// What some programs begin a file of UTF-8 with. It is no part of what is in it.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
    /// Whether it holds the first record of it.
    pub(super) begins: bool,
    /// Whether it is of a file that took the place of another.
    pub(super) replaces: bool,
}

impl InputEvent {
    /// What its records are named after.
    pub(super) fn origin(&self) -> Origin<'_> {
        let Self { name, line, is_file, begins, replaces, .. } = self;
        Origin { name, line: *line, is_file: *is_file, begins: *begins, replaces: *replaces }
    }
}

/// What events are read from.
pub(super) trait Source: Read {
    /// How many bytes it is worth to make room for, before more is read. At least 1.
    fn room(&self) -> usize {
        BYTES_PER_EVENT
    }

    /// After its end: whether another takes its place, which is read from its beginning.
    fn begins_anew(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

impl Source for File {}

impl Source for Box<dyn Source> {
    fn room(&self) -> usize {
        (**self).room()
    }

    fn begins_anew(&mut self) -> io::Result<bool> {
        (**self).begins_anew()
    }
}

/// Reads the events of one input, one at a time.
///
/// Without a contract, the first document that is one tells whether there are envelopes or bare records:
/// in envelopes, a document may span lines; bare records stand one a line. One that is broken is an event
/// of its own, and does not take along what follows it.
pub(super) struct Events<R> {
    name: Arc<str>,
    is_file: bool,
    input: Lookahead<R>,
    /// Whether nothing was read of it.
    is_new: bool,
    /// The number of the line that is ahead.
    line: u64,
    contract: Option<Contract>,
    detected: bool,
    /// Whether a record was read, where every line is one.
    has_begun: bool,
    /// Whether it took the place of another.
    replaces: bool,
    /// Whether the rest of a line is to be passed over, as it is too long.
    is_too_long: bool,
    /// How far the document was indented that broke off last, while the next line may be the rest of
    /// it.
    broken_off: Option<usize>,
    /// The input failed: there is no telling what would come next.
    failed: bool,
}

impl<R: Source> Events<R> {
    pub(super) fn new(name: &str, input: R, contract: Option<Contract>) -> Self {
        let detected = contract.is_some();
        Self {
            name: name.into(),
            is_file: false,
            input: Lookahead::new(input),
            is_new: true,
            line: 1,
            contract,
            detected,
            has_begun: false,
            replaces: false,
            is_too_long: false,
            broken_off: None,
            failed: false,
        }
    }

    /// Says that the input is a file.
    pub(super) fn of_file(mut self, is_file: bool) -> Self {
        self.is_file = is_file;
        self
    }

    fn read(&mut self) -> io::Result<Option<InputEvent>> {
        if mem::take(&mut self.is_new) {
            self.pass_byte_order_mark()?;
        }
        if mem::take(&mut self.is_too_long) {
            self.pass_line()?;
        }
        if self.contract == Some(Contract::Ndjson) {
            return self.lines();
        }
        let Some(end) = self.document()? else { return Ok(None) };
        if !self.detected {
            let document = &self.input.ahead()[..end];
            let contract = Contract::detect(document);
            if matches!(contract, Ok(Contract::Ndjson)) {
                self.contract = Some(Contract::Ndjson);
                return self.lines();
            }
            // What is broken tells nothing of what follows it, unless it was to be an envelope, whose
            // records must not pass for bare ones.
            self.detected = contract.is_ok() || has_records(document);
        }
        Ok(Some(self.take(end)))
    }

    /// The same, also beyond the end if another input begins there.
    fn read_on(&mut self) -> io::Result<Option<InputEvent>> {
        loop {
            let event = self.read()?;
            if event.is_some() || !self.input.begins_anew()? {
                return Ok(event);
            }
            (self.line, self.has_begun, self.broken_off) = (1, false, None);
            (self.is_new, self.replaces) = (true, true);
        }
    }

    /// The next lines, as one event: those that are there, so that a slow pipe is answered as it
    /// flows.
    fn lines(&mut self) -> io::Result<Option<InputEvent>> {
        let mut end = self.end_of_line(0)?;
        let ahead = self.input.ahead();
        for _ in 1..LINES_PER_EVENT {
            // Whoever writes by blocks stops within a line.
            let Some(next) = memchr(b'\n', &ahead[end..]) else { break };
            if end + next >= MAX_DOCUMENT_BYTES || end >= BYTES_PER_EVENT {
                break;
            }
            end += next + 1;
        }
        let begins = !self.has_begun && !ahead[..end].trim_ascii().is_empty();
        self.has_begun |= begins;
        Ok((end > 0).then(|| InputEvent { begins, ..self.take(end) }))
    }

    /// Where the next JSON document ends in what is ahead. None at the end of the input.
    fn document(&mut self) -> io::Result<Option<usize>> {
        if !self.pass_lines_between()? {
            return Ok(None);
        }
        let mut outline = Outline::default();
        let mut is_broken = false;
        let end = self.find(0, |piece| match outline.take(piece) {
            Progress::Open => None,
            Progress::Complete(end) => Some(end),
            Progress::Broken(at) => {
                is_broken = true;
                Some(at)
            }
        })?;
        Ok(Some(match end {
            Some(at) if is_broken => {
                let lines = self.end_of_line(at)?;
                self.end_of_broken(lines)
            }
            Some(end) => end,
            None if outline.is_complete() => self.input.ahead().len(),
            None => self.end_of_broken(self.input.ahead().len()),
        }))
    }

    /// Where a document ends that is none, within the lines in which that showed. Those that may be
    /// documents of their own are not taken along.
    fn end_of_broken(&mut self, lines: usize) -> usize {
        let text = &self.input.ahead()[..lines];
        let indentation = indentation(text);
        let (mut end, mut count) = (0, 0);
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            if end > 0 && !is_within(line, indentation) {
                return end;
            }
            end += line.len();
            count += 1;
        }
        if count > 1 {
            self.broken_off = Some(indentation);
        }
        end
    }

    /// Passes lines that are of no document: they are empty, or the rest of one that broke off. Whether
    /// there is another.
    fn pass_lines_between(&mut self) -> io::Result<bool> {
        let begins = |byte: &u8| *byte == b'\n' || !byte.is_ascii_whitespace();
        while let Some(at) = self.find(0, |piece| piece.iter().position(begins))? {
            let line = &self.input.ahead()[..=at];
            let is_rest = self.broken_off.is_some_and(|indentation| is_within(line, indentation));
            if !is_rest {
                self.broken_off = None;
                if !line.ends_with(b"\n") {
                    return Ok(true);
                }
            }
            self.pass_line()?;
        }
        self.input.pass(usize::MAX);
        Ok(false)
    }

    /// Passes the rest of the line, however long it is.
    fn pass_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(at) = memchr(b'\n', self.input.ahead()) {
                self.pass(at + 1);
                return Ok(());
            }
            self.input.pass(usize::MAX);
            if self.input.fill()? == 0 {
                return Ok(());
            }
        }
    }

    fn pass_byte_order_mark(&mut self) -> io::Result<()> {
        while BYTE_ORDER_MARK.starts_with(self.input.ahead()) && self.input.fill()? > 0 {}
        if self.input.ahead().starts_with(BYTE_ORDER_MARK) {
            self.input.pass(BYTE_ORDER_MARK.len());
        }
        Ok(())
    }

    /// Where the line ends, in what is ahead, that goes on at this place, or the input.
    fn end_of_line(&mut self, from: usize) -> io::Result<usize> {
        let end = self.find(from, |piece| memchr(b'\n', piece).map(|at| at + 1))?;
        Ok(end.unwrap_or(self.input.ahead().len()))
    }

    /// Finds a place in what is ahead, from there on, and reads more until it is found or the input
    /// ends. Whoever looks is shown each byte once.
    fn find(
        &mut self,
        from: usize,
        mut look: impl FnMut(&[u8]) -> Option<usize>,
    ) -> io::Result<Option<usize>> {
        let mut seen = from;
        loop {
            let ahead = self.input.ahead();
            let found = look(&ahead[seen..]).map(|at| seen + at);
            seen = ahead.len();
            if found.unwrap_or(seen) > MAX_DOCUMENT_BYTES {
                return Err(self.too_long());
            }
            if found.is_some() || self.input.fill()? == 0 {
                return Ok(found);
            }
        }
    }

    /// Passes what is too long, up to the line in which that showed: its rest is passed next.
    fn too_long(&mut self) -> io::Error {
        self.pass(MAX_DOCUMENT_BYTES);
        self.is_too_long = true;
        let reason = format!("line {}: a document exceeds {MAX_DOCUMENT_BYTES} bytes", self.line);
        io::Error::new(FileTooLarge, reason)
    }

    /// Takes so many bytes of what is ahead.
    fn take(&mut self, bytes: usize) -> InputEvent {
        let event = InputEvent {
            body: self.input.ahead()[..bytes].to_vec(),
            contract: self.contract,
            name: Arc::clone(&self.name),
            line: self.line,
            is_file: self.is_file,
            begins: false,
            replaces: self.replaces,
        };
        self.pass(bytes);
        event
    }

    /// Passes so many bytes of what is ahead.
    fn pass(&mut self, bytes: usize) {
        self.line += memchr_iter(b'\n', &self.input.ahead()[..bytes]).count() as u64;
        self.input.pass(bytes);
    }
}

impl<R: Source> Iterator for Events<R> {
    type Item = io::Result<InputEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let event = self.read_on();
        // What is behind a line that is too long is read as ever.
        self.failed = event.as_ref().is_err_and(|error| error.kind() != FileTooLarge);
        event.transpose()
    }
}

/// Whether a document names what only envelopes have, be it broken or not.
fn has_records(document: &[u8]) -> bool {
    let names: [&[u8]; 2] = [b"\"records\"", b"\"Records\""];
    names.iter().any(|name| memmem::find(document, name).is_some())
}

/// Whether a line is within a document that begins so far indented: it is indented further, closes a
/// bracket, or is empty.
fn is_within(line: &[u8], indentation_of_document: usize) -> bool {
    let closes = |text: &u8| matches!(text, b'}' | b']');
    line.trim_ascii_start().first().is_none_or(closes)
        || indentation(line) > indentation_of_document
}

/// How many blanks a line begins with.
fn indentation(line: &[u8]) -> usize {
    line.len() - line.trim_ascii_start().len()
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

    impl Source for &[u8] {}

    /// Has something, and must not be asked for more.
    struct Pipe<'a>(&'a [u8]);

    impl Read for Pipe<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0.is_empty(), "it would wait");
            self.0.read(to)
        }
    }

    impl Source for Pipe<'_> {}

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

    /// The numbers of the lines that events begin with, and how many lines they have.
    fn spans(text: &str) -> Vec<(u64, usize)> {
        events(text).iter().map(|(body, line)| (*line, body.lines().count())).collect()
    }

    #[test]
    fn a_record_that_is_cut_off_is_one_event_and_those_behind_it_are_read_as_ever() {
        let good = "{\"a\":1}\n{\"a\":\n{\"a\":3}\n".repeat(2);
        for cut in [
            "x",
            "{\"a\": 1, \"v\": [1, 2",
            "{\"a\": 1, \"v\": [1,",
            "{\"a\": 1, \"v\":",
            "{\"a\": 1,",
            "{\"a\": \"x",
            "{\"a\": 1 \"b\"",
            "[[",
        ] {
            assert_eq!(spans(&format!("{cut}\n{good}")), [(1, 1), (2, 6)], "{cut}");
            assert_eq!(spans(&format!("{cut}\n\n{cut}\n{good}")).last(), Some(&(4, 6)), "{cut}");
        }
        let many = "{}\n".repeat(LINES_PER_EVENT + 1);
        assert_eq!(spans(&format!("[1\n{many}")), [(1, 1), (2, 500), (502, 1)]);
    }

    #[test]
    fn documents_need_no_line_of_their_own() {
        let pretty = "{\n  \"applicationArn\": \"a\",\n  \"records\": [\n  ]\n}";
        let three = format!("{pretty}{pretty} {EVENT}");
        let expected = [(pretty.to_owned(), 1), (format!("{pretty} "), 5), (EVENT.to_owned(), 9)];
        assert_eq!(events(&three), expected);

        let line = EVENT.repeat(3);
        assert_eq!(events(&line), vec![(EVENT.to_owned(), 1); 3]);
        assert_eq!(events(&format!("{line}\n{line}\n")).len(), 6);
        let broken = events(&format!("{EVENT},\n{EVENT}\n"));
        assert_eq!(broken, [(EVENT.into(), 1), (",\n".into(), 1), (format!("{EVENT}\n"), 2)]);
        // Bare records stand one a line.
        let bare = "{\"a\":1}{\"a\":2}\n{\"a\":3}\n";
        assert_eq!(events(bare), [(bare.to_owned(), 1)]);
    }

    #[test]
    fn a_document_is_answered_before_its_line_ends() {
        let text = format!("{EVENT}{EVENT} {{\"records\": [");
        let mut events = Events::new("x", Pipe(text.as_bytes()), None);
        let mut next = || events.next().expect("an event").expect("what was read").body;
        assert_eq!(next(), EVENT.as_bytes());
        assert_eq!(next(), format!("{EVENT} ").as_bytes());
    }

    #[test]
    fn it_is_all_the_same_in_which_pieces_an_input_arrives() {
        /// Gives a byte at a time.
        struct Trickle<'a>(&'a [u8]);
        impl Read for Trickle<'_> {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                let bytes = to.len().min(1);
                self.0.read(&mut to[..bytes])
            }
        }
        impl Source for Trickle<'_> {}
        let broken = "  {\n    \"records\": [\n      \"x,\n      {}\n\n    ]\n  }\n";
        let escaped = "{\"applicationArn\":\"\\\\\\\"}\",\n\"records\":[true, 1.5]}";
        let text = format!("\u{feff}\r\n \n{escaped}{EVENT}\r\n{broken} {EVENT}1 \"a\n{EVENT}[\n");
        let read: Vec<_> = Events::new("x", Trickle(text.as_bytes()), None)
            .map(|event| event.expect("an event"))
            .map(|event| (String::from_utf8(event.body).expect("UTF-8"), event.line))
            .collect();
        let expected = [
            (escaped.to_owned(), 3),
            (format!("{EVENT}\r\n"), 4),
            ("  {\n    \"records\": [\n      \"x,\n".to_owned(), 5),
            (format!(" {EVENT}"), 12),
            ("1 ".to_owned(), 12),
            ("\"a\n".to_owned(), 12),
            (EVENT.to_owned(), 13),
            ("[\n".to_owned(), 13),
        ];
        assert_eq!(read, expected);
        assert_eq!(events(&text), expected);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_it() {
        for text in ["{\"a\":1}\n{\"a\":2}\n", EVENT, "{\n\"records\": []}"] {
            assert_eq!(events(&format!("\u{feff}{text}")), [(text.to_owned(), 1)]);
        }
        let second = events("{}\n\u{feff}{}\n");
        assert_eq!(second[0].0, "{}\n\u{feff}{}\n", "it is one at the beginning only");
    }

    #[test]
    fn an_envelope_that_is_cut_off_takes_no_other_along() {
        for cut in ["{\"records\":[{\"recordId\":\"1\"", "{\"records\":[", "{\"records\":[{},"] {
            let text = format!("{EVENT}\n{cut}\n{EVENT}\n{cut}\n{cut}\n{EVENT}\n{EVENT}");
            assert_eq!(spans(&text), [1, 2, 3, 4, 5, 6, 7].map(|line| (line, 1)), "{cut}");
            // Also at the end, and where the contract is known.
            let text = format!("{cut}\n{EVENT}\n");
            let known = Events::new("x", text.as_bytes(), Some(Contract::AnalyticsOutput));
            assert_eq!(
                known.map(|event| event.expect("an event").line).collect::<Vec<_>>(),
                [1, 2]
            );
        }
    }

    #[test]
    fn a_broken_document_of_several_lines_is_one_event() {
        let rest = "    {\"recordId\": \"1\"}\n  ],\n\n  \"applicationArn\": \"a\"\n}\n";
        let broken = [
            // A comma is missing.
            format!("{{\n  \"records\": [\n    {{}}\n{rest}"),
            // A string does not end.
            format!("{{\n  \"records\": [\n    \"x,\n{rest}"),
            // It goes on nowhere.
            "{\n  \"records\": [\n    {},\n".to_owned(),
            "{\n  \"records\": [\n    {}\n".to_owned(),
        ];
        let pretty = "{\n  \"applicationArn\": \"a\",\n  \"records\": [\n  ]\n}\n";
        for broken in broken {
            let behind = broken.lines().count() as u64 + 1;
            let read = spans(&format!("{broken}{pretty}{broken}{EVENT}\n{broken}"));
            let lines: Vec<_> = read.iter().map(|(line, _)| *line).collect();
            let second = behind + 5;
            assert_eq!(
                lines,
                [1, behind, second, second + behind - 1, second + behind],
                "{broken}"
            );
            assert_eq!([read[1].1, read[3].1], [5, 1], "{broken}");
        }
    }

    #[test]
    fn records_of_a_broken_envelope_do_not_pass_for_bare_ones() {
        let envelope = "{\"applicationArn\":\"a\",\"records\":[\n{\"recordId\":\"1\"},\n{\"recordId\":\"2\"}\n]}\n";
        for broken in [envelope.replacen("1\"}", "1", 1), envelope.replacen("},", "}", 1)] {
            let text = format!("{broken}{envelope}{EVENT}");
            assert_eq!(spans(&text)[spans(&text).len() - 2..], [(5, 4), (9, 1)], "{broken}");
        }
    }

    #[test]
    fn a_pipe_is_answered_by_what_is_whole() {
        let pipe = Pipe(b"{\"a\": [1, 2\n{\"a\":1}\n{\"a\":2}\n{\"a\":");
        let mut events = Events::new("x", pipe, None);
        let mut next = || events.next().expect("an event").expect("what was read").body;
        assert_eq!(next(), b"{\"a\": [1, 2\n");
        assert_eq!(next(), b"{\"a\":1}\n{\"a\":2}\n");
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
    fn the_first_record_is_told_whichever_line_it_is_in() {
        for before in ["", "\n\n", "[1\n", "\u{feff}"] {
            let text = format!("{before}{}", "{}\n".repeat(LINES_PER_EVENT + 1));
            let begin: Vec<_> = Events::new("x", text.as_bytes(), None)
                .map(|event| event.expect("an event"))
                .filter(|event| event.contract.is_some())
                .map(|event| event.begins)
                .collect();
            assert_eq!(begin, [true, false], "{before:?}");
        }
    }

    #[test]
    fn what_takes_the_place_of_an_input_is_read_from_its_first_line() {
        /// Inputs that follow each other.
        struct Files(Vec<&'static [u8]>);
        impl Read for Files {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                self.0[0].read(to)
            }
        }
        impl Source for Files {
            fn begins_anew(&mut self) -> io::Result<bool> {
                self.0.remove(0);
                Ok(!self.0.is_empty())
            }
        }
        let files = Files(vec![b"{}\n{}\n", b"", b"\n{}\n", b"[1,"]);
        let read: Vec<_> = Events::new("x", files, None)
            .map(|event| event.expect("an event"))
            .map(|event| (event.line, event.body, event.begins, event.replaces))
            .collect();
        let expected = [(&b"{}\n{}\n"[..], false), (b"\n{}\n", true), (b"[1,", true)];
        assert_eq!(read, expected.map(|(body, replaces)| (1, body.to_vec(), true, replaces)));
    }

    #[test]
    fn lines_that_were_read_before_the_input_failed_are_an_event() {
        /// Has lines, and then fails.
        struct Damaged(&'static [u8]);
        impl Read for Damaged {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                let error = io::ErrorKind::UnexpectedEof;
                if self.0.is_empty() { Err(error.into()) } else { self.0.read(to) }
            }
        }
        impl Source for Damaged {}
        for (text, whole) in [("{}\n{}\n{\"a", 6), ("{}\n{}\n", 6)] {
            let input = Damaged(text.as_bytes());
            let mut events = Events::new("x", input, Some(Contract::Ndjson));
            let event = events.next().expect("an event").expect("lines");
            assert_eq!(event.body, &text.as_bytes()[..whole]);
            assert!(matches!(events.next(), Some(Err(_))));
            assert!(events.next().is_none());
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_an_error_and_those_around_it_are_read() {
        let long = vec![b'x'; MAX_DOCUMENT_BYTES + 10];
        let text = [b"{}\n", &long[..], b"\n{}\n", &long[10..], b"\n{}\n"].concat();
        let read: Vec<_> = Events::new("x", &text[..], Some(Contract::Ndjson))
            .map(|event| event.map(|event| (event.line, event.body)).map_err(|e| e.to_string()))
            .collect();
        let line = |number| Ok((number, b"{}\n".to_vec()));
        let too_long = |number| Err(format!("line {number}: a document exceeds 67108864 bytes"));
        assert_eq!(read, [line(1), too_long(2), line(3), too_long(4), line(5)]);
    }

    #[test]
    fn a_document_may_be_so_long_whatever_else_is_in_its_line() {
        let event = |bytes: usize| format!("[\"{}\"]", "x".repeat(bytes - 4)).into_bytes();
        let half = event(MAX_DOCUMENT_BYTES / 2 + 1);
        let (whole, too_long) = (event(MAX_DOCUMENT_BYTES), event(MAX_DOCUMENT_BYTES + 1));
        let rest = EVENT.as_bytes();
        let text = [&half, &half, &whole, rest, &too_long, rest, b"\n", rest].concat();
        let read: Vec<_> = Events::new("x", &text[..], Some(Contract::AnalyticsOutput))
            .map(|event| event.map(|event| (event.line, event.body.len())))
            .map(|event| event.map_err(|error| error.to_string()))
            .collect();
        let too_long = Err("line 1: a document exceeds 67108864 bytes".to_owned());
        let sizes = [half.len(), half.len(), whole.len(), rest.len()].map(|bytes| Ok((1, bytes)));
        assert_eq!(read[..4], sizes);
        assert_eq!(read[4..], [too_long, Ok((2, rest.len()))]);
    }
}
