//! The way along a document, step by step.
//!
//! It reads without checking each offset. Its tests, those of shapes, are small enough for Miri:
//! `cargo +nightly miri test --package weir-json shape::`.

use std::slice;

use super::detour::{Back, Detours};
use super::place::Places;
use super::scalar::{SHORT_SCALAR, scalar_end, short_scalar_end};
use super::step::{Step, TEXT, Then};
use crate::string::Utf8;

/// How many bytes from a step's start are looked at before the next look at where the document ends:
/// the longest text, and the longest scalar that is short.
pub(crate) const REACH: usize = TEXT + SHORT_SCALAR;

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
    /// [`PADDING`](crate::PADDING) bytes can be read.
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
