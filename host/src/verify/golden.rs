//! Golden records: what a rule's author promises of it. Each is a record and the verdict that the
//! rule gives it; they are part of the component, and a host runs them before it runs anything else.
//!
//! A case is a JSON document: the settings that the rule is opened with, and records that it
//! classifies one after the other, as one batch.
//!
//! ```json
//! {
//!   "settings": { "above": 39 },
//!   "records": [
//!     { "payload": { "temperature": 39.5 }, "verdict": "flag", "score": 39.5 },
//!     { "text": "not JSON", "verdict": "fail" },
//!     { "base64": "/w==", "verdict": "fail", "reason": "not UTF-8" }
//!   ]
//! }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{open, section};
use crate::batch::{Batch, Encoding};
use crate::outcome::{Bound, Outcome, Verdict};
use crate::printable::{cut, printable};
use crate::rule::Rule;

/// The most bytes of golden records that a rule can have.
const MAX_BYTES: usize = 1 << 20;

/// The most cases that a rule can have: opening the rule for each takes time.
const MAX_CASES: usize = 64;

/// So many characters more than expected are kept of what was found.
const MORE_CHARACTERS: usize = 200;

/// The golden records of a rule.
#[derive(Clone, Debug, Default)]
pub struct GoldenRecords(Vec<Case>);

/// Records that are classified one after the other.
#[derive(Clone, Debug)]
struct Case {
    name: String,
    /// The case as it was written.
    document: Box<RawValue>,
    settings: String,
    records: Vec<GoldenRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDocument {
    settings: Option<Box<RawValue>>,
    records: Vec<RecordDocument>,
}

/// A record as it is written: its payload in one of three ways, and what is expected of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordDocument {
    /// A JSON document, byte for byte.
    payload: Option<Box<RawValue>>,
    text: Option<String>,
    base64: Option<String>,
    verdict: Verdict,
    score: Option<f64>,
    crossed: Option<Bound>,
    subject: Option<String>,
    message: Option<String>,
    reason: Option<String>,
    rewritten: Option<String>,
}

#[derive(Clone, Debug)]
struct GoldenRecord {
    payload: Vec<u8>,
    verdict: Verdict,
    /// Further members of the answer, by name, that must be as they are here.
    members: Vec<(&'static str, String)>,
}

impl GoldenRecords {
    /// Reads cases: a name and a JSON document each.
    ///
    /// # Errors
    ///
    /// Names the case and what is wrong with it, or says which limit they exceed.
    pub fn parse<N: Into<String>>(
        cases: impl IntoIterator<Item = (N, String)>,
    ) -> Result<Self, GoldenError> {
        let cases = cases.into_iter().map(|(name, document)| Case::parse(name.into(), document));
        let golden = Self(cases.collect::<Result<_, _>>()?);
        if golden.0.len() > MAX_CASES {
            return Err(GoldenError::TooMany(golden.0.len()));
        }
        let bytes = golden.document().len();
        if bytes > MAX_BYTES {
            return Err(GoldenError::TooLong(bytes));
        }
        Ok(golden)
    }

    /// Finds those of a component, in binary form. There may be none.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), or if the component cannot be read.
    pub fn of_component(component: &[u8]) -> Result<Self, GoldenError> {
        let Some(section) = section::find(component).map_err(GoldenError::Component)? else {
            return Ok(Self::default());
        };
        if section.len() > MAX_BYTES {
            return Err(GoldenError::TooLong(section.len()));
        }
        let cases: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(section)
            .map_err(|error| GoldenError::Section(error.to_string()))?;
        Self::parse(cases.into_iter().map(|(name, case)| (name, case.get().to_owned())))
    }

    /// Makes them part of a component, in binary form, that has none yet.
    pub fn embed(&self, component: &mut Vec<u8>) {
        if !self.is_empty() {
            section::append(component, self.document().as_bytes());
        }
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|case| case.records.len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The cases: the name of each, and how many records it has.
    pub fn cases(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().map(|case| (case.name.as_str(), case.records.len()))
    }

    /// Has a rule classify them, a case after the other as more is asked for, each in a fresh instance.
    /// Answers with what is not as it is to be; a rule that is at fault does not classify as it is to.
    pub fn run(&self, rule: &Rule) -> impl Iterator<Item = Difference> {
        self.0.iter().flat_map(|case| case.run(rule))
    }

    /// All cases as one JSON document: an object with a member for each.
    fn document(&self) -> String {
        let cases: BTreeMap<&str, &RawValue> =
            self.0.iter().map(|case| (case.name.as_str(), &*case.document)).collect();
        serde_json::to_string(&cases).expect("texts and JSON are JSON")
    }
}

impl Case {
    fn parse(name: String, document: String) -> Result<Self, GoldenError> {
        let invalid = |what: String| GoldenError::Case { name: name.clone(), what };
        let CaseDocument { settings, records } =
            serde_json::from_str(&document).map_err(|error| invalid(error.to_string()))?;
        if records.is_empty() {
            return Err(invalid("it has no records".to_owned()));
        }
        let records = (1..).zip(records).map(|(number, record)| {
            record.read().map_err(|what| invalid(format!("record {number}: {what}")))
        });
        Ok(Self {
            records: records.collect::<Result<_, _>>()?,
            settings: settings.map_or("{}".to_owned(), |settings| settings.get().to_owned()),
            document: RawValue::from_string(document)
                .map_err(|error| invalid(error.to_string()))?,
            name,
        })
    }

