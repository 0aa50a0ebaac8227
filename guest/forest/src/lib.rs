//! Weir's scoring rule: it computes the anomaly score of each record from the record's own numbers,
//! and flags those whose score crosses a bound.
//!
//! In the order of the flow:
//!
//! - [`settings`]: what can be set, under the names of `RANDOM_CUT_FOREST` in Kinesis Data Analytics
//! - [`columns`]: the numbers of a record, which make a point
//! - [`rcf`], [`zscore`]: the scorers
//! - [`ForestRule`]: the rule; with a key it keeps [a scorer for each](settings::RuleSettings::key)

pub mod settings;

pub mod columns;

pub mod rcf;

pub mod zscore;

mod scorer;

mod per_key;

mod replay;

mod annotation;

mod model;

mod state;

mod rule;

pub use crate::rule::ForestRule;

weir_guest::export!(ForestRule);
