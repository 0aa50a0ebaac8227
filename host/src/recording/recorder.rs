use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::header::{Header, Sampling};
use super::record::{Learnt, Record};
use super::redaction::Redaction;
use super::store::Store;
use crate::batch::Batch;
use crate::contract::{Contract, Event};
use crate::outcome::{Outcome, Verdict};
use crate::pointer::FieldPointer;
use crate::rule::Rule;
use crate::state::Lesson;
use crate::telemetry;

/// How many bytes of payloads may wait to be written.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// Where and how traffic is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct RecorderOptions {
    /// The folder, which is made if there is none.
    pub folder: PathBuf,
    /// How many bytes all of its files may have.
    pub max_bytes: u64,
    /// Which records are written.
    pub sampling: Sampling,
    /// The fields to redact. Where there are any, a payload that is not JSON is not written.
    pub redact: Vec<FieldPointer>,
}

impl RecorderOptions {
    /// The least that a recording may be allowed, in bytes.
    pub const MIN_BYTES: u64 = 64 << 10;
}

/// Writes a recording, on a thread of its own: whoever answers records does not wait for it, and does
/// not fail if it does. A clone is the same recorder; dropping the last one waits until all is written.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    sampling: Sampling,
    redacted: Vec<String>,
    /// How many records there were.
    number: AtomicU64,
    /// The last header that was used.
    header: Mutex<Option<Arc<Header>>>,
    waiting_bytes: Arc<AtomicUsize>,
    lost: AtomicU64,
    writer: WriterThread,
}

/// The thread that writes. It ends when this is dropped, which waits for what it was given.
struct WriterThread {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    /// False if it has ended, as after a panic.
    fn give(&self, work: Work) -> bool {
        self.work.as_ref().is_some_and(|to| to.send(work).is_ok())
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        drop(self.work.take());
        // A panic was reported when it happened.
        self.thread.take().map(JoinHandle::join);
    }
}

/// What the writing thread is to do.
enum Work {
    Write(Arc<Header>, Vec<Record>),
    Tell(Sender<Tally>),
}

/// What became of the records that were chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// They are in the recording.
    pub written: u64,
    /// They are not, as the disk was too slow for them.
    pub lost: u64,
    /// They are not JSON, and so could not be redacted.
    pub unredactable: u64,
    /// Writing them failed.
    pub failed: u64,
    /// The fields to redact that no record had: they may be misspelt.
    pub never_found: Vec<String>,
}

impl Tally {
    /// Whether all that was chosen is in the recording.
    pub fn is_whole(&self) -> bool {
        let Self { lost, unredactable, failed, .. } = self;
        lost + unredactable + failed == 0
    }
}

impl Recorder {
    /// Begins a recording. Nothing is written before the first record.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made or read, or another recorder records into it. If it is allowed less than
    /// [`MIN_BYTES`](RecorderOptions::MIN_BYTES).
    pub fn start(options: RecorderOptions) -> io::Result<Self> {
        let RecorderOptions { folder, max_bytes, sampling, redact } = options;
        if max_bytes < RecorderOptions::MIN_BYTES {
            let least = RecorderOptions::MIN_BYTES;
            let reason = format!("a recording needs at least {least} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let store = Store::open(folder, max_bytes)?;
        let redaction = Redaction::new(&redact).map_err(io::Error::other)?;
        let (to_writer, work) = mpsc::channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&waiting_bytes);
        let writer = Writer { store, redaction, tally: Tally::default(), has_failed: false };
        let name = thread::Builder::new().name("recorder".to_owned());
        let thread = name.spawn(move || writer.run(&work, &waiting))?;
        Ok(Self(Arc::new(Shared {
            sampling,
            redacted: redact.iter().map(ToString::to_string).collect(),
            number: AtomicU64::new(0),
            header: Mutex::default(),
            waiting_bytes,
            lost: AtomicU64::new(0),
            writer: WriterThread { work: Some(to_writer), thread: Some(thread) },
        })))
    }

    /// Records what was chosen of an event, with what a rule that keeps state has learnt of it. It takes
    /// copying that, and no waiting.
    pub(crate) fn record(
        &self,
        (rule, settings): (&Rule, &str),
        event: &Event<'_>,
        batch: &Batch,
        outcome: &Outcome,
        lessons: &[Lesson],
    ) {
        let Shared { sampling, number, waiting_bytes, writer, .. } = &*self.0;
        let first = number.fetch_add(batch.len() as u64, Relaxed);
        let seed = xxh3_64_with_seed(event.source.as_bytes(), sampling.seed);
        let is_chosen = |&entry: &usize| {
            sampling.chooses(outcome.verdicts[entry], || identity(seed, event, batch, entry))
        };
        let chosen: Vec<usize> = (0..outcome.verdicts.len()).filter(is_chosen).collect();
        if chosen.is_empty() {
            return;
        }
        let bytes = chosen.iter().filter_map(|&entry| batch.payload(entry)).map(<[u8]>::len).sum();
        if waiting_bytes.load(Relaxed).saturating_add(bytes) > MAX_WAITING_BYTES {
            return self.lose(chosen.len());
        }
        let time_ms = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_millis() as u64);
        let learnt = learnt(lessons, outcome);
        let record = |&entry: &usize| {
            Some(Record {
                number: first + entry as u64,
                id: event.entry_id(entry).into_owned(),
                contract: event.contract,
                source: event.source.clone().into_owned(),
                time_ms,
                encoding: batch.encoding(),
                given: batch.payload(entry)?.to_vec(),
                redacted: false,
                learnt: learnt.get(&entry).cloned(),
                ruling: outcome.ruling(entry)?,
            })
        };
        let records: Vec<Record> = chosen.iter().filter_map(record).collect();
        waiting_bytes.fetch_add(bytes, Relaxed);
        if !writer.give(Work::Write(self.header(rule, settings), records)) {
            self.lose(chosen.len());
        }
    }

