//! Records to try rules on: out of events of any contract, bare records, and recordings.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;

use super::files;
use super::input::InputEvent;
use crate::batch::{Batch, Encoding};
use crate::contract::{Contract, Event};
use crate::recording::{self, Header, Learnt, Line, Record, is_recording};
use crate::ruling::Ruling;

/// Some records, one after the other, ready for a rule.
pub(super) struct Records {
    pub(super) batch: Batch,
    /// The id of each.
    pub(super) ids: Vec<String>,
    /// How many more there were whose data cannot be unpacked: no rule sees them.
    pub(super) unreadable: usize,
    /// What was recorded of them, if they are from a recording.
    pub(super) recorded: Option<Recorded>,
}

/// What was recorded of some records.
pub(super) struct Recorded {
    /// None if there is none before them, as in a part of a file.
    pub(super) header: Option<Arc<Header>>,
    /// What is known of each.
    pub(super) records: Vec<RecordedRuling>,
}

impl Recorded {
    /// The settings that they were recorded with.
    ///
    /// # Errors
    ///
    /// If nothing says which.
    pub(super) fn settings(&self) -> anyhow::Result<&str> {
        let header = self.header.as_ref().context(
            "no header is before these records of a recording, which says with which settings they \
             were recorded: put the first line of the recording before them, or name the settings",
        )?;
        Ok(&header.settings)
    }
}

/// What was recorded of a record.
pub(super) struct RecordedRuling {
    pub(super) redacted: bool,
    /// How a rule that keeps state has learnt it.
    pub(super) learnt: Option<Learnt>,
    pub(super) ruling: Ruling,
}

/// Reads all records of some files, a batch at a time, no further ahead than is worked on.
pub(super) struct Traffic {
    events: mpsc::Receiver<anyhow::Result<InputEvent>>,
    /// The recording that is being read: the name of its file, and the last header in it, if that
    /// could be read.
    recording: Option<(Arc<str>, Option<Arc<Header>>)>,
    ready: VecDeque<anyhow::Result<Records>>,
}

impl Traffic {
    /// Reads files, and of folders the recordings in them.
    ///
    /// # Errors
    ///
    /// If a folder cannot be read, or there is no recording in it.
    pub(super) fn open(paths: Vec<PathBuf>, contract: Option<Contract>) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for path in paths {
            if !path.is_dir() {
                all.push(path);
                continue;
            }
            let context = || path.display().to_string();
            let files = recording::files(&path).with_context(context)?;
            if files.is_empty() {
                return Err(anyhow!("there is no recording in this folder")).with_context(context);
            }
            all.extend(files);
        }
        let events = files::read(all, contract);
        Ok(Self { events, recording: None, ready: VecDeque::new() })
    }

    /// The first records, if they are from a recording, and there is no error before. Waits for them, and
    /// leaves them to be read.
    pub(super) fn first_recorded(&mut self) -> Option<&Recorded> {
        self.fetch();
        self.ready.front()?.as_ref().ok()?.recorded.as_ref()
    }

    /// Waits until there are records, or no more to come.
    fn fetch(&mut self) {
        while self.ready.is_empty() {
            match self.events.blocking_recv() {
                Some(Ok(event)) => self.take(&event),
                Some(Err(error)) => self.ready.push_back(Err(error)),
                None => return,
            }
        }
    }

    fn take(&mut self, event: &InputEvent) {
        let is_recorded = is_recording(&event.body) || event.begins && begins_recorded(&event.body);
        if is_recorded || self.is_of_recording(event) {
            self.take_recording(event);
        } else {
            let read = read_event(event);
            self.ready.push_back(read.with_context(|| format!("{}:{}", event.name, event.line)));
        }
    }

    fn is_of_recording(&self, event: &InputEvent) -> bool {
        self.recording.as_ref().is_some_and(|(name, _)| *name == event.name)
    }

    /// Takes lines of a recording. Records that a rule can be given together become one batch.
    fn take_recording(&mut self, event: &InputEvent) {
        if !self.is_of_recording(event) {
            self.recording = Some((Arc::clone(&event.name), None));
        }
        let mut together: Vec<Record> = Vec::new();
        for (number, line) in (event.line..).zip(event.body.split(|&byte| byte == b'\n')) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match Line::parse(line) {
                Ok(Line::Header(header)) => {
                    self.give(&mut together);
                    self.recording = Some((Arc::clone(&event.name), Some(Arc::new(header))));
                }
                Ok(Line::Record(record)) => {
                    if together.last().is_some_and(|last| last.encoding != record.encoding) {
                        self.give(&mut together);
                    }
                    together.push(record);
                }
                Err(error) => {
                    self.give(&mut together);
                    let place = format!("{}:{number}", event.name);
                    self.ready.push_back(Err(
                        anyhow!("not a line of a recording: {error}").context(place)
                    ));
                }
            }
        }
        self.give(&mut together);
    }

    fn give(&mut self, records: &mut Vec<Record>) {
        let records = std::mem::take(records);
        let Some(encoding) = records.first().map(|record| record.encoding) else { return };
        let header = self.recording.as_ref().and_then(|(_, header)| header.clone());
        self.ready.push_back(Ok(of_recording(records, encoding, header)));
    }
}

impl Iterator for Traffic {
    type Item = anyhow::Result<Records>;

    /// Waits for the next records, outside of any runtime.
    fn next(&mut self) -> Option<Self::Item> {
        self.fetch();
        self.ready.pop_front()
    }
}

/// Whether the first line is a record of a recording: a file of them that was split has its header in the
/// first part.
fn begins_recorded(text: &[u8]) -> bool {
    let first = text.split(|&byte| byte == b'\n').next();
    first.is_some_and(|line| Line::parse(line).is_ok())
}

fn read_event(event: &InputEvent) -> anyhow::Result<Records> {
    let (read, batch) = Event::read(event.contract, &event.body, &event.origin())?;
    let ids = (0..batch.len()).map(|entry| read.entry_id(entry).into_owned()).collect();
    Ok(Records { batch, ids, unreadable: read.unreadable().len(), recorded: None })
}

fn of_recording(records: Vec<Record>, encoding: Encoding, header: Option<Arc<Header>>) -> Records {
    let bytes = records.iter().map(|record| record.given.len()).sum();
    let mut batch = Batch::with_capacity(encoding, records.len(), bytes);
    let mut ids = Vec::with_capacity(records.len());
    let mut rulings = Vec::with_capacity(records.len());
    for Record { id, given, redacted, learnt, ruling, .. } in records {
        batch.push(&given);
        ids.push(id);
        rulings.push(RecordedRuling { redacted, learnt, ruling });
    }
    Records { batch, ids, unreadable: 0, recorded: Some(Recorded { header, records: rulings }) }
}
