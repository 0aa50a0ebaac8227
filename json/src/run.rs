//! Runs of plain values, which are passed in one tight loop.
//!
//! Most of a document is plain: members and elements that are short, on one line, without escapes,
//! and ASCII. Whatever is not plain ends a run; the scanner walks it, and the next run begins behind
//! it.
//!
//! The loop looks at a window of 64 bytes at once and finds its way by the bits of masks, without
//! waiting for a load at each step, after Langdale and Lemire, "Parsing Gigabytes of JSON per
//! Second", VLDB Journal 28 (2019). A window begins where a member or an element does, so nothing is
//! carried over from one to the next, and nothing is stored.
//!
//! It reads without checking each offset. Its tests are small enough for Miri:
//! `cargo +nightly miri test --package weir-json run::`.

use crate::lanes::{self, BLOCK, Lanes};
use crate::{number, string};

/// How many bytes a window has.
const WINDOW: usize = BLOCK;

/// How many bytes are looked at from a window's start: what decides about a value may stand behind
/// the window.
pub(crate) const REACH: usize = WINDOW + 8;

/// Where something ends of which no more than that is known.
const BEHIND: usize = WINDOW + 1;

/// Where a run stands.
pub(crate) struct Run {
    /// The offset: of a key or of an element, or of what is behind a value.
    pub(crate) at: usize,
    /// Whether it is behind a value.
    pub(crate) behind_a_value: bool,
    /// Whether the innermost open container is an object.
    pub(crate) in_object: bool,
    /// How many containers the run opened and did not close.
    pub(crate) opened: u32,
    /// Whether each of the containers around them is an object: one bit each, the innermost lowest.
    pub(crate) outer_objects: u64,
    /// Where the last value begins and ends that was watched for and passed: a number.
    pub(crate) found: Option<(usize, usize)>,
}

/// A key to watch for.
#[derive(Clone, Copy)]
pub(crate) struct Watched<'k> {
    pub(crate) key: &'k [u8],
    /// Whether its value is all that is asked for. Or else it is not passed.
    pub(crate) reaches: bool,
}

impl Run {
    /// A run that begins at a key of an object or at an element of an array.
    pub(crate) fn new(at: usize, in_object: bool) -> Self {
        let (opened, outer_objects) = (0, 0);
        Self { at, behind_a_value: false, in_object, opened, outer_objects, found: None }
    }

    /// Passes what is plain. A document ends at `end`, and `buffer` may go on behind it. A key is
    /// watched for in the container where the run began, and no more containers are opened than
    /// `most`.
    #[inline(never)]
    pub(crate) fn pass(
        &mut self,
        buffer: &[u8],
        end: usize,
        watched: Option<Watched<'_>>,
        most: u32,
    ) {
        let document = &buffer[..end];
        let byte = |at: usize| document.get(at).copied().unwrap_or(0);
        let most = most.min(u64::BITS);
        let length = watched.map_or(NOTHING, |watched| watched.key.len());
        let Self { mut at, mut in_object, mut opened, mut outer_objects, .. } = *self;
        let behind_a_value = 'run: loop {
            let watch = if opened == 0 { length } else { NOTHING };
            let stop = match in_object {
                true => pass_scalars::<true>(buffer, at, end, watch, opened < most),
                false => pass_scalars::<false>(buffer, at, end, watch, opened < most),
            };
            at = stop.at();
            match stop.place() {
                Place::Before => break false,
                Place::Behind => {}
                Place::Key => match watched.and_then(|key| key.value(document, at)) {
                    Some(value) => {
                        self.found = Some(value);
                        at = value.1;
                    }
                    None => break false,
                },
                Place::Container => {
                    let (first, second) = (byte(at), byte(at + 1));
                    opened += 1;
                    outer_objects = outer_objects << 1 | u64::from(in_object);
                    in_object = first == b'{';
                    at += 1;
                    // The closing brackets follow the opening ones at the same distance.
                    if second != first + 2 {
                        continue;
                    }
                }
            }
            // It is behind a value: up to the comma, containers may end.
            loop {
                let bracket = byte(at);
                if bracket == b',' {
                    at += 1;
                    break;
                }
                if opened == 0 || bracket != if in_object { b'}' } else { b']' } {
                    break 'run true;
                }
                opened -= 1;
                in_object = outer_objects & 1 == 1;
                outer_objects >>= 1;
                at += 1;
            }
        };
        let found = self.found;
        *self = Self { at, behind_a_value, in_object, opened, outer_objects, found };
    }
}

