use super::header::{Header, OPENING};
use super::record::Record;

/// What stands in a line of a recording.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// What the records behind it have in common.
    Header(Header),
    /// A record.
    Record(Record),
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        match is_recording(line) {
            true => Header::parse(line).map(Self::Header),
            false => Record::parse(line).map(Self::Record),
        }
    }
}

/// Whether a text that begins like this is a recording: it begins with a header.
pub(crate) fn is_recording(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(OPENING)
}
