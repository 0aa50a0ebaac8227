//! The rules that are part of this crate, as components, with their native code.

/// The threshold rule: what `weir` runs if it is given no other. It compares a score that the records
/// bring along with bounds.
pub const DEFAULT_RULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/threshold.wasm"));

/// The forest rule: it computes the score itself, from the records' own numbers.
pub const FOREST_RULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/forest.wasm"));

/// A rule that is part of this crate.
pub(crate) struct EmbeddedRule {
    pub(crate) name: &'static str,
    pub(crate) component: &'static [u8],
    /// Made of the component by wasmtime; empty if it could not be made for this target.
    pub(crate) native_code: &'static [u8],
}

/// The rule that is run if no other is named comes first.
pub(crate) const RULES: [EmbeddedRule; 2] = [
    EmbeddedRule {
        name: "threshold",
        component: DEFAULT_RULE,
        native_code: include_bytes!(concat!(env!("OUT_DIR"), "/threshold.cwasm")),
    },
    EmbeddedRule {
        name: "forest",
        component: FOREST_RULE,
        native_code: include_bytes!(concat!(env!("OUT_DIR"), "/forest.cwasm")),
    },
];
