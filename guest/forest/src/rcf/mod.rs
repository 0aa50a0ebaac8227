//! A Random Cut Forest: how surprising is a point, after all that came before it?
//!
//! The algorithm is of S. Guha, N. Mishra, G. Roy and O. Schrijvers, *Robust Random Cut Forest Based
//! Anomaly Detection on Streams*, ICML 2016; the settings, and the scale of the score, are those of
//! `RANDOM_CUT_FOREST` in Amazon Kinesis Data Analytics for SQL.
//!
//! A tree holds a sample of the points seen, the recent ones more likely than the old, and cuts the
//! box around them in two, at random, until every point stands alone. A point that one of the first
//! cuts would separate from all others is an anomaly: the score is the mean, over the trees, of how
//! early that would happen.
//!
//! In the order of the flow:
//!
//! - [`ForestSettings`]: what can be chosen, within Kinesis Data Analytics' ranges
//! - [`Forest`]: scores a point, then learns it
//! - [`Attribution`]: what each column has to do with a score
//! - [`SnapshotError`]: why the bytes of a snapshot are not the state of this forest
//!
//! The same points give the same scores, bit for bit, on every machine: what the platform's
//! mathematics library would round its own way is computed by the crate `libm`, and sums are made in
//! one order.

mod settings;

mod shingle;

mod bounds;

mod random;

mod sampler;

mod steps;

mod tree;

mod score;

mod together;

mod attribution;

mod forest;

mod memory;

mod bits;

mod snapshot;

#[cfg(test)]
mod chi_square;

pub(crate) use crate::rcf::bounds::row_bytes;

pub use crate::rcf::attribution::Attribution;
pub use crate::rcf::forest::Forest;
pub use crate::rcf::settings::{ForestSettings, SettingOutOfRange};
pub use crate::rcf::snapshot::SnapshotError;
