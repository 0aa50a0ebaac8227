//! What the rule can be told. The names, ranges and defaults of the forest's own settings are those
//! of `RANDOM_CUT_FOREST` and `RANDOM_CUT_FOREST_WITH_EXPLANATION` in the Amazon Kinesis Data
//! Analytics for SQL Reference.

use weir_guest::json::Pointer;
use weir_guest::{Bounds, Settings, SettingsError};

use crate::columns::MAX_COLUMNS;
use crate::rcf::ForestSettings;
use crate::scorer::ScorerSettings;
use crate::zscore::ZScoreSettings;

/// The JSON Schema of the settings document.
pub const SCHEMA: &str = include_str!("settings.schema.json");

/// Memory for the scorers of all keys, in MiB, unless it is set. They and a snapshot of them fit the
/// 64 MiB that the host lets a rule have by default.
pub const DEFAULT_MEMORY_MIB: u64 = 24;

/// The settings document, read.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSettings {
    /// The fields to score, at most [`MAX_COLUMNS`]. Where there are none, the first record tells:
    /// they are those of its members that are numbers.
    pub columns: Option<Vec<Pointer>>,
    /// What scores them.
    pub scorer: ScorerKind,
    /// `numberOfTrees`. With a key, 30 are the default, and else 100.
    pub trees: u32,
    /// `subSampleSize`. With a key, 64 is the default, and else 256.
    pub sample_size: u32,
    /// `timeDecay`
    pub time_decay: u32,
    /// `shingleSize`
    pub shingle: u32,
    /// What the generator of random numbers begins with.
    pub seed: u64,
    /// What the score must stay within.
    pub bounds: Bounds,
    /// Whether the payload goes on with its score written into it.
    pub annotate: bool,
    /// What is written into it beside the score.
    pub explanation: Explanation,
    /// The field whose values have a scorer each. Where there is none, one scores all records.
    pub key: Option<Pointer>,
    /// Memory for the scorers of all keys, in bytes.
    pub memory_bytes: usize,
}

/// What scores a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScorerKind {
    /// A [Random Cut Forest](crate::rcf).
    Forest,
    /// The [z-score](crate::zscore) of the column that is farthest out.
    ZScore,
}

impl ScorerKind {
    const NAMES: [&'static str; 2] = ["forest", "zscore"];

    /// Its name in the settings.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Forest => Self::NAMES[0],
            Self::ZScore => Self::NAMES[1],
        }
    }
}

/// What is said of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// Nothing.
    None,
    /// What each column has to do with it.
    Attribution,
    /// That, whether each column is high or low, and how clearly.
    WithDirection,
}

