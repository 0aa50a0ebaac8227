//! The rule's state as bytes, all numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `WFST` |
//! | 2 | the version of the format, 1 |
//! | | the settings that the state depends on, and `memoryMiB`, each a text |
//! | 4 | how many columns there are; 0 before the first record, and then no more follows |
//! | | the JSON Pointer of each, a text |
//! | | without a key: the scorer's snapshot, a blob |
//! | 4 | with a key: how many scorers are awake |
//! | | the key of each, a text, and its snapshot, a blob; the one that was used last comes last |
//! | 4, … | the same of those that sleep |
//! | 8 | XXH64 of all before, with the seed 0 |
//!
//! A text or a blob is the number of its bytes, in 4 bytes, and those.

use std::slice::from_ref;

use twox_hash::XxHash64;
use weir_guest::json::Pointer;

use crate::columns::{MAX_COLUMNS, MAX_KEY_BYTES};
use crate::model::{Model, Scorers};
use crate::scorer::Scorer;
use crate::settings::RuleSettings;

const MAGIC: &[u8; 4] = b"WFST";

const VERSION: u16 = 1;

const CHECKSUM_BYTES: usize = 8;

/// Appends the state of a rule to `out`. There is no model before the first record.
pub(crate) fn write(settings: &RuleSettings, model: Option<&Model>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    for (_, value) in identity(settings) {
        write_bytes(value.as_bytes(), out);
    }
    write_bytes(memory(settings).as_bytes(), out);
    let columns = model.map_or(&[][..], |model| model.columns.pointers());
    write_length(columns.len(), out);
    for column in columns {
        write_bytes(column.as_str().as_bytes(), out);
    }
    match model.map(|model| &model.scorers) {
        None => {}
        Some(Scorers::One(scorer)) => write_scorer(scorer, out),
        Some(Scorers::PerKey(keys)) => {
            // At once: to grow takes as much again as is written already.
            out.reserve_exact(keys.most_snapshot_bytes() + CHECKSUM_BYTES);
            write_length(keys.awake().len(), out);
            for (key, scorer) in keys.awake() {
                write_bytes(key.as_bytes(), out);
                write_scorer(scorer, out);
            }
            write_length(keys.asleep().len(), out);
            for (key, snapshot) in keys.asleep() {
                write_bytes(key.as_bytes(), out);
                write_bytes(snapshot, out);
            }
        }
    }
    let checksum = XxHash64::oneshot(0, &out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
}

/// The model whose state a snapshot is, in the memory of one that was opened with the settings. None
/// if it was taken before the first record.
///
/// # Errors
///
/// Says why it is not the state of a rule with these settings.
pub(crate) fn read(
    settings: &RuleSettings,
    opened: Option<Model>,
    snapshot: &[u8],
) -> Result<Option<Model>, String> {
    let Some(body) = snapshot.strip_prefix(MAGIC) else {
        return Err("not a snapshot of the rule forest".to_owned());
    };
    let mut bytes = Bytes(body);
    let version = u16::from_le_bytes(bytes.array()?);
    if version != VERSION {
        return Err(format!(
            "a snapshot of format {version}, which is not known here: {VERSION} is"
        ));
    }
    let Some((content, checksum)) = snapshot.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(Bytes::CUT_SHORT.to_owned());
    };
    if XxHash64::oneshot(0, content) != u64::from_le_bytes(*checksum) {
        return Err("the snapshot is damaged or cut short: its checksum is another".to_owned());
    }
    bytes.0 = &bytes.0[..bytes.0.len() - CHECKSUM_BYTES];
    for (setting, here) in identity(settings) {
        let there = bytes.text()?;
        if there != here {
            return Err(format!(
                "the snapshot was taken with {setting} {there}, here it is {here}"
            ));
        }
    }
    let is_of_this_budget = bytes.text()? == memory(settings);
    let model = read_model(settings, opened, is_of_this_budget, &mut bytes)?;
    match bytes.0 {
        [] => Ok(model),
        _ => Err(IMPOSSIBLE.to_owned()),
    }
}

