//! A recording: a sampled, size-bounded copy of live traffic with what the rule said of it, to try
//! other rules on, and to prove verdicts again.
//!
//! It is NDJSON, in a folder of files that are read in the order of their names. A [`Header`] says
//! which rule the lines behind it are from, up to the next header; each line is a [`Record`]. So
//! recordings can be joined, cut between lines and searched with the tools that there are.

mod as_text;

mod header;

mod payload;

mod record;

mod line;

mod redaction;

mod folder;

mod store;

mod recorder;

pub use folder::files;
pub use header::{Header, Sampling};
pub use line::Line;
#[cfg(feature = "cli")]
pub(crate) use line::is_recording;
pub use record::{Learnt, Record};
pub use recorder::{Recorder, RecorderOptions, Tally};