impl RuleSettings {
    /// Reads the settings document.
    ///
    /// # Errors
    ///
    /// If a setting has the wrong type, is out of its range or not known, if two do not go together,
    /// or if nothing would become of the scores.
    pub fn read(mut settings: Settings<'_>) -> Result<Self, SettingsError> {
        let key = settings.pointer("key")?;
        let (default_trees, default_sample) = if key.is_some() { (30, 64) } else { (100, 256) };
        let columns = settings.pointers("columns", MAX_COLUMNS)?;
        let scorer = match settings.choice("scorer", &ScorerKind::NAMES)? {
            Some(1) => ScorerKind::ZScore,
            _ => ScorerKind::Forest,
        };
        let trees = settings.integer("numberOfTrees", 1..=1000)?;
        let sample_size = settings.integer("subSampleSize", 10..=1000)?;
        let time_decay = settings.integer("timeDecay", 1..=i32::MAX as u64)?;
        let shingle = settings.integer("shingleSize", 1..=30)?;
        let seed = settings.integer("seed", 0..=u64::MAX)?;
        let bounds = Bounds::take(&mut settings)?;
        let annotate = settings.boolean("annotate")?.unwrap_or(false);
        let explained = settings.boolean("explanation")?.unwrap_or(false);
        let directed = settings.boolean("withDirectionality")?.unwrap_or(false);
        let memory_mib = settings.integer("memoryMiB", 1..=2048)?;
        settings.finish()?;

        if scorer == ScorerKind::ZScore {
            for (path, value) in
                [("/numberOfTrees", trees), ("/shingleSize", shingle), ("/seed", seed)]
            {
                let expected = "no such setting beside the scorer \"zscore\": it is a forest's";
                refuse_if(value.is_some(), path, value.unwrap_or_default(), expected)?;
            }
        }
        check_sample_size(sample_size, time_decay, default_sample)?;
        refuse_if(
            directed && !explained,
            "/explanation",
            false,
            "true, for /withDirectionality is",
        )?;
        refuse_if(explained && !annotate, "/annotate", false, "true, for /explanation is")?;
        if let (Some(memory), None) = (memory_mib, &key) {
            refuse_if(true, "/memoryMiB", memory, "no such setting without a /key")?;
        }
        if bounds.is_unbounded() && !annotate {
            return Err(SettingsError {
                path: "/upper".to_owned(),
                value: String::new(),
                expected: "a number here or at /lower, or true at /annotate: without, nothing \
                           becomes of the score"
                    .to_owned(),
            });
        }
        let explanation = match (explained, directed) {
            (false, _) => Explanation::None,
            (true, false) => Explanation::Attribution,
            (true, true) => Explanation::WithDirection,
        };
        // All of them are within ranges that are narrower.
        let or = |value: Option<u64>, default: u32| value.map_or(default, |value| value as u32);
        Ok(Self {
            columns,
            scorer,
            trees: or(trees, default_trees),
            sample_size: or(sample_size, default_sample),
            time_decay: or(time_decay, DEFAULT_TIME_DECAY),
            shingle: or(shingle, 1),
            seed: seed.unwrap_or(0),
            bounds,
            annotate,
            explanation,
            key,
            memory_bytes: (memory_mib.unwrap_or(DEFAULT_MEMORY_MIB) << 20) as usize,
        })
    }

    /// The settings of a scorer of so many columns.
    pub(crate) fn scorer(&self, columns: usize) -> ScorerSettings {
        let columns = columns as u32;
        let Self { trees, sample_size, time_decay, shingle, seed, .. } = *self;
        match self.scorer {
            ScorerKind::Forest => ScorerSettings::Forest(ForestSettings {
                trees,
                sample_size,
                time_decay,
                shingle,
                columns,
                seed,
            }),
            ScorerKind::ZScore => {
                ScorerSettings::ZScore(ZScoreSettings { columns, sample_size, time_decay })
            }
        }
    }
}

const DEFAULT_TIME_DECAY: u32 = 100_000;

/// Kinesis Data Analytics asks for a sample that is smaller than the decay.
fn check_sample_size(
    sample_size: Option<u64>,
    time_decay: Option<u64>,
    default_sample: u32,
) -> Result<(), SettingsError> {
    let default_sample = u64::from(default_sample);
    let decay = time_decay.unwrap_or(DEFAULT_TIME_DECAY.into());
    match sample_size {
        Some(size) => refuse_if(
            size >= decay,
            "/subSampleSize",
            size,
            &format!("a whole number below /timeDecay, which is {decay}"),
        ),
        None => refuse_if(
            default_sample >= decay,
            "/timeDecay",
            decay,
            &format!("a whole number above /subSampleSize, which is {default_sample}"),
        ),
    }
}

