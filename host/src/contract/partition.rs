//! Which partition of its stream each record of an event is of, and where in it.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::event::Records;
use super::{Event, kinesis};
use crate::batch::Batch;
use crate::digest::sha256_hex;

/// A part of a stream whose records come in order: a shard of Kinesis, a file. A stream that has no
/// parts is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Partition(String);

impl Partition {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a record stands in its partition: its sequence number, or the number of its line. It has
/// more digits than any integer type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Position(String);

impl Position {
    /// Of decimal digits.
    pub(super) fn new(digits: &str) -> Self {
        Self(digits.trim_start_matches('0').to_owned())
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        kinesis::compare(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "0" } else { &self.0 })
    }
}

impl TryFrom<String> for Position {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Ok(Self::new(&text)),
            false => Err(format!("not a decimal number: {text:?}")),
        }
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

/// What an event holds of one partition.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) partition: Partition,
    /// Where it stands in the batch, ascending.
    pub(crate) runs: Vec<Run>,
    /// If a file begins with this event.
    pub(crate) beginning: Option<Beginning>,
}

/// The beginning of a file.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// What tells it from another of the same name: a digest of its first record.
    pub(crate) digest: String,
    /// Whether it took the place of another, which may have begun alike.
    pub(crate) replaces: bool,
}

/// Entries of a batch that follow each other and are of one partition.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) entries: Range<usize>,
    /// The positions of their records, one an entry. Empty where records have none.
    pub(crate) positions: Vec<Position>,
    /// The ids by which they are known if they come again, one an entry. Empty where there are positions, and
    /// where records do not come again.
    pub(crate) ids: Vec<String>,
}

