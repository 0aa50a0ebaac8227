//! The way along a document, step by step.
//!
//! It reads without checking each offset. Its tests, those of shapes, are small enough for Miri:
//! `cargo +nightly miri test --package weir-json shape::`.

use std::slice;

use super::detour::{Back, Detours};
use super::step::{Step, TEXT, Then};
use crate::lanes::{Lanes, WIDTH};
use crate::string::{self, Utf8};
use crate::{PADDING, number, run};

/// In so many vectors behind its quote a string ends that is short. Of a number there are two.
const STRING_VECTORS: usize = 3;

/// How many bytes from a step's start are looked at before the next look at where the document ends:
/// the longest text, and the longest string that is short.
pub(crate) const REACH: usize = TEXT + 1 + STRING_VECTORS * WIDTH;

/// Where a walk along a document and the steps of a shape stands.
pub(super) struct Walk<P> {
    pub(super) here: *const u8,
    pub(super) step: *mut Step,
    /// Those that were passed.
    pub(super) places: P,
}

/// Why a walk stops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// All steps are taken. It may be behind the document's end.
    End,
    /// Here is a scalar that is long, not plain, or none.
    Scalar,
    /// The document is of another shape.
    Other,
}

impl<P: Places> Walk<P> {
    /// Takes steps.
    ///
    /// It calls nothing and keeps little, so that a WebAssembly engine needs few registers for it.
    ///
    /// # Safety
    ///
    /// The last of the steps is an [end](Then::End), and behind the document's end, which is at `end`,
    /// [`PADDING`] bytes can be read.
    #[inline(never)]
    pub(super) unsafe fn take(&mut self, end: *const u8) -> Stop {
        let (mut here, mut step) = (self.here, self.step);
        loop {
            if here > end {
                (self.here, self.step) = (here, step);
                return Stop::Other;
            }
            // SAFETY: it is not behind the last step.
            let this = unsafe { &mut *step };
            // SAFETY: the place is in the document or at its end, behind which REACH bytes can be read.
            if !this.is_text(unsafe { &*here.cast() }) {
                (self.here, self.step) = (here, step);
                return Stop::Other;
            }
            let Step { length, then, field, lengths, .. } = this;
            let text = usize::from(*length);
            let start = here.wrapping_add(text);
            let mut next = start;
            if *then >= Then::Scalar {
                // SAFETY: it is up to TEXT bytes behind that place.
                let Some(end) = (unsafe { short_scalar_end(start) }) else {
                    (self.here, self.step) = (start, step);
                    return Stop::Scalar;
                };
                let scalar = end.addr() - start.addr();
                next = if scalar == usize::from(lengths.expected) {
                    // The same place, but it does not take the scalar to find it.
                    here.wrapping_add(usize::from(lengths.stride))
                } else {
                    lengths.note(scalar as u8, *length);
                    end
                };
                if *then == Then::Field {
                    self.places.note(*field, (start.addr(), next.addr()));
                }
            } else if *then == Then::End {
                self.here = start;
                return Stop::End;
            }
            here = next;
            // SAFETY: it is not the last step.
            step = unsafe { step.add(1) };
        }
    }

    /// Goes on from where it stopped: whether the document is of these steps, but for its detours. It is
    /// the first `length` bytes of the buffer.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take), which stopped like this, along the steps that begin with the `first`.
    #[cold]
    #[inline(never)]
    pub(super) unsafe fn go_on(
        &mut self,
        mut stop: Stop,
        buffer: &[u8],
        length: usize,
        first: *mut Step,
        mut detours: Option<&mut Detours<'_>>,
    ) -> bool {
        let document = &buffer[..length];
        let mut utf8 = Utf8::Unchecked;
        let place = |at: usize| buffer.as_ptr().wrapping_add(at);
        loop {
            let at = self.here.addr() - buffer.as_ptr().addr();
            match stop {
                Stop::End => return at == length,
                Stop::Other => {
                    let Some(detours) = detours.as_deref_mut() else { return false };
                    // SAFETY: it stands at one of the steps, of which there are as many.
                    let (steps, step) = unsafe {
                        (
                            slice::from_raw_parts(first, detours.steps()),
                            self.step.offset_from_unsigned(first),
                        )
                    };
                    match detours.back(steps, step, at, &mut utf8, &mut self.places) {
                        None => return false,
                        Some(Back::End) => {
                            self.here = place(length);
                            return true;
                        }
                        Some(Back::Step(step, at)) => {
                            // SAFETY: it is one of the steps.
                            self.step = unsafe { first.add(step) };
                            self.here = place(at);
                        }
                    }
                }
                Stop::Scalar => {
                    let Some(end) = scalar_end(buffer, document, at, &mut utf8) else {
                        // Where the scalar should be, the text may go on.
                        // SAFETY: it stands at one of the steps, and behind its text.
                        self.here = unsafe { self.here.sub((*self.step).text().len()) };
                        stop = Stop::Other;
                        continue;
                    };
                    // SAFETY: a scalar's step is one of the steps, and not the last.
                    unsafe {
                        if (*self.step).then == Then::Field {
                            self.places
                                .note((*self.step).field, (self.here.addr(), place(end).addr()));
                        }
                        self.step = self.step.add(1);
                    }
                    self.here = place(end);
                }
            }
            // SAFETY: it stands at one of the steps.
            stop = unsafe { self.take(document.as_ptr_range().end) };
        }
    }
}

