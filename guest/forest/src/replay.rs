//! What the records that come again are scored as.
//!
//! They were learnt before, so they do not follow on those that were learnt last, nor on those of the batch
//! before, which may be the same: with these before them, they would make sequences that never came. They
//! follow on each other.

use hashlink::LinkedHashMap;

use crate::columns::MAX_KEY_BYTES;
use crate::per_key::ENTRY_BYTES;
use crate::scorer::ScorerSettings;

/// The records of a batch that came again last, of each key. It is no part of the state.
#[derive(Debug)]
pub(crate) struct Replay {
    dimensions: usize,
    most_keys: usize,
    /// The numbers of each key's records, the oldest first: as many as are scored together, or not
    /// yet so many. The key that came last is at the end.
    records: LinkedHashMap<Box<str>, Vec<f64>>,
}

impl Replay {
    /// No record has come again yet. It takes a sixteenth of what the scorers may, beside them; of
    /// keys that do not fit, those that came the longest time ago are forgotten.
    pub(crate) fn new(settings: ScorerSettings, columns: usize, memory_bytes: usize) -> Self {
        let dimensions = settings.dimensions();
        let entry = ENTRY_BYTES + MAX_KEY_BYTES + (dimensions + columns) * size_of::<f64>();
        let most_keys = (memory_bytes / 16 / entry).max(1);
        Self { dimensions, most_keys, records: LinkedHashMap::new() }
    }

    /// What a record that comes again is scored as: it and those of its key that came again before
    /// it. None as long as they are too few.
    pub(crate) fn point<'a>(&'a mut self, key: &str, record: &'a [f64]) -> Option<&'a [f64]> {
        if record.len() == self.dimensions {
            return Some(record);
        }
        let keys = &mut self.records;
        if !keys.contains_key(key) {
            if keys.len() >= self.most_keys {
                keys.pop_front();
            }
            keys.insert(key.into(), Vec::with_capacity(self.dimensions));
        }
        let records = keys.to_back(key)?;
        if records.len() == self.dimensions {
            records.drain(..record.len());
        }
        records.extend(record);
        (records.len() == self.dimensions).then_some(&**records)
    }

    /// Lets all records go: what comes again from here on does not follow on them.
    pub(crate) fn end(&mut self) {
        self.records.clear();
    }
}

#[cfg(test)]
mod tests {
    use weir_guest::{Batch, Encoding, Payloads, Record, Rule, Settings, Verdict};

    use super::*;
    use crate::ForestRule;
    use crate::rcf::ForestSettings;

    /// Every score crosses the bound, so that a flag tells it.
    const FOREST: &str = r#""upper":0,"numberOfTrees":20,"subSampleSize":64"#;

    fn open(more: &str) -> ForestRule {
        let settings = format!("{{{FOREST},{more}}}");
        ForestRule::open(Settings::parse(&settings).expect("JSON")).expect("settings that fit")
    }

    /// A wave, where one value is out of order rather than out of range.
    fn value(n: usize) -> u32 {
        [0, 10, 20, 30, 20, 10][if n == 247 { 3 } else { n % 6 }] + (n * 7919 % 3) as u32
    }