impl Watched<'_> {
    /// Where the number begins and ends that this key, if it is the one at `at`, has for its value.
    fn value(self, document: &[u8], at: usize) -> Option<(usize, usize)> {
        let key = at + 1..at + 1 + self.key.len();
        let colon = key.end + 1;
        if !self.reaches || !string::equal(document.get(key)?, self.key) {
            return None;
        }
        let start = colon + 1 + usize::from(document.get(colon + 1) == Some(&b' '));
        match document.get(start) {
            Some(b'-' | b'0'..=b'9') => Some((start, number::scan(document, start).ok()?)),
            _ => None,
        }
    }
}

/// No key has this length.
const NOTHING: usize = usize::MAX;

/// Where the loop stopped, in one word.
#[derive(Clone, Copy)]
struct Stop(u64);

/// What is at the place where the loop stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A key or an element that is not plain.
    Before,
    /// What follows a value that is.
    Behind,
    /// The value of a key that was passed, or an element: a container.
    Container,
    /// A key as long as the one that is watched for.
    Key,
}

impl Stop {
    #[inline(always)]
    fn new(place: Place, at: usize) -> Self {
        Self((at as u64) << 2 | place as u64)
    }

    fn at(self) -> usize {
        (self.0 >> 2) as usize
    }

    fn place(self) -> Place {
        match self.0 & 3 {
            0 => Place::Before,
            1 => Place::Behind,
            2 => Place::Container,
            _ => Place::Key,
        }
    }
}

/// Passes members of an object, or elements of an array, whose values are no containers, and the
/// commas behind them.
///
/// It calls nothing and keeps little, so that a WebAssembly engine needs few registers for it.
#[inline(never)]
fn pass_scalars<const OBJECT: bool>(
    buffer: &[u8],
    at: usize,
    end: usize,
    watched: usize,
    may_open: bool,
) -> Stop {
    let stop = |place, here: *const u8| Stop::new(place, here.addr() - buffer.as_ptr().addr());
    let readable = &buffer[at.min(buffer.len())..];
    let first = readable.as_ptr();
    let Some(last) = readable.len().checked_sub(REACH) else { return stop(Place::Before, first) };
    let last = first.wrapping_add(last);
    let end = buffer[..end].as_ptr_range().end;
    let mut start = first;
    while start <= last && start < end {
        // SAFETY: the buffer has REACH bytes from any place up to `last`.
        let mut window = unsafe { Window::new(start, end.addr() - start.addr()) };
        loop {
            // SAFETY: what is read is in the window, or a few bytes behind it: within REACH bytes
            // from its start.
            let byte = |offset: usize| unsafe { *window.here.add(offset) };
            let mut value = 0;
            let mut open = window.quotes;
            if OBJECT {
                let first = byte(0);
                if first != b'"' {
                    if first == b' ' && window.left > 0 {
                        window.pass(1);
                        continue;
                    }
                    return stop(Place::Before, window.here);
                }
                let close = without_lowest(window.quotes).trailing_zeros() as usize;
                if close >= window.left {
                    break;
                }
                if byte(close + 1) != b':' {
                    return stop(Place::Before, window.here);
                }
                if close - 1 == watched {
                    return stop(Place::Key, window.here);
                }
                open = without_lowest(without_lowest(window.quotes));
                value = close + 2;
            }
            if byte(value) == b' ' {
                value += 1;
            }
            if value >= window.left {
                break;
            }
            let first = byte(value);
            let next = if open.trailing_zeros() as usize == value {
                without_lowest(open).trailing_zeros() as usize + 1
            } else if window.digits >> value & 1 == 1 || first == b'-' {
                match number_end(window.digits, value, byte) {
                    Some(next) => next,
                    None => return stop(Place::Before, window.here),
                }
            } else if first == b'{' || first == b'[' {
                if value + 1 >= window.left {
                    break;
                }
                // Whether it is empty has to be clear.
                if !may_open || byte(value + 1) <= b' ' {
                    return stop(Place::Before, window.here);
                }
                return stop(Place::Container, window.here.wrapping_add(value));
            } else {
                match literal(value, byte) {
                    Some(next) => next,
                    None => return stop(Place::Before, window.here),
                }
            };
            if next > window.left {
                break;
            }
            if next == window.left || byte(next) != b',' {
                return stop(Place::Behind, window.here.wrapping_add(next));
            }
            window.pass(next + 1);
        }
        if window.here == start {
            break;
        }
        start = window.here;
    }
    stop(Place::Before, start)
}