impl Event<'_> {
    /// What it holds of each partition. Of one without entries there is nothing to tell.
    pub(crate) fn shares(&self, batch: &Batch) -> Vec<Share> {
        let mut shares: Vec<Share> = Vec::new();
        let mut before: Option<(usize, &str)> = None;
        for entry in 0..batch.len() {
            let shard = self.shard(self.record_of(entry));
            let of = match before {
                Some((of, as_before)) if as_before == shard => of,
                _ => self.next_run(&mut shares, shard, entry, batch),
            };
            before = Some((of, shard));
            let run = shares[of].runs.last_mut().expect("it has begun");
            run.entries.end = entry + 1;
            match self.position(self.record_of(entry)) {
                Some(position) => run.positions.push(position),
                None if self.enveloped().is_empty() => {}
                None => run.ids.push(self.entry_id(entry).into_owned()),
            }
        }
        shares
    }

    /// Begins a run at an entry. Says whose it is.
    fn next_run(&self, shares: &mut Vec<Share>, shard: &str, entry: usize, batch: &Batch) -> usize {
        let run = Run { entries: entry..entry, positions: Vec::new(), ids: Vec::new() };
        let partition = self.partition(shard);
        if let Some(of) = shares.iter().position(|share| share.partition == partition) {
            shares[of].runs.push(run);
            return of;
        }
        let file = self.of_file.as_ref().filter(|file| file.begins);
        let beginning = file.zip(batch.payload(0)).map(|(file, record)| Beginning {
            digest: sha256_hex(record)[..32].to_owned(),
            replaces: file.replaces,
        });
        shares.push(Share { partition, runs: vec![run], beginning });
        shares.len() - 1
    }

    fn partition(&self, shard: &str) -> Partition {
        let parts = [self.contract.name(), &self.source, shard];
        Partition(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
    }

    /// The shard that a record came from. Empty if it does not say.
    fn shard(&self, record: usize) -> &str {
        self.enveloped().get(record).map_or("", kinesis::shard)
    }

    fn position(&self, record: usize) -> Option<Position> {
        match &self.records {
            Records::Lines(lines) => {
                self.of_file.as_ref().map(|_| Position::new(&lines[record].to_string()))
            }
            Records::Enveloped { .. } if self.contract == super::Contract::Kinesis => {
                Some(Position::new(&self.id(record)))
            }
            Records::Enveloped { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Contract, Origin};
    use super::*;

    fn shares(contract: Contract, body: &str, origin: &Origin<'_>) -> Vec<Share> {
        let (event, batch) =
            Event::read(Some(contract), body.as_bytes(), origin).expect("an event");
        event.shares(&batch)
    }

    fn kinesis(records: &[(&str, &str)]) -> Vec<Share> {
        let record = |(shard, number): &(&str, &str)| {
            format!(
                r#"{{"eventID":"{shard}:{number}","eventSourceARN":"arn:s","kinesis":{{"sequenceNumber":"{number}","data":"e30="}}}}"#
            )
        };
        let records: Vec<_> = records.iter().map(record).collect();
        let body = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        shares(Contract::Kinesis, &body, &Origin::default())
    }

    /// Its name, and the first entry of each run with the one behind the last.
    fn places(share: &Share) -> (String, Vec<(usize, usize)>) {
        let runs = share.runs.iter().map(|run| (run.entries.start, run.entries.end));
        (share.partition.to_string(), runs.collect())
    }

    #[test]
    fn a_shard_is_a_partition() {
        let shares = kinesis(&[("shardId-1", "9"), ("shardId-1", "10")]);
        let [share] = &shares[..] else { panic!("{shares:?}") };
        assert_eq!(places(share), ("kinesis arn:s shardId-1".to_owned(), vec![(0, 2)]));
        assert_eq!(share.runs[0].positions, [Position::new("9"), Position::new("10")]);
    }

    #[test]
    fn an_event_may_hold_several_shards() {
        let shares = kinesis(&[("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")]);
        let places: Vec<_> = shares.iter().map(places).collect();
        assert_eq!(
            places,
            [
                ("kinesis arn:s a".to_owned(), vec![(0, 1), (2, 4)]),
                ("kinesis arn:s b".to_owned(), vec![(1, 2)])
            ]
        );
        assert_eq!(shares[0].runs[1].positions, [Position::new("3"), Position::new("4")]);
    }

    #[test]
    fn a_line_of_a_file_has_a_position_and_one_of_a_pipe_has_none() {
        let file =
            Origin { name: "a.ndjson", line: 1, is_file: true, begins: true, replaces: false };
        let beginning = &shares(Contract::Ndjson, "\n{}\n[1]", &file)[0];
        assert_eq!(beginning.partition.as_str(), "ndjson a.ndjson");
        assert_eq!(beginning.runs[0].positions, [Position::new("2"), Position::new("3")]);
        let other = &shares(Contract::Ndjson, "\n[]\n[1]", &file)[0];
        let digest = |share: &Share| share.beginning.as_ref().expect("a file").digest.clone();
        assert_ne!(digest(beginning), digest(other));
        let later = &shares(Contract::Ndjson, "{}", &Origin { line: 7, begins: false, ..file })[0];
        assert_eq!((later.beginning.is_none(), later.runs[0].positions.len()), (true, 1));
        let pipe = &shares(Contract::Ndjson, "{}", &Origin { is_file: false, ..file })[0];
        assert_eq!((pipe.beginning.is_none(), pipe.runs[0].positions.len()), (true, 0));
        assert!(pipe.runs[0].ids.is_empty(), "another pipe's first line is another");
    }

    #[test]
    fn without_shards_the_source_is_one_partition() {
        let body = r#"{"deliveryStreamArn":"arn:d","records":[{"recordId":"1","data":"e30="}]}"#;
        let share = &shares(Contract::Firehose, body, &Origin::default())[0];
        assert_eq!(share.partition.as_str(), "firehose arn:d");
        assert!(share.runs[0].positions.is_empty());
        assert_eq!(share.runs[0].ids, ["1"]);
    }

    #[test]
    fn positions_are_compared_as_numbers() {
        assert!(Position::new("0998") < Position::new("1000"));
        assert_eq!(Position::new("007"), Position::new("7"));
        assert_eq!(Position::new("000").to_string(), "0");
        assert!(Position::try_from("1e3".to_owned()).is_err());
        assert!(Position::try_from(String::new()).is_err());
    }
}
