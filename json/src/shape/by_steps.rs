//! The way along a document that is not all as its shape's pattern has it.

use super::detour::{Back, Detours};
use super::pattern::{Pattern, Segment};
use super::place::{Places, place};
use super::review::Review;
use super::scalar::{any_scalar_end, scalar_end};
use super::step::{Expected, Step, Then};
use super::walk::{Stop, Walk};
use crate::lanes::WIDTH;
use crate::string::Utf8;

/// A walk that goes step by step where a pattern does not fit.
pub(super) struct BySteps<'w, 'd, P> {
    pub(super) walk: Walk<P>,
    steps: &'w mut [Step],
    pattern: &'w mut Pattern,
    review: &'w mut Review,
    /// The document is the first `length` bytes, behind which there are [`PADDING`](crate::PADDING).
    buffer: &'d [u8],
    length: usize,
    utf8: Utf8,
    /// The next step, and where it begins.
    step: usize,
    pub(super) at: usize,
    /// The scalars that were passed, with their steps in order, if they are wanted: then it goes step by
    /// step to the end.
    scalars: Option<Vec<(usize, &'d [u8])>>,
}

/// What came of a step that was looked at.
enum Passed {
    Step,
    /// It was the last one.
    End,
    /// The document has something else there.
    Not,
}

impl<'w, 'd, P: Places> BySteps<'w, 'd, P> {
    /// A walk along the document that the first `length` bytes of a buffer are.
    pub(super) fn new(
        walk: Walk<P>,
        steps: &'w mut [Step],
        pattern: &'w mut Pattern,
        review: &'w mut Review,
        buffer: &'d [u8],
        length: usize,
    ) -> Self {
        let utf8 = Utf8::Unchecked;
        Self { walk, steps, pattern, review, buffer, length, utf8, step: 0, at: 0, scalars: None }
    }

    /// Goes on from where the walk stopped: whether the document is of this shape, but for its detours.
    pub(super) fn go_on(&mut self, mut stop: Stop, mut detours: Option<&mut Detours<'_>>) -> bool {
        loop {
            self.at = self.walk.here.addr() - self.buffer.as_ptr().addr();
            if self.at > self.length {
                return false;
            }
            match stop {
                Stop::End => return self.at == self.length,
                Stop::Scalar if self.pass_long_scalar() => {
                    stop = self.take();
                    continue;
                }
                // Where the scalar should be, the text may go on.
                Stop::Scalar => {
                    self.step = self.segment().steps.1;
                    self.at -= self.steps[self.step].text().len();
                }
                Stop::Misfit => self.find_misfit(),
            }
            if let Some(passed) = self.go_by_steps(stop == Stop::Misfit, &mut detours) {
                return passed;
            }
            stop = self.take();
        }
    }

    /// The scalars of a document that is of this shape, from its start, and the steps that they belong to.
    pub(super) fn scalars(
        mut self,
        mut detours: Option<&mut Detours<'_>>,
    ) -> Vec<(usize, &'d [u8])> {
        self.scalars = Some(Vec::new());
        self.go_by_steps(false, &mut detours);
        self.scalars.unwrap_or_default()
    }

    /// Goes step by step until the document ends, and then says whether it is of this shape; or until a
    /// segment begins, and stands there. The first step may be the one that does not fit.
    fn go_by_steps(
        &mut self,
        mut is_misfit: bool,
        detours: &mut Option<&mut Detours<'_>>,
    ) -> Option<bool> {
        loop {
            match self.pass_step(is_misfit) {
                Passed::Step => {}
                Passed::End => return Some(self.at == self.length),
                Passed::Not => {
                    let Some(detours) = detours else { return Some(false) };
                    self.note_junction();
                    let (step, at) = (self.step, self.at);
                    let places = &mut self.walk.places;
                    match detours.back(self.steps, step, at, &mut self.utf8, places) {
                        None => return Some(false),
                        Some(Back::End) => return Some(true),
                        Some(Back::Step(step, at)) => (self.step, self.at) = (step, at),
                    }
                    self.note_junction();
                }
            }
            is_misfit = false;
            let step = &self.steps[self.step];
            if step.segment.is_some() && self.scalars.is_none() {
                self.walk.stand(self.buffer[self.at..].as_ptr(), self.pattern, step);
                return None;
            }
        }
    }