fn refuse_if(
    refused: bool,
    path: &str,
    value: impl ToString,
    expected: &str,
) -> Result<(), SettingsError> {
    if !refused {
        return Ok(());
    }
    let (path, value, expected) = (path.to_owned(), value.to_string(), expected.to_owned());
    Err(SettingsError { path, value, expected })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(document: &str) -> Result<RuleSettings, SettingsError> {
        RuleSettings::read(Settings::parse(document).expect("a settings document"))
    }

    #[test]
    fn the_schema_lists_the_settings_that_are_known_and_no_other() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        let properties = schema["properties"].as_object().expect("properties");
        let document = json!({
            "columns": ["/pulse"], "scorer": "forest", "numberOfTrees": 50, "subSampleSize": 128,
            "timeDecay": 1000, "shingleSize": 4, "seed": 7, "upper": 1.5, "lower": 0.4,
            "exclusive": true, "annotate": true, "explanation": true, "withDirectionality": true,
            "key": "/device_id", "memoryMiB": 16,
        });
        read(&document.to_string()).expect("every setting is known");
        let mut known: Vec<_> = document.as_object().expect("an object").keys().collect();
        let mut listed: Vec<_> = properties.keys().collect();
        known.sort();
        listed.sort();
        assert_eq!(listed, known);
        for (name, property) in properties {
            let (Some(least), Some(most)) = (property.get("minimum"), property.get("maximum"))
            else {
                continue;
            };
            for beyond in [
                least.as_u64().and_then(|least| least.checked_sub(1)),
                most.as_u64().and_then(|most| most.checked_add(1)),
            ] {
                let Some(beyond) = beyond else { continue };
                let error = read(&format!(r#"{{"key":"/k","upper":1,"{name}":{beyond}}}"#));
                assert_eq!(error.expect_err(name).path, format!("/{name}"));
            }
        }
    }

    #[test]
    fn defaults_are_those_of_kinesis_data_analytics() {
        let RuleSettings { trees, sample_size, time_decay, shingle, .. } =
            read(r#"{"upper":1.5}"#).expect("settings");
        assert_eq!((trees, sample_size, time_decay, shingle), (100, 256, 100_000, 1));
    }

    #[test]
    fn forests_of_keys_are_smaller() {
        let RuleSettings { trees, sample_size, memory_bytes, .. } =
            read(r#"{"upper":1.5,"key":"/device"}"#).expect("settings");
        assert_eq!((trees, sample_size, memory_bytes), (30, 64, 24 << 20));
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        for (document, path) in [
            ("{}", "/upper"),
            (r#"{"exclusive":true}"#, "/upper"),
            (r#"{"upper":1,"lower":1}"#, "/lower"),
            (r#"{"upper":1,"numberOfTrees":0}"#, "/numberOfTrees"),
            (r#"{"upper":1,"numberOfTrees":1001}"#, "/numberOfTrees"),
            (r#"{"upper":1,"subSampleSize":9}"#, "/subSampleSize"),
            (r#"{"upper":1,"subSampleSize":100,"timeDecay":100}"#, "/subSampleSize"),
            (r#"{"upper":1,"timeDecay":256}"#, "/timeDecay"),
            (r#"{"upper":1,"timeDecay":2147483648}"#, "/timeDecay"),
            (r#"{"upper":1,"shingleSize":31}"#, "/shingleSize"),
            (r#"{"upper":1,"scorer":"zscore","shingleSize":2}"#, "/shingleSize"),
            (r#"{"upper":1,"scorer":"zscore","numberOfTrees":9}"#, "/numberOfTrees"),
            (r#"{"upper":1,"scorer":"zscore","seed":1}"#, "/seed"),
            (r#"{"upper":1,"scorer":"ewma"}"#, "/scorer"),
            (r#"{"upper":1,"explanation":true}"#, "/annotate"),
            (r#"{"annotate":true,"withDirectionality":true}"#, "/explanation"),
            (r#"{"upper":1,"memoryMiB":8}"#, "/memoryMiB"),
            (r#"{"upper":1,"columns":[]}"#, "/columns"),
            (r#"{"upper":1,"field":"/score"}"#, "/field"),
        ] {
            assert_eq!(read(document).expect_err(document).path, path, "{document}");
        }
        read(r#"{"annotate":true}"#).expect("a rule that only annotates");
        read(r#"{"lower":0.4,"timeDecay":257}"#).expect("a decay above the sample");
    }
}
