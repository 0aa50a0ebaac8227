//! The services that call Weir: what they send, how they take the answers, and what they send again.
//!
//! Sources: the developer guides of Kinesis Data Analytics for SQL ("Using a Lambda Function as
//! Output": what failed is sent again), Amazon Data Firehose ("Data transformation": what failed goes
//! to the error output), and AWS Lambda (event source mappings: Kinesis goes back to the lowest
//! sequence number that failed, SQS makes visible again what failed).

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

/// How long a service waits before it sends again what failed.
const BACKOFF: Duration = Duration::from_millis(50);

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Kinesis Data Analytics, to its destination.
    AnalyticsOutput,
    /// Kinesis Data Analytics, before its input.
    AnalyticsInput,
    /// Amazon Data Firehose.
    Firehose,
    /// An event source mapping of a Kinesis stream.
    Kinesis,
    /// An event source mapping of an SQS queue.
    Sqs,
}

/// A record that is to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number in the stream.
    pub number: usize,
    /// What it holds.
    pub payload: String,
}

/// What became of a stream when it was driven to its end.
#[derive(Clone, Debug, Default)]
pub struct Driven {
    /// The records that the service has given up: they are in its error output.
    pub given_up: BTreeSet<usize>,
    /// How many events it took.
    pub events: usize,
    /// How many records were sent more than once.
    pub sent_again: usize,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::AnalyticsOutput, Self::AnalyticsInput, Self::Firehose, Self::Kinesis, Self::Sqs];

    /// The id by which a record is answered.
    pub fn id(self, record: usize) -> String {
        match self {
            // Sequence numbers grow in digits, too: text does not sort them.
            Self::Kinesis => format!("{}", 9_990 + record),
            _ => format!("record-{record}"),
        }
    }

    /// An event with these records, on one line.
    pub fn event(self, records: &[Record]) -> String {
        let encode = |text: &str| base64_simd::STANDARD.encode_to_string(text);
        let plain = |record: &Record| json!({ "recordId": self.id(record.number), "data": encode(&record.payload) });
        let event = match self {
            Self::AnalyticsOutput => json!({
                "invocationId": "i", "applicationArn": "arn:a",
                "records": records.iter().map(plain).collect::<Vec<_>>(),
            }),
            Self::AnalyticsInput => json!({
                "invocationId": "i", "applicationArn": "arn:a", "streamArn": "arn:s",
                "records": records.iter().map(plain).collect::<Vec<_>>(),
            }),
            Self::Firehose => json!({
                "invocationId": "i", "deliveryStreamArn": "arn:d", "region": "us-east-1",
                "records": records.iter().map(plain).collect::<Vec<_>>(),
            }),
            Self::Kinesis => {
                let record = |record: &Record| {
                    json!({
                        "eventSource": "aws:kinesis", "eventSourceARN": "arn:k",
                        "eventID": format!("shardId-0:{}", self.id(record.number)),
                        "kinesis": {
                            "sequenceNumber": self.id(record.number),
                            "partitionKey": format!("device-{}", record.number % 7),
                            "data": encode(&record.payload),
                        },
                    })
                };
                json!({ "Records": records.iter().map(record).collect::<Vec<_>>() })
            }
            Self::Sqs => {
                let message = |record: &Record| {
                    json!({
                        "eventSource": "aws:sqs", "eventSourceARN": "arn:q",
                        "messageId": self.id(record.number), "body": record.payload,
                    })
                };
                json!({ "Records": records.iter().map(message).collect::<Vec<_>>() })
            }
        };
        event.to_string()
    }

    /// The places of the records that an answer says failed.
    ///
    /// # Panics
    ///
    /// If it does not answer for each record exactly once, as the contract wants it.
    pub fn failed(self, records: &[Record], answer: &str) -> Vec<usize> {
        let answer: Value = serde_json::from_str(answer)
            .unwrap_or_else(|error| panic!("not an answer: {error}: {answer}"));
        let ids: Vec<String> = records.iter().map(|record| self.id(record.number)).collect();
        if matches!(self, Self::Kinesis | Self::Sqs) {
            return failed_items(&ids, answer);
        }
        let answers = answer["records"].as_array().expect("answers");
        let answered: Vec<&str> = answers.iter().filter_map(|a| a["recordId"].as_str()).collect();
        assert_eq!(answered, ids, "every id once, in order");
        let failed = |answer: &Value| match answer["result"].as_str().expect("a result") {
            "Ok" | "Dropped" => false,
            "DeliveryFailed" if self == Self::AnalyticsOutput => true,
            "ProcessingFailed" if self != Self::AnalyticsOutput => true,
            result => panic!("{self:?} knows no result {result}"),
        };
        (0..answers.len()).filter(|&place| failed(&answers[place])).collect()
    }

    /// Drives a stream to its end: `answer` is given each event, and has an answer for it unless
    /// it ended before. Then the event is sent again.
    ///
    /// # Panics
    ///
    /// If it does not come to an end.
    pub fn drive(
        self,
        stream: Vec<Record>,
        batch: usize,
        mut answer: impl FnMut(&str) -> Option<String>,
    ) -> Driven {
        let most = 200 * stream.len().div_ceil(batch);
        let mut waiting: VecDeque<Record> = stream.into();
        let mut driven = Driven::default();
        let mut attempts = Attempts { size: batch, of_event: 0, of_message: BTreeMap::new() };
        while !waiting.is_empty() {
            driven.events += 1;
            assert!(driven.events < most, "the stream does not come to an end");
            let records: Vec<Record> = waiting.drain(..attempts.size.min(waiting.len())).collect();
            let (first, last) = match answer(&self.event(&records)) {
                None => (self.after_error(records, &mut attempts, &mut driven), Vec::new()),
                Some(answer) => {
                    (attempts.size, attempts.of_event) = (batch, 0);
                    let failed = self.failed(&records, &answer);
                    self.after_answer(&records, &failed, &mut attempts, &mut driven)
                }
            };
            driven.sent_again += first.len() + last.len();
            if !(first.is_empty() && last.is_empty()) {
                thread::sleep(BACKOFF);
            }
            first.into_iter().rev().for_each(|record| waiting.push_front(record));
            waiting.extend(last);
        }
        driven
    }

    /// The records that are sent again when an invocation ended in an error.
    fn after_error(
        self,
        records: Vec<Record>,
        attempts: &mut Attempts,
        driven: &mut Driven,
    ) -> Vec<Record> {
        attempts.of_event += 1;
        match self {
            // The batch is bisected.
            Self::Kinesis => attempts.size = records.len().div_ceil(2),
            Self::Firehose | Self::AnalyticsInput if attempts.of_event > RETRIES_OF_FIREHOSE => {
                attempts.of_event = 0;
                driven.given_up.extend(records.iter().map(|record| record.number));
                return Vec::new();
            }
            _ => {}
        }
        records
    }

    /// The records that are sent again at once, and those that come back behind the others.
    fn after_answer(
        self,
        records: &[Record],
        failed: &[usize],
        attempts: &mut Attempts,
        driven: &mut Driven,
    ) -> (Vec<Record>, Vec<Record>) {
        let those_that_failed = || failed.iter().map(|&place| records[place].clone());
        match self {
            Self::Kinesis => match failed.iter().min() {
                Some(&lowest) => (records[lowest..].to_vec(), Vec::new()),
                None => (Vec::new(), Vec::new()),
            },
            Self::AnalyticsOutput => (those_that_failed().collect(), Vec::new()),
            Self::AnalyticsInput | Self::Firehose => {
                driven.given_up.extend(those_that_failed().map(|record| record.number));
                (Vec::new(), Vec::new())
            }
            Self::Sqs => {
                let mut visible = Vec::new();
                for record in those_that_failed() {
                    let received = attempts.of_message.entry(record.number).or_insert(0);
                    *received += 1;
                    match *received < MAX_RECEIVE_COUNT {
                        true => visible.push(record),
                        // The queue's redrive policy moves it.
                        false => drop(driven.given_up.insert(record.number)),
                    }
                }
                (Vec::new(), visible)
            }
        }
    }
}

