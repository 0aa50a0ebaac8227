//! Weir's default rule: it flags records whose anomaly score crosses a threshold.
//!
//! The payload is a JSON object with the score in one of its fields, as the `RANDOM_CUT_FOREST`
//! function of Kinesis Data Analytics left it there. See [`settings`] for what can be set.

pub mod settings;

mod threshold;

pub use crate::threshold::Threshold;

weir_guest::export!(Threshold);
