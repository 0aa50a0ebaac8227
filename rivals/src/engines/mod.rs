//! The engines, each with the same rule in it: decode base64, validate the JSON, compare the score.

#[cfg(feature = "extism")]
pub(crate) mod extism;

#[cfg(feature = "fluvio")]
pub(crate) mod fluvio;

pub(crate) mod weir;

/// One that classifies the batch it was made for, and says how many records it flags.
pub(crate) struct Contestant {
    pub(crate) name: String,
    /// How it runs the rule, and within which limits.
    pub(crate) terms: &'static str,
    /// What it should cost at the least, as a multiple of what Weir costs in an instance that is kept.
    pub(crate) mark: Option<f64>,
    pub(crate) classify: Box<dyn FnMut() -> usize>,
}