#[inline(always)]
fn without_lowest(bits: u64) -> u64 {
    bits & bits.wrapping_sub(1)
}

/// The offset of what follows the literal at an offset, if there is one.
#[inline(always)]
pub(crate) fn literal(start: usize, byte: impl Fn(usize) -> u8) -> Option<usize> {
    match [byte(start), byte(start + 1), byte(start + 2), byte(start + 3)] {
        [b't', b'r', b'u', b'e'] | [b'n', b'u', b'l', b'l'] => Some(start + 4),
        [b'f', b'a', b'l', b's'] if byte(start + 4) == b'e' => Some(start + 5),
        _ => None,
    }
}

/// The offset of what follows the number that begins at an offset within the window; none if it is
/// not plain. Of a number that may go on behind the window it is [`BEHIND`].
#[inline(always)]
fn number_end(digits: u64, start: usize, byte: impl Fn(usize) -> u8) -> Option<usize> {
    let run = |from: usize| (!digits).unbounded_shr(from as u32).trailing_zeros() as usize;
    let integer = start + usize::from(byte(start) == b'-');
    let length = run(integer);
    let mut next = integer + length;
    if next >= WINDOW {
        return Some(BEHIND);
    }
    // A leading zero stands alone.
    if length == 0 || (length > 1 && byte(integer) == b'0') {
        return None;
    }
    if byte(next) == b'.' {
        let decimals = run(next + 1);
        if decimals == 0 {
            return None;
        }
        next += 1 + decimals;
        if next >= WINDOW {
            return Some(BEHIND);
        }
    }
    if byte(next) | 0x20 == b'e' {
        let sign = usize::from(matches!(byte(next + 1), b'+' | b'-'));
        let exponent = next + 1 + sign;
        let length = run(exponent);
        next = exponent + length;
        if next >= WINDOW {
            return Some(BEHIND);
        }
        // Two digits do not take a number that fits in the window out of range.
        if length == 0 || length > 2 {
            return None;
        }
    }
    Some(next)
}

/// The length of the number that bytes begin with; none if it is not plain.
#[inline(always)]
pub(crate) fn number_length(bytes: &[u8; REACH]) -> Option<usize> {
    let digits = lanes::block_mask(bytes.first_chunk()?, Lanes::digits);
    number_end(digits, 0, |offset| bytes[offset]).filter(|&length| length < WINDOW)
}

/// What is known of the next bytes, up to 64: the bits of masks, the lowest for the first.
struct Window {
    /// Where they begin.
    here: *const u8,
    /// `"`
    quotes: u64,
    digits: u64,
    /// How many bytes there are before the last, and before the first that is not plain: `\`,
    /// controls and what is not ASCII.
    left: usize,
}