fn read_model(
    settings: &RuleSettings,
    opened: Option<Model>,
    is_of_this_budget: bool,
    bytes: &mut Bytes<'_>,
) -> Result<Option<Model>, String> {
    let count = bytes.length()?;
    if count == 0 {
        // Columns that are set are there from the beginning.
        return if settings.columns.is_none() { Ok(None) } else { Err(IMPOSSIBLE.to_owned()) };
    }
    if count > MAX_COLUMNS {
        return Err(IMPOSSIBLE.to_owned());
    }
    let mut columns = Vec::with_capacity(count);
    for _ in 0..count {
        let column = Pointer::parse(bytes.text()?).map_err(|_| IMPOSSIBLE)?;
        if columns.contains(&column) {
            return Err(IMPOSSIBLE.to_owned());
        }
        columns.push(column);
    }
    if settings.columns.as_ref().is_some_and(|set| *set != columns) {
        return Err(IMPOSSIBLE.to_owned());
    }
    let mut model = match opened {
        Some(model) if model.columns.pointers() == columns => model,
        _ => Model::new(settings, columns),
    };
    match &mut model.scorers {
        Scorers::One(scorer) => scorer.take_over(bytes.blob()?)?,
        Scorers::PerKey(keys) => {
            let (awake, asleep) = (bytes.keys()?, bytes.keys()?);
            let are_all_kept = keys.take_over(&awake, &asleep)?;
            if !are_all_kept && is_of_this_budget {
                return Err(IMPOSSIBLE.to_owned());
            }
        }
    }
    Ok(Some(model))
}

/// Of a snapshot whose checksum is right.
const IMPOSSIBLE: &str = "the snapshot holds what no rule with these settings can have";