    /// What became of all records that were chosen until now. Waits until they are written.
    pub fn tally(&self) -> Tally {
        let (tell, told) = mpsc::channel();
        let told = self.0.writer.give(Work::Tell(tell)).then(|| told.recv().ok()).flatten();
        Tally { lost: self.0.lost.load(Relaxed), ..told.unwrap_or_default() }
    }

    fn lose(&self, records: usize) {
        self.0.lost.fetch_add(records as u64, Relaxed);
        telemetry::recorded("lost", records as u64);
    }

    fn header(&self, rule: &Rule, settings: &str) -> Arc<Header> {
        let Shared { sampling, redacted, header, .. } = &*self.0;
        let mut header = header.lock().unwrap_or_else(PoisonError::into_inner);
        match &*header {
            Some(header) if header.is_of(rule, settings) => Arc::clone(header),
            _ => {
                let new = Header::new(rule, settings, *sampling, redacted.clone());
                Arc::clone(header.insert(Arc::new(new)))
            }
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("sampling", &self.0.sampling).finish_non_exhaustive()
    }
}

/// A hash of what a record is known by, with a seed that is of its source. The line of a file is no
/// identity, as another file of that name has such lines too: there, the payload counts.
fn identity(seed: u64, event: &Event<'_>, batch: &Batch, entry: usize) -> u64 {
    let id = xxh3_64_with_seed(event.entry_id(entry).as_bytes(), seed);
    match event.contract {
        Contract::Ndjson => xxh3_64_with_seed(batch.payload(entry).unwrap_or_default(), id),
        _ => id,
    }
}

/// How the entries of a batch were learnt.
fn learnt(lessons: &[Lesson], outcome: &Outcome) -> HashMap<usize, Learnt> {
    let mut learnt = HashMap::new();
    for Lesson { partition, entries, after, again } in lessons {
        let (state, mut after) = (partition.to_string(), *after);
        for entry in entries.clone() {
            let again = again.binary_search(&entry).is_ok();
            learnt.insert(entry, Learnt { state: state.clone(), after, again });
            after += u64::from(outcome.verdicts[entry] != Verdict::Fail);
        }
    }
    learnt
}

/// The writing thread.
struct Writer {
    store: Store,
    redaction: Redaction,
    tally: Tally,
    has_failed: bool,
}

impl Writer {
    /// Works until the last recorder is dropped.
    fn run(mut self, work: &Receiver<Work>, waiting_bytes: &AtomicUsize) {
        let mut line = Vec::new();
        for work in work {
            match work {
                Work::Write(header, records) => {
                    for record in records {
                        let bytes = record.given.len();
                        self.write(&header, record, &mut line);
                        waiting_bytes.fetch_sub(bytes, Relaxed);
                    }
                }
                Work::Tell(tell) => {
                    let never_found = self.redaction.never_found();
                    // Whoever asked need not wait for it.
                    let _ = tell.send(Tally { never_found, ..self.tally.clone() });
                }
            }
        }
    }

    fn write(&mut self, header: &Arc<Header>, mut record: Record, line: &mut Vec<u8>) {
        if self.redaction.redact(&mut record).is_err() {
            self.tally.unredactable += 1;
            return telemetry::recorded("unredactable", 1);
        }
        line.clear();
        record.write(line);
        match self.store.append(header, line) {
            Ok(()) => {
                self.tally.written += 1;
                telemetry::recorded("written", 1);
            }
            Err(error) => {
                self.tally.failed += 1;
                telemetry::recorded("failed", 1);
                // A full disk stays full for a while.
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::error!(%error, "a record cannot be recorded");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Origin;

    #[test]
    fn what_came_again_is_not_learnt_and_what_fails_does_not_count() {
        let event = Event::read(Some(Contract::Ndjson), b"{}\n{}\n{}\n{}\n", &Origin::default());
        let (event, batch) = event.expect("an event");
        let partition = event.shares(&batch).remove(0).partition;
        let lesson = Lesson { partition, entries: 1..4, after: 5, again: vec![3] };
        let verdicts = vec![Verdict::Pass, Verdict::Fail, Verdict::Pass, Verdict::Flag];
        let learnt = learnt(&[lesson], &Outcome { verdicts, ..Outcome::default() });
        let of = |entry| learnt.get(&entry).map(|learnt: &Learnt| (learnt.after, learnt.again));
        let expected = [None, Some((5, false)), Some((5, false)), Some((6, true))];
        assert_eq!([0, 1, 2, 3].map(of), expected);
    }
}
