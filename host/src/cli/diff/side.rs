use serde::Serialize;
use serde_json::Value;
use weir_json::Pointer;

use crate::batch::{Batch, Encoding};
use crate::filter::Filter;
use crate::isolate::Isolated;
use crate::outcome::Outcome;

/// Where the score of a record stands if nothing else is said, as the threshold rule has it.
const DEFAULT_FIELD: &str = "/ANOMALY_SCORE";

/// One of the two that are compared: a rule, opened.
pub(super) struct Side {
    filter: Filter,
    pub(super) scores: ScoreField,
    pub(super) bounds: Bounds,
    /// The most linear memory that an instance had, in bytes.
    pub(super) memory_bytes: usize,
    /// How many batches the rule was at fault on.
    pub(super) faults: u64,
}

/// The bounds that the settings name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Bounds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upper: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lower: Option<f64>,
}

impl Side {
    /// `score` is where the score stands in a payload for which the rule says none: by default where
    /// the settings say in `field`, as those of the threshold rule do.
    pub(super) fn new(filter: Filter, score: Option<&Pointer>) -> Self {
        // A rule accepted it, so it is JSON; what is in it is the rule's affair.
        let settings: Value = serde_json::from_str(filter.settings()).unwrap_or_default();
        let of_settings = || Pointer::parse(settings["field"].as_str()?).ok();
        let scores = score.cloned().or_else(of_settings).unwrap_or_else(|| {
            Pointer::parse(DEFAULT_FIELD).expect("it begins with a slash and has no escapes")
        });
        let bounds =
            Bounds { upper: settings["upper"].as_f64(), lower: settings["lower"].as_f64() };
        Self { filter, scores: ScoreField(scores), bounds, memory_bytes: 0, faults: 0 }
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Classifies a batch.
    pub(super) fn classify(&mut self, batch: &Batch) -> Outcome {
        let Isolated { outcome, fault, memory_bytes, .. } =
            self.filter.classify_isolating(batch, None);
        self.memory_bytes = self.memory_bytes.max(memory_bytes);
        self.faults += u64::from(fault.is_some());
        outcome
    }
}

/// Where scores stand in payloads for which the rule says none: it says one for what it flags only.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ScoreField(Pointer);

impl ScoreField {
    /// The score in a payload as it goes on. None if there is no number.
    pub(super) fn read(&self, outcome: &Outcome, batch: &Batch, index: usize) -> Option<f64> {
        let rewritten = outcome.rewritten.as_ref().and_then(|payloads| payloads.get(index));
        match (rewritten, batch.encoding()) {
            (Some(payload), _) => self.number(payload),
            (None, Encoding::Plain) => self.number(batch.payload(index)?),
            (None, Encoding::Base64) => {
                self.number(&base64_simd::STANDARD.decode_to_vec(batch.payload(index)?).ok()?)
            }
        }
    }

    fn number(&self, payload: &[u8]) -> Option<f64> {
        let field = weir_json::scan(payload, &self.0).ok()?.field?;
        field.as_f64().filter(|score| score.is_finite())
    }
}
