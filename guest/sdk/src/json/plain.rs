//! The common case, walked fast: members and elements that are short plain scalars.
//!
//! Here nothing is decided but whether the bytes are of that case. Whatever is not, be it unusual
//! or wrong, is left to the scanner proper. There is no call and one loop, on purpose: around each
//! of them WebAssembly engines keep all that lives in memory.

use super::lanes::{self, Lanes, WIDTH};
use super::pointer::Token;

/// Walks members with their commas, from `at`: the offset of the first that is not of the case.
///
/// A key as long as the wanted one ends the walk too.
#[inline(never)]
pub(super) fn members(bytes: &[u8], mut at: usize, wanted: Option<&Token>) -> usize {
    let wanted = wanted.map_or(usize::MAX, |token| token.key.len());
    while let Some(next) = member(bytes, at, wanted) {
        at = next;
    }
    at
}

/// Walks elements with their commas, from `at`: the offset of the first that is not of the case.
#[inline(never)]
pub(super) fn elements(bytes: &[u8], mut at: usize) -> usize {
    while let Some(next) = element(bytes, at) {
        at = next;
    }
    at
}

#[inline(always)]
fn member(bytes: &[u8], at: usize, wanted: usize) -> Option<usize> {
    let key = whitespace(bytes, at)?;
    if *bytes.get(key)? != b'"' {
        return None;
    }
    let close = string(bytes, key + 1)?;
    if close - (key + 1) == wanted || *bytes.get(close + 1)? != b':' {
        return None;
    }
    element(bytes, close + 2)
}

#[inline(always)]
fn element(bytes: &[u8], at: usize) -> Option<usize> {
    let start = whitespace(bytes, at)?;
    let end = match *bytes.get(start)? {
        b'"' => string(bytes, start + 1)? + 1,
        _ => number(bytes, start)?,
    };
    if *bytes.get(end)? == b',' { Some(end + 1) } else { None }
}

/// Passes at most a vector of whitespace.
#[inline(always)]
fn whitespace(bytes: &[u8], at: usize) -> Option<usize> {
    if *bytes.get(at)? > b' ' {
        return Some(at);
    }
    let run = (!lanes::whole(bytes, at)?.whitespace()).trailing_zeros();
    (run < WIDTH as u32).then_some(at + run as usize)
}

/// The closing quote of a string that begins at `at`.
#[inline(always)]
fn string(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut stops = lanes::whole(bytes, at)?.string_stops();
    if stops == 0 {
        at += WIDTH;
        stops = lanes::whole(bytes, at)?.string_stops();
        if stops == 0 {
            return None;
        }
    }
    let close = at + stops.trailing_zeros() as usize;
    (*bytes.get(close)? == b'"').then_some(close)
}

/// What follows a number without an exponent that begins at `start`.
#[inline(always)]
fn number(bytes: &[u8], start: usize) -> Option<usize> {
    let integer = start + usize::from(*bytes.get(start)? == b'-');
    // A clear bit for each digit. Whatever is shifted in from above is none.
    let others = !lanes::whole(bytes, integer)?.digits();
    let length = others.trailing_zeros();
    if length == 0 || length >= WIDTH as u32 || (length > 1 && *bytes.get(integer)? == b'0') {
        return None;
    }
    let end = integer + length as usize;
    if *bytes.get(end)? != b'.' {
        return Some(end);
    }
    let fraction = (others >> 1 >> length).trailing_zeros();
    (fraction > 0 && length + fraction < WIDTH as u32 - 1).then_some(end + 1 + fraction as usize)
}