/// How often Firehose makes an invocation again that ended in an error.
const RETRIES_OF_FIREHOSE: u32 = 3;

/// How often a message of a queue is received before its redrive policy moves it.
const MAX_RECEIVE_COUNT: u32 = 10;

/// What a service remembers of what it sent.
struct Attempts {
    /// How many records the next event has at the most.
    size: usize,
    /// How often the event was sent, and ended in an error.
    of_event: u32,
    /// How often a message was received, and failed.
    of_message: BTreeMap<usize, u32>,
}

/// The places of the items in a list of failures.
fn failed_items(ids: &[String], answer: Value) -> Vec<usize> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Answer {
        batch_item_failures: Vec<Item>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Item {
        item_identifier: String,
    }
    let answer: Answer = serde_json::from_value(answer).expect("a list of failures");
    let items: Vec<String> =
        answer.batch_item_failures.into_iter().map(|item| item.item_identifier).collect();
    assert_eq!(items.iter().collect::<HashSet<_>>().len(), items.len(), "each once: {items:?}");
    let place = |item: &String| {
        let known = ids.iter().position(|id| id == item);
        known.unwrap_or_else(|| panic!("an unknown id: {item}"))
    };
    items.iter().map(place).collect()
}

/// A run of Weir that is given one event at a time.
#[derive(Debug)]
pub struct Conversation {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Conversation {
    /// Starts a command that reads events and writes answers, one a line.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let input = child.stdin.take().expect("a pipe was asked for");
        let output = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
        Self { child, input, output }
    }

    /// Hands it an event.
    pub fn send(&mut self, event: &str) {
        // One that has ended does not answer, and that shows.
        let _ = writeln!(self.input, "{event}").and_then(|()| self.input.flush());
    }

    /// Its answer, if it has one before it ends.
    pub fn answer(&mut self) -> Option<String> {
        let mut answer = String::new();
        let length = self.output.read_line(&mut answer).ok()?;
        (length > 0 && answer.ends_with('\n')).then_some(answer)
    }

    /// Ends it without a word, at once.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    ///
    /// # Panics
    ///
    /// If the system does not tell.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child process").is_none()
    }

    /// Its exit code, once it has ended; `None` if a signal ended it.
    ///
    /// # Panics
    ///
    /// If the system does not tell.
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("the state of a child process").code()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.kill();
    }
}