impl Window {
    /// The window of a document that goes on for `left` bytes from `here`.
    ///
    /// # Safety
    ///
    /// So many bytes as a window has can be read.
    #[inline(always)]
    unsafe fn new(here: *const u8, left: usize) -> Self {
        // SAFETY: as the caller promises. An array of bytes needs no alignment.
        let block: [u8; WINDOW] = unsafe { here.cast::<[u8; WINDOW]>().read() };
        let special = lanes::block_mask(&block, Lanes::special);
        Self {
            here,
            quotes: lanes::block_mask(&block, Lanes::quotes),
            digits: lanes::block_mask(&block, Lanes::digits),
            // Of the last byte it is not known whether a number goes on behind it.
            left: left.min(special.trailing_zeros() as usize).min(WINDOW - 1),
        }
    }

    /// Passes so many bytes, of those that are left.
    ///
    /// The masks move along. So an engine that would rather compute a value again than keep it, as
    /// Cranelift does with what a loop needs from before it, has nothing to compute.
    #[inline(always)]
    fn pass(&mut self, bytes: usize) {
        self.here = self.here.wrapping_add(bytes);
        self.quotes = self.quotes.wrapping_shr(bytes as u32);
        self.digits = self.digits.wrapping_shr(bytes as u32);
        self.left -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a run through an object's members ends, and whether behind a value. The document may be
    /// the front of what can be read.
    fn pass(document: &str, behind: &str) -> (usize, bool) {
        let mut buffer = document.as_bytes().to_vec();
        buffer.extend(behind.bytes().cycle().take(REACH));
        let mut run = Run::new(0, true);
        run.pass(&buffer, document.len(), None, 3);
        (run.at, run.behind_a_value)
    }

    #[test]
    fn what_is_plain_is_passed_to_the_bracket() {
        for document in [
            r#""a":1"#,
            r#""a":"b","":"""#,
            r#""a": -1.5e-3, "b": "c d", "e":0"#,
            r#""a":true,"b":false,"c":null"#,
            r#""a":[],"b":{},"c":[1,"d",{"e":[2]}],"f":[[[]]]"#,
            r#""a":{"b":{"c":0}},"d":1E+09,"e":12345678901234567890.0"#,
            r#""device_id":"device00001","pulse":91,"systolic":122,"diastolic":82,"values":[1,2.5,3e1]"#,
        ] {
            for behind in ["}", "},\"z\":1"] {
                assert_eq!(
                    pass(&format!("{document}}}"), behind),
                    (document.len(), true),
                    "{document}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_plain_is_where_a_run_ends() {
        let long = format!(r#""b":"{}""#, "x".repeat(WINDOW));
        for member in [
            r#""b":"\n""#,
            r#""b\u0062":1"#,
            r#""b":"é""#,
            "\"b\":\"\t\"",
            r#""b":01"#,
            r#""b":-"#,
            r#""b":1."#,
            r#""b":1e"#,
            r#""b":1e100"#,
            r#""b":tru"#,
            r#""b":[ ]"#,
            r#""b" :1"#,
            r#""b":,"#,
            r#"b:1"#,
            &long,
        ] {
            assert_eq!(pass(&format!(r#""a":1,{member}}}"#), "0"), (6, false), "{member}");
        }
    }

    #[test]
    fn no_more_containers_are_opened_than_may_be() {
        let (at, behind_a_value) = pass(r#""a":[[[[1]]]]}"#, " ");
        assert_eq!((at, behind_a_value), (7, false));
    }

    #[test]
    fn what_stands_behind_a_document_is_none_of_it() {
        let document = r#""a":1,"b":[2,3],"c":"d""#;
        for length in 0..=document.len() {
            let (front, rest) = document.split_at(length);
            let (at, behind_a_value) = pass(front, &format!("{rest}}}"));
            assert!(at <= length, "{front}");
            // It can be behind a value only where one ends.
            assert!(!behind_a_value || [5, 12, 14, 15, 23].contains(&at), "{front}: {at}");
        }
    }
}