/// The settings that a state depends on, by name. Bounds, annotations and the budget may change from one
/// run to the next.
fn identity(settings: &RuleSettings) -> [(&'static str, String); 8] {
    let RuleSettings { scorer, trees, sample_size, time_decay, shingle, seed, .. } = settings;
    let pointers = |pointers: &[Pointer]| {
        let texts: Vec<_> = pointers.iter().map(Pointer::as_str).collect();
        serde_json::Value::from(texts).to_string()
    };
    let columns = settings.columns.as_deref().map_or("those of the first record".into(), pointers);
    let key = settings.key.as_ref().map_or("none".to_owned(), |key| pointers(from_ref(key)));
    [
        ("scorer", scorer.name().to_owned()),
        ("columns", columns),
        ("key", key),
        ("numberOfTrees", trees.to_string()),
        ("subSampleSize", sample_size.to_string()),
        ("timeDecay", time_decay.to_string()),
        ("shingleSize", shingle.to_string()),
        ("seed", seed.to_string()),
    ]
}

/// The budget for the scorers of all keys, in MiB; 0 without a key.
fn memory(settings: &RuleSettings) -> String {
    settings.key.as_ref().map_or(0, |_| settings.memory_bytes >> 20).to_string()
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    // All of it is in a memory of 32-bit addresses.
    out.extend_from_slice(&(length as u32).to_le_bytes());
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_scorer(scorer: &Scorer, out: &mut Vec<u8>) {
    let length_at = out.len();
    write_length(0, out);
    let start = out.len();
    scorer.snapshot(out);
    let length = (out.len() - start) as u32;
    out[length_at..start].copy_from_slice(&length.to_le_bytes());
}

/// The bytes of a snapshot that are yet to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    const CUT_SHORT: &'static str = "the snapshot is cut short";

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Self::CUT_SHORT)?;
        self.0 = rest;
        Ok(*array)
    }

    fn length(&mut self) -> Result<usize, String> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    fn blob(&mut self) -> Result<&'a [u8], String> {
        let length = self.length()?;
        let (blob, rest) = self.0.split_at_checked(length).ok_or(Self::CUT_SHORT)?;
        self.0 = rest;
        Ok(blob)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        str::from_utf8(self.blob()?).map_err(|_| IMPOSSIBLE.to_owned())
    }

    /// Keys, each with its snapshot.
    fn keys(&mut self) -> Result<Vec<(&'a str, &'a [u8])>, String> {
        let count = self.length()?;
        // Each takes two lengths at the least.
        let mut keys = Vec::with_capacity(count.min(self.0.len() / 8));
        for _ in 0..count {
            match self.text()? {
                key if key.len() > MAX_KEY_BYTES => return Err(IMPOSSIBLE.to_owned()),
                key => keys.push((key, self.blob()?)),
            }
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use weir_guest::{Record, Rule as _, Settings};

    use super::*;
    use crate::ForestRule;

    /// Rules whose states hold all that there can be in one.
    const SETTINGS: [&str; 3] = [
        r#"{"upper":3,"scorer":"zscore","subSampleSize":10}"#,
        r#"{"upper":3,"scorer":"zscore","subSampleSize":10,"key":"/k","memoryMiB":1}"#,
        r#"{"upper":3,"numberOfTrees":2,"subSampleSize":10,"key":"/k","memoryMiB":1}"#,
    ];

    fn read_settings(settings: &str) -> RuleSettings {
        let settings = Settings::parse(settings).expect("JSON");
        RuleSettings::read(settings).expect("settings that fit")
    }

    fn open(settings: &str) -> ForestRule {
        ForestRule::open(Settings::parse(settings).expect("JSON")).expect("settings that fit")
    }

    fn record(place: u64) -> String {
        // More keys than can be awake.
        format!(r#"{{"a":{},"b":{place},"k":{}}}"#, place * 7 % 13, place % 2000)
    }

    fn taught(settings: &str) -> ForestRule {
        let mut rule = open(settings);
        for place in 0..2500 {
            rule.classify(&Record::new(record(place).as_bytes()));
        }
        rule
    }

    /// Where the budget of a snapshot stands, which is of one digit.
    fn budget_at(settings: &str) -> usize {
        let texts = identity(&read_settings(settings)).map(|(_, value)| 4 + value.len());
        6 + texts.iter().sum::<usize>() + 4
    }

    /// Gives a snapshot the checksum of what it holds.
    fn seal(snapshot: &mut [u8]) {
        if let Some((content, checksum)) = snapshot.split_last_chunk_mut::<CHECKSUM_BYTES>() {
            *checksum = XxHash64::oneshot(0, content).to_le_bytes();
        }
    }

    #[test]
    fn another_budget_keeps_what_was_used_last() {
        let document = |memory| {
            let forest = r#""numberOfTrees":10,"subSampleSize":10"#;
            format!(r#"{{"upper":3,{forest},"key":"/k","memoryMiB":{memory}}}"#)
        };
        let mut snapshot = Vec::new();
        taught(&document(2)).snapshot(&mut snapshot);
        // The keys of it, those that were used last at the end, and what it is written as again.
        let taken_over = |memory, snapshot: &[u8]| {
            let settings = read_settings(&document(memory));
            let model = read(&settings, None, snapshot).expect("another budget");
            let mut again = Vec::new();
            write(&settings, model.as_ref(), &mut again);
            let Some(Model { scorers: Scorers::PerKey(keys), .. }) = model else {
                panic!("a scorer for each key")
            };
            let names = keys.asleep().map(|(key, _)| key).chain(keys.awake().map(|(key, _)| key));
            (names.map(str::to_owned).collect::<Vec<_>>(), again)
        };
        let (all, large) = taken_over(2, &snapshot);
        assert_eq!(large, snapshot);
        let (some, small) = taken_over(1, &large);
        assert!(some.len() < all.len() && all.ends_with(&some), "{} of {}", some.len(), all.len());
        assert_eq!(taken_over(2, &small).0, some, "nothing is lost on the way up");
    }

    #[test]
    fn whatever_a_snapshot_holds_it_is_taken_over_or_refused() {
        let snapshots = SETTINGS.map(|settings| {
            let mut snapshot = Vec::new();
            taught(settings).snapshot(&mut snapshot);
            snapshot
        });
        let change = (any::<Index>(), 0..300_usize, any::<u8>(), any::<bool>());
        let config = ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() };
        proptest!(config, |(
            kind in 0..SETTINGS.len(),
            changes in vec(change, 1..4),
            cut in prop::option::of(any::<Index>()),
        )| {
            let mut snapshot = snapshots[kind].clone();
            for (anywhere, at_the_front, byte, front) in changes {
                let at = if front { at_the_front } else { anywhere.index(snapshot.len()) };
                let at = at.min(snapshot.len() - 1);
                snapshot[at] = byte;
            }
            if let Some(cut) = cut {
                snapshot.truncate(cut.index(snapshot.len()));
            }
            seal(&mut snapshot);
            let mut rule = open(SETTINGS[kind]);
            if rule.restore(&snapshot).is_ok() {
                let mut again = Vec::new();
                rule.snapshot(&mut again);
                let at = budget_at(SETTINGS[kind]);
                snapshot[at] = again[at];
                seal(&mut snapshot);
                prop_assert!(again == snapshot, "the same state gives the same bytes");
                for place in 0..50 {
                    rule.classify(&Record::new(record(place * 41).as_bytes()));
                }
            } else {
                let (mut fresh, mut refused) = (Vec::new(), Vec::new());
                open(SETTINGS[kind]).snapshot(&mut fresh);
                rule.snapshot(&mut refused);
                prop_assert_eq!(fresh, refused);
            }
        });
    }
}
