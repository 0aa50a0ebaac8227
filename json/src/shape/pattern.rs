//! What documents of a shape look like, byte for byte.
//!
//! Most scalars of a stream are of one length each: identifiers, times, numbers of so many digits. So
//! there is a range for each byte that it has to be in, of one byte for text and of ten for a digit, and
//! a document is compared as if all of it were text. Only the scalars whose lengths change again and
//! again, and those that are looked for, are looked at: there a segment of the pattern ends.

use super::containers::Containers;
use super::range::{Range, Ranges, Row, ranges_at};
use super::step::{Expected, Step, TEXT, Then};
use crate::lanes::WIDTH;

/// The ranges that the bytes of documents are in, segment by segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Pattern {
    /// The last one ends with an [end](Then::End).
    pub(super) segments: Vec<Segment>,
    /// Of each segment as many as it has vectors.
    pub(super) ranges: Vec<Ranges>,
}

/// What is compared in one go, and what is looked at then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    /// How many bytes are compared.
    pub(super) length: u32,
    /// How many vectors these fill, the last one perhaps in part.
    pub(super) vectors: u32,
    /// What follows them. If it is [text](Then::Text), the next segment.
    pub(super) then: Then,
    /// Of a [`Then::Field`], which of the values that are looked for it is.
    pub(super) field: u8,
    /// Whether documents have left it out, or have come back to it.
    pub(super) is_junction: bool,
    /// How long the scalar behind it was in the last document.
    last: u32,
    /// How often it was of that length in a row, beside the first time.
    pub(super) repeats: u32,
    /// The containers that are open where it begins.
    pub(super) open: Containers,
    /// The first of its steps, and the last.
    pub(super) steps: (usize, usize),
}

impl Pattern {
    /// The pattern of these steps, before which these containers are open. The scalars that are expected look
    /// like these, which come with their steps, in order; or else as the steps' did in an older pattern.
    pub(super) fn new<'d>(
        steps: &mut [Step],
        open: &[Containers],
        old: &Self,
        scalars: impl IntoIterator<Item = (usize, &'d [u8])>,
    ) -> Self {
        let most = steps
            .iter()
            .map(|step| TEXT + WIDTH + step.expected.map_or(0, |expected| expected.bytes))
            .sum();
        let (mut segments, mut row) = (Vec::new(), Row::with_capacity(most));
        let mut scalars = scalars.into_iter().peekable();
        let (mut first, mut start) = (0, 0);
        for index in 0..steps.len() {
            let [step, next @ ..] = &mut steps[index..] else { break };
            let before_junction = next.first().is_some_and(|next| next.is_junction);
            step.expected = step
                .expected
                .filter(|expected| next.first().is_none_or(|next| expected.may_stand_before(next)));
            step.segment = (first == index).then_some(segments.len());
            let (length, before) = (step.text().len(), step.place);
            step.place = row.len();
            row.push_text(&step.text, length);
            let scalar = scalars.next_if(|(of, _)| *of == index);
            match (step.expected, scalar) {
                (None, _) => {}
                (Some(_), Some((_, scalar))) => row.extend(Range::of_scalar(scalar)),
                (Some(Expected { bytes, .. }), None) => {
                    let start = before + length;
                    row.extend(ranges_at(&old.ranges, start..start + bytes));
                }
            }
            let then = if step.expected.is_some() { Then::Text } else { step.then };
            if then != Then::Text || before_junction {
                segments.push(Segment {
                    length: (row.len() - start) as u32,
                    vectors: (row.len() - start).div_ceil(WIDTH) as u32,
                    then,
                    field: step.field,
                    is_junction: false,
                    last: 0,
                    repeats: 0,
                    open: open.get(first).copied().unwrap_or(Containers::UNKNOWN),
                    steps: (first, index),
                });
                row.fill_up();
                (first, start) = (index + 1, row.len());
            }
        }
        Self { segments, ranges: row.into_vectors() }
    }
}

impl Segment {
    /// Notes how long its scalar is.
    #[inline(always)]
    pub(super) fn note(&mut self, length: usize) {
        let length = length as u32;
        // Without a branch: which lengths come cannot be foreseen here.
        let comes_again = u32::from(length == self.last);
        self.repeats = self.repeats.wrapping_add(1) & comes_again.wrapping_neg();
        self.last = length;
    }
}
