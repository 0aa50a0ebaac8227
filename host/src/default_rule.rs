/// The threshold rule, as a component: what `weir` runs if it is given no other.
pub const DEFAULT_RULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/threshold.wasm"));
