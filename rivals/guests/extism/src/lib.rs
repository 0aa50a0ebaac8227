//! The rule as a plug-in for Extism, which hands bytes in and takes bytes out: a whole batch goes in
//! with one call, each record behind its length (`u32`, little-endian), and one byte a record comes
//! back.

use std::iter;

use extism_pdk::{FnResult, input_bytes, plugin_fn};
use rival_rule::Threshold;

/// Answers with a `p` for a record that passes, an `f` for one that is flagged and an `e` for one
/// that has no score.
///
/// It takes the input itself rather than as an argument: that way the kit copies it once, not twice.
#[plugin_fn]
pub fn classify() -> FnResult<Vec<u8>> {
    let batch = input_bytes();
    let mut rule = Threshold::default();
    Ok(records(&batch)
        .map(|record| match rule.is_flagged(record) {
            Ok(false) => b'p',
            Ok(true) => b'f',
            Err(_) => b'e',
        })
        .collect())
}

/// The records of a batch. Ends where the batch is cut short.
fn records(mut batch: &[u8]) -> impl Iterator<Item = &[u8]> {
    iter::from_fn(move || {
        let (length, rest) = batch.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        batch = rest;
        Some(record)
    })
}
