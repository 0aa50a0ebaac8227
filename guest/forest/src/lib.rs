//! Weir's scorer: the anomaly score of a Random Cut Forest, computed from a record's own numbers.

pub mod rcf;

pub mod zscore;