/// The place behind the scalar at a place, if it is short and plain. It does not know where the
/// document ends.
///
/// # Safety
///
/// `REACH - TEXT` bytes can be read.
#[inline(always)]
unsafe fn short_scalar_end(here: *const u8) -> Option<*const u8> {
    // SAFETY: no offset is beyond what the caller promises: of a string they are in its vectors, of a
    // number in two, or a sign, a point and an exponent's sign behind them.
    let byte = |offset: usize| unsafe { *here.add(offset) };
    let lanes = |offset: usize| {
        // SAFETY: as above. An array of bytes needs no alignment.
        Lanes::load(&unsafe { here.add(offset).cast::<[u8; WIDTH]>().read() })
    };
    let first = byte(0);
    if first == b'"' {
        for vector in 0..STRING_VECTORS {
            let start = 1 + vector * WIDTH;
            let stops = lanes(start).string_stops();
            if stops != 0 {
                let close = start + stops.trailing_zeros() as usize;
                return (byte(close) == b'"').then(|| here.wrapping_add(close + 1));
            }
        }
        return None;
    }
    // To look for digits need not wait for the sign.
    let mut digits = u64::from(lanes(0).digits());
    if digits >> (WIDTH - 1) != 0 {
        digits |= u64::from(lanes(WIDTH).digits()) << WIDTH;
    }
    // A clear bit for each digit. Behind the vectors there is none.
    let sign = usize::from(first == b'-');
    let others = !digits >> sign;
    let integer = others.trailing_zeros() as usize;
    if integer > 0 {
        let byte = |offset: usize| byte(sign + offset);
        let digits = |from: usize| (others >> from).trailing_zeros() as usize;
        let mut end = integer;
        if byte(end) == b'.' {
            let decimals = digits(end + 1);
            if decimals == 0 {
                return None;
            }
            end += 1 + decimals;
        }
        if byte(end) | 0x20 == b'e' {
            let exponent = end + 1 + usize::from(matches!(byte(end + 1), b'+' | b'-'));
            let length = digits(exponent);
            // Two digits do not take a number that is so short out of range.
            if length == 0 || length > 2 {
                return None;
            }
            end = exponent + length;
        }
        // A leading zero stands alone. What goes up to the vectors' end may go on behind it.
        if (integer > 1 && byte(0) == b'0') || sign + end >= 2 * WIDTH {
            return None;
        }
        return Some(here.wrapping_add(sign + end));
    }
    // SAFETY: as above.
    let word = unsafe { here.cast::<[u8; 4]>().read() };
    let length = match &word {
        b"true" | b"null" => 4,
        b"fals" if byte(4) == b'e' => 5,
        _ => return None,
    };
    Some(here.wrapping_add(length))
}

/// The offset behind the scalar at an offset of a document, whatever it is; none if it is not valid. The
/// document is the first `length` bytes of the buffer.
pub(super) fn any_scalar_end(
    buffer: &[u8],
    length: usize,
    at: usize,
    utf8: &mut Utf8,
) -> Option<usize> {
    let here = buffer.get(at..).filter(|rest| rest.len() >= PADDING)?.as_ptr();
    // SAFETY: so many bytes can be read.
    let end = match unsafe { short_scalar_end(here) } {
        Some(end) => at + (end.addr() - here.addr()),
        None => scalar_end(buffer, &buffer[..length], at, utf8)?,
    };
    (end <= length).then_some(end)
}

/// The same of one that is long or not plain.
#[cold]
#[inline(never)]
fn scalar_end(buffer: &[u8], document: &[u8], at: usize, utf8: &mut Utf8) -> Option<usize> {
    match document.get(at)? {
        b'"' => string::scan(document, at + 1, utf8).ok().map(|string| string.close + 1),
        b'-' | b'0'..=b'9' => {
            let length = buffer[at..].first_chunk().and_then(run::number_length);
            length.map(|length| at + length).or_else(|| number::scan(document, at).ok())
        }
        _ => None,
    }
}

/// Where a value begins and ends: the addresses.
pub(crate) type Place = (usize, usize);

/// The places of the values that are looked for.
pub(super) trait Places {
    /// Notes one of them.
    fn note(&mut self, field: u8, place: Place);
}

impl Places for Place {
    #[inline(always)]
    fn note(&mut self, _: u8, place: Place) {
        *self = place;
    }
}

impl Places for &mut [Place] {
    #[inline(always)]
    fn note(&mut self, field: u8, place: Place) {
        self[usize::from(field)] = place;
    }
}
