//! The way along a document, segment by segment.
//!
//! It reads without checking each offset. Its tests, those of shapes, are small enough for Miri:
//! `cargo +nightly miri test --package weir-json shape::`.

use super::containers::Containers;
use super::detour::BEHIND;
use super::pattern::{Pattern, Segment};
use super::place::Places;
use super::range::Ranges;
use super::scalar::{SHORT_SCALAR, short_scalar_end};
use super::step::{Step, TEXT, Then};
use crate::lanes::WIDTH;

/// How many bytes behind a document may be looked at.
pub(crate) const REACH: usize = TEXT + SHORT_SCALAR;

/// Where a walk along a document and a pattern stands.
#[derive(Debug)]
pub(super) struct Walk<P> {
    pub(super) here: *const u8,
    /// The next segment, and its ranges.
    segment: *mut Segment,
    ranges: *const Ranges,
    /// Whether documents may leave segments out.
    may_skip: bool,
    /// Those that were passed.
    pub(super) places: P,
}

/// Why a walk stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// All segments are passed.
    End,
    /// Here is a scalar that is long, not plain, or none.
    Scalar,
    /// From here on the document does not fit the segment, or it has ended before.
    Misfit,
}

impl<P> Walk<P> {
    /// From the start of a document, along a pattern.
    #[inline(always)]
    pub(super) fn new(here: *const u8, pattern: &mut Pattern, may_skip: bool, places: P) -> Self {
        let (segment, ranges) = (pattern.segments.as_mut_ptr(), pattern.ranges.as_ptr());
        Self { here, segment, ranges, may_skip, places }
    }

    /// Stands at another place of the document, at the segment that begins with a step.
    pub(super) fn stand(&mut self, here: *const u8, pattern: &mut Pattern, step: &Step) {
        let Some(segment) = step.segment else { return };
        self.here = here;
        self.segment = pattern.segments[segment..].as_mut_ptr();
        self.ranges = pattern.ranges[step.place / WIDTH..].as_ptr();
    }

    /// The segment that it stands at.
    ///
    /// # Safety
    ///
    /// The pattern is there, and nothing else has a hold of it.
    pub(super) unsafe fn segment(&mut self) -> &mut Segment {
        // SAFETY: it is one of the pattern's.
        unsafe { &mut *self.segment }
    }

    /// Goes on behind the scalar of a segment.
    ///
    /// # Safety
    ///
    /// It has stopped there.
    pub(super) unsafe fn pass_scalar(&mut self, behind: *const u8) {
        self.here = behind;
        // SAFETY: a segment with a scalar is not the last.
        self.segment = unsafe { self.segment.add(1) };
    }
}

impl<P: Places> Walk<P> {
    /// Passes segments.
    ///
    /// It calls little and keeps little, so that a WebAssembly engine needs few registers for it.
    ///
    /// # Safety
    ///
    /// The pattern is there, and nothing else has a hold of it. Behind the document's end, which is at `end`,
    /// [`PADDING`](crate::PADDING) bytes can be read.
    #[inline(never)]
    pub(super) unsafe fn take(&mut self, end: *const u8) -> Stop {
        let (mut here, mut segment, mut ranges) = (self.here, self.segment, self.ranges);
        loop {
            // SAFETY: it is not behind the last segment.
            let this = unsafe { &mut *segment };
            let (first, behind) = (ranges, here.wrapping_add(this.length as usize));
            // SAFETY: it has so many ranges, and what is compared ends less than a vector behind the document.
            if behind > end || !unsafe { fit(&mut ranges, here, this.vectors) } {
                (self.here, self.segment, self.ranges) = (here, segment, first);
                // SAFETY: as for this.
                if !unsafe { self.skip(end) } {
                    return Stop::Misfit;
                }
                (segment, ranges) = (self.segment, self.ranges);
                continue;
            }
            here = behind;
            if this.then >= Then::Scalar {
                // SAFETY: it is not behind the document.
                let Some(behind) = (unsafe { short_scalar_end(here) }) else {
                    (self.here, self.segment, self.ranges) = (here, segment, ranges);
                    return Stop::Scalar;
                };
                if this.then == Then::Field {
                    self.places.note(this.field, (here.addr(), behind.addr()));
                } else {
                    this.note(behind.addr() - here.addr());
                }
                here = behind;
            } else if this.then == Then::End {
                self.here = here;
                return Stop::End;
            }
            // SAFETY: it is not the last segment.
            segment = unsafe { segment.add(1) };
        }
    }

    /// Leaves out segments, if one comes soon that may stand in the place of the next and fits: whether one
    /// does. Then it stands there. This is what [`Detours`](super::detour::Detours) do step by step.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take).
    #[inline(never)]
    unsafe fn skip(&mut self, end: *const u8) -> bool {
        // SAFETY: it stands at a segment.
        let left = unsafe { &mut *self.segment };
        let (open, mut vectors, mut then) = (left.open, left.vectors, left.then);
        if !self.may_skip || open == Containers::UNKNOWN {
            return false;
        }
        let (mut segment, mut ranges) = (self.segment, self.ranges);
        for _ in 0..BEHIND {
            if then == Then::End {
                return false;
            }
            // SAFETY: it is not the last segment, and has so many ranges.
            let this = unsafe {
                segment = segment.add(1);
                ranges = ranges.add(vectors as usize);
                &mut *segment
            };
            let behind = self.here.wrapping_add(this.length as usize);
            if this.open == open && behind <= end {
                // SAFETY: as for the segments that are taken.
                if unsafe { fit(&mut { ranges }, self.here, this.vectors) } {
                    (left.is_junction, this.is_junction) = (true, true);
                    (self.segment, self.ranges) = (segment, ranges);
                    return true;
                }
            }
            (vectors, then) = (this.vectors, this.then);
        }
        false
    }
}

/// Whether so many vectors fit their ranges, behind which it moves on.
///
/// # Safety
///
/// So many ranges are there, and so many vectors can be read.
#[inline(always)]
unsafe fn fit(ranges: &mut *const Ranges, mut here: *const u8, mut vectors: u32) -> bool {
    // SAFETY: as the caller says.
    unsafe {
        while vectors >= 4 {
            if !fit_some::<4>(ranges, &mut here) {
                return false;
            }
            vectors -= 4;
        }
        (vectors & 2 == 0 || fit_some::<2>(ranges, &mut here))
            && (vectors & 1 == 0 || fit_some::<1>(ranges, &mut here))
    }
}

/// The same, of few vectors. It moves on behind these as well.
///
/// # Safety
///
/// As for [`fit`].
#[inline(always)]
unsafe fn fit_some<const VECTORS: usize>(ranges: &mut *const Ranges, here: &mut *const u8) -> bool {
    // SAFETY: as the caller says. An array of bytes needs no alignment.
    unsafe {
        let fit = Ranges::fit(
            &*ranges.cast::<[Ranges; VECTORS]>(),
            &*here.cast::<[[u8; WIDTH]; VECTORS]>(),
        );
        (*ranges, *here) = (ranges.add(VECTORS), here.add(VECTORS * WIDTH));
        fit
    }
}