    fn run(&self, rule: &Rule) -> Vec<Difference> {
        let fault = |what: String| {
            let found = Difference {
                case: self.name.clone(),
                record: None,
                member: "outcome",
                expected: format!("{} verdicts", self.records.len()),
                found: what,
            };
            vec![found]
        };
        let filter = match open(rule, &self.settings) {
            Ok(filter) => filter,
            Err(refused) => return fault(refused.reason),
        };
        let bytes = self.records.iter().map(|record| record.payload.len()).sum();
        let mut batch = Batch::with_capacity(Encoding::Plain, self.records.len(), bytes);
        self.records.iter().for_each(|record| batch.push(&record.payload));
        match filter.classify(&batch) {
            Ok(outcome) => self.compare(&outcome),
            Err(error) => fault(error.to_string()),
        }
    }

    fn compare(&self, outcome: &Outcome) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            let found = Answered::new(outcome, index);
            let verdict = ("verdict", record.verdict.name().to_owned());
            let mut expected = vec![&verdict];
            // What else is expected says nothing of another verdict.
            if found.verdict == record.verdict {
                expected.extend(&record.members);
            }
            differences.extend(expected.into_iter().filter_map(|(member, expected)| {
                let found = found.member(member);
                (found.as_ref() != Some(expected)).then(|| Difference {
                    case: self.name.clone(),
                    record: Some(index + 1),
                    member,
                    expected: expected.clone(),
                    found: match found {
                        Some(found) => cut(&found, expected.chars().count() + MORE_CHARACTERS),
                        None => "nothing".to_owned(),
                    },
                })
            }));
        }
        differences
    }
}

impl RecordDocument {
    fn read(self) -> Result<GoldenRecord, String> {
        let payload = match (self.payload, self.text, self.base64) {
            (Some(json), None, None) => json.get().as_bytes().to_vec(),
            (None, Some(text), None) => text.into_bytes(),
            (None, None, Some(base64)) => base64_simd::STANDARD
                .decode_to_vec(base64)
                .map_err(|_| "its base64 cannot be decoded".to_owned())?,
            _ => return Err("expected one of payload, text and base64".to_owned()),
        };
        let members = [
            ("score", self.score.map(written)),
            ("crossed", self.crossed.map(|bound| bound.name().to_owned())),
            ("subject", self.subject),
            ("message", self.message),
            ("reason", self.reason),
            ("rewritten", self.rewritten),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(GoldenRecord { payload, verdict: self.verdict, members: members.collect() })
    }
}

/// What a rule answered for one record.
struct Answered<'a> {
    outcome: &'a Outcome,
    index: usize,
    verdict: Verdict,
}

impl<'a> Answered<'a> {
    fn new(outcome: &'a Outcome, index: usize) -> Self {
        Self { outcome, index, verdict: outcome.verdicts[index] }
    }

    fn member(&self, name: &str) -> Option<String> {
        let Self { outcome, index, verdict } = *self;
        let flag = || outcome.flagged.iter().find(|flag| flag.index == index);
        match name {
            "verdict" => Some(verdict.name().to_owned()),
            "score" => flag()?.score.map(written),
            "crossed" => flag()?.crossed.map(|bound| bound.name().to_owned()),
            "subject" => flag()?.subject.clone(),
            "message" => Some(flag()?.message.clone()),
            "reason" => outcome.failed.iter().find(|f| f.index == index).map(|f| f.reason.clone()),
            "rewritten" => {
                let payload = outcome.rewritten.as_ref()?.get(index)?;
                Some(String::from_utf8_lossy(payload).into_owned())
            }
            _ => None,
        }
    }
}

/// A score, so that two are written alike exactly if they are the same number.
fn written(score: f64) -> String {
    // Of the two zeros, a rule need not know which it means.
    if score == 0.0 { "0".to_owned() } else { score.to_string() }
}

/// Something that a rule answers otherwise than its golden records say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The case's name.
    pub case: String,
    /// The record's number in it, counted from 1. None if it is the whole case.
    pub record: Option<usize>,
    /// Which part of the answer: `verdict`, `score`, …
    pub member: &'static str,
    /// What it is to be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, record, member, expected, found } = self;
        write!(f, "case {}", printable(case))?;
        if let Some(record) = record {
            write!(f, ", record {record}")?;
        }
        write!(f, ": expected {member} {expected:?}, found {found:?}")
    }
}

/// Golden records that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// A case is not as the format says.
    #[error("case {}: {what}", printable(.name))]
    Case {
        /// The case's name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The component cannot be read.
    #[error("the component cannot be read: {0}")]
    Component(String),
    /// The section of the component is not as the format says.
    #[error("the section {name}: {0}", name = section::GOLDEN_SECTION)]
    Section(String),
    /// There are too many cases.
    #[error("{0} cases, at most {MAX_CASES} are allowed")]
    TooMany(usize),
    /// They are too long.
    #[error("{0} bytes, at most {MAX_BYTES} are allowed")]
    TooLong(usize),
}