    /// Has a segment begin where the document leaves the steps, or comes back to them.
    fn note_junction(&mut self) {
        let mut step = self.step;
        while step > 0 && self.steps[step - 1].then == Then::Text {
            step -= 1;
        }
        let step = &mut self.steps[step];
        step.is_junction = true;
        if step.segment.is_none() {
            self.review.hasten();
        }
    }

    /// Takes segments from where the walk stands.
    fn take(&mut self) -> Stop {
        let end = self.buffer[..self.length].as_ptr_range().end;
        // SAFETY: nothing else has a hold of the pattern now.
        unsafe { self.walk.take(end) }
    }

    /// The segment that the walk stands at.
    fn segment(&mut self) -> &mut Segment {
        // SAFETY: as above, as long as this has.
        unsafe { self.walk.segment() }
    }

    /// Passes a scalar that is long or not plain, if here is one.
    fn pass_long_scalar(&mut self) -> bool {
        let (start, document) = (self.at, &self.buffer[..self.length]);
        let Some(end) = scalar_end(self.buffer, document, start, &mut self.utf8) else {
            return false;
        };
        let segment = self.segment();
        if segment.then == Then::Field {
            let field = segment.field;
            self.walk.places.note(field, place(self.buffer, start, end));
        } else {
            segment.note(end - start);
        }
        // SAFETY: it has stopped here.
        unsafe { self.walk.pass_scalar(self.buffer[end..].as_ptr()) };
        true
    }

    /// Finds the step that does not fit, from where its segment begins. Where a text does not fit from its
    /// first byte on, that is the step before: its scalar may be longer.
    fn find_misfit(&mut self) {
        let (first, last) = self.segment().steps;
        let start = self.steps[first].place;
        let (vectors, _) = self.buffer[self.at..].as_chunks();
        let vectors = self.pattern.ranges[start / WIDTH..].iter().zip(vectors);
        let mut misfit = start;
        for (ranges, vector) in vectors {
            let run = ranges.run(vector);
            misfit += run;
            if run < WIDTH {
                break;
            }
        }
        self.step = first;
        while self.step < last && self.steps[self.step + 1].place < misfit {
            self.step += 1;
        }
        self.at += self.steps[self.step].place - start;
    }

    /// Looks at a step, which may be the one that does not fit.
    fn pass_step(&mut self, is_misfit: bool) -> Passed {
        let step = &mut self.steps[self.step];
        let here = self.buffer.get(self.at..).and_then(|rest| rest.first_chunk());
        if !here.is_some_and(|here| step.is_text(here)) {
            return Passed::Not;
        }
        let start = self.at + step.text().len();
        self.at = match step.then {
            Then::Text => start,
            Then::End => {
                self.at = start;
                return Passed::End;
            }
            Then::Scalar | Then::Field => {
                let end = any_scalar_end(self.buffer, self.length, start, &mut self.utf8);
                let Some(end) = end else { return Passed::Not };
                if let Some(scalars) = &mut self.scalars {
                    // A detour may come to a step again.
                    if scalars.last().is_none_or(|(last, _)| *last < self.step) {
                        scalars.push((self.step, &self.buffer[start..end]));
                    }
                } else if let Some(Expected { bytes, .. }) = step.expected
                    && (bytes != end - start || is_misfit)
                {
                    step.note_misfit(self.review.documents);
                    if step.expected.is_none() {
                        self.review.hasten();
                    }
                }
                if step.then == Then::Field {
                    self.walk.places.note(step.field, place(self.buffer, start, end));
                }
                end
            }
        };
        self.step += 1;
        Passed::Step
    }
}