    fn one(n: usize) -> String {
        format!(r#"{{"k":"a","a":{}}}"#, value(n))
    }

    /// The same, each with those before it: what a shingle is, told as columns.
    fn four(n: usize) -> String {
        let [a, b, c, d] = [n - 3, n - 2, n - 1, n].map(value);
        format!(r#"{{"k":"a","a":{a},"b":{b},"c":{c},"d":{d}}}"#)
    }

    const ONE: &str = r#""columns":["/a"],"shingleSize":4"#;
    const FOUR: &str = r#""columns":["/a","/b","/c","/d"]"#;
    const KEY: &str = r#","key":"/k""#;

    fn score(verdict: &Verdict) -> f64 {
        match verdict {
            Verdict::Flag(flag) => flag.score.expect("a score"),
            other => panic!("{other:?}"),
        }
    }

    fn classify(rule: &mut ForestRule, payload: &str) -> f64 {
        score(&rule.classify(&Record::new(payload.as_bytes())))
    }

    fn replay(rule: &mut ForestRule, payload: &str) -> f64 {
        score(&rule.replay(&Record::new(payload.as_bytes())))
    }

    fn snapshot(rule: &ForestRule) -> Vec<u8> {
        let mut snapshot = Vec::new();
        rule.snapshot(&mut snapshot);
        snapshot
    }

    fn learnt(more: &str) -> ForestRule {
        let mut rule = open(more);
        for n in 0..300 {
            classify(&mut rule, &one(n));
        }
        rule
    }

    #[test]
    fn they_are_scored_as_the_sequences_that_were_learnt() {
        for key in ["", KEY] {
            // A forest of shingles is one of as many columns.
            let mut rule = learnt(&format!("{ONE}{key}"));
            let mut columns = open(&format!("{FOUR}{key}"));
            for n in 3..300 {
                classify(&mut columns, &four(n));
            }
            let mut scores = Vec::new();
            for n in 200..300 {
                let expected = if n < 203 { 0.0 } else { replay(&mut columns, &four(n)) };
                scores.push(replay(&mut rule, &one(n)));
                assert_eq!(scores.last(), Some(&expected), "record {n}{key}");
            }
            let highest = scores.iter().copied().fold(0.0, f64::max);
            let first = scores.iter().position(|&score| score > 0.8 * highest);
            assert_eq!(first, Some(47), "what is out of order: {scores:?}");
        }
    }

    #[test]
    fn those_of_a_key_follow_on_each_other() {
        let of = |key: usize, n: usize| format!(r#"{{"k":{key},"a":{}}}"#, value(n + 2 * key));
        let more = format!("{ONE}{KEY}");
        let mut alone: Vec<_> = (0..3).map(|_| open(&more)).collect();
        let mut together = open(&more);
        for n in 0..200 {
            for (key, rule) in alone.iter_mut().enumerate() {
                assert_eq!(classify(rule, &of(key, n)), classify(&mut together, &of(key, n)));
            }
        }
        for n in 150..200 {
            for (key, rule) in alone.iter_mut().enumerate() {
                let score = replay(&mut together, &of(key, n));
                assert_eq!(score, replay(rule, &of(key, n)), "key {key}, record {n}");
                assert_eq!(score == 0.0, n < 153, "key {key}, record {n}");
            }
        }
    }

    #[test]
    fn learning_goes_on_as_if_none_had_come_again() {
        for more in [ONE.to_owned(), format!("{ONE}{KEY}")] {
            let (mut rule, mut other) = (learnt(&more), learnt(&more));
            for n in 290..300 {
                replay(&mut rule, &one(n));
            }
            assert!(snapshot(&rule) == snapshot(&other), "{more}");
            for n in 300..400 {
                replay(&mut rule, &one(n - 5));
                assert_eq!(classify(&mut rule, &one(n)), classify(&mut other, &one(n)), "{more}");
            }
            assert!(snapshot(&rule) == snapshot(&other), "{more}");
        }
    }

    #[test]
    fn they_do_not_follow_on_those_of_the_batch_before() {
        let mut rule = learnt(ONE);
        let payloads = [200, 201, 202, 203].map(one);
        let mut ends = Vec::new();
        let bytes = payloads.iter().fold(Vec::new(), |mut bytes, payload| {
            bytes.extend(payload.as_bytes());
            ends.push(bytes.len() as u32);
            bytes
        });
        for attempt in 0..3 {
            let payloads = Payloads { bytes: &bytes, ends: &ends };
            let batch = Batch { payloads, encoding: Encoding::Plain, replayed: 4 };
            let outcome = weir_guest::classify(&mut rule, batch);
            let scores: Vec<_> = outcome.flagged.iter().map(|(_, flag)| flag.score).collect();
            assert_eq!(scores[..3], [Some(0.0); 3], "attempt {attempt}");
            assert!(scores[3] > Some(0.0), "attempt {attempt}");
        }
    }

    #[test]
    fn they_are_explained_as_they_are_scored() {
        let more = r#","annotate":true,"explanation":true"#;
        let mut rule = learnt(&format!("{ONE}{more}"));
        for n in 240..250 {
            let (payload, mut out) = (one(n), Vec::new());
            let record = Record::new(payload.as_bytes());
            let verdict = rule.replay(&record);
            rule.rewrite(&record, &verdict, &mut out);
            let out: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
            let explanation = out["ANOMALY_EXPLANATION"].as_str().expect("a text");
            let explanation: serde_json::Value = serde_json::from_str(explanation).expect("JSON");
            let part = explanation["a"]["ATTRIBUTION_SCORE"].as_str().expect("a text");
            let part: f64 = part.parse().expect("a number");
            assert!((part - score(&verdict)).abs() < 0.001, "record {n}: {out}");
        }
    }

    #[test]
    fn keys_that_do_not_fit_are_forgotten() {
        let forest = ForestSettings { shingle: 2, ..ForestSettings::new(1) };
        let settings = ScorerSettings::Forest(forest);
        let mut replay = Replay { most_keys: 2, ..Replay::new(settings, 1, 0) };
        for key in ["a", "b", "a", "c"] {
            replay.point(key, &[1.0]);
        }
        assert_eq!(replay.point("a", &[2.0]), Some(&[1.0, 2.0][..]));
        assert_eq!(replay.point("b", &[2.0]), None, "c came in its place");
        assert_eq!(replay.point("a", &[3.0]), Some(&[2.0, 3.0][..]));
        replay.end();
        assert_eq!(replay.point("a", &[3.0]), None);
        assert_eq!(replay.records.len(), 1);
    }
}
