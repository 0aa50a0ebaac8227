use crate::lanes::{Lanes, WIDTH};

/// Text that is the same in all documents of a shape, and what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The text, and what fills it up.
    pub(super) text: [u8; TEXT],
    /// How many bytes of text there are.
    length: u8,
    pub(super) then: Then,
    /// Of a [`Then::Field`], which of the values that are looked for it is.
    pub(super) field: u8,
    /// What scalar is expected behind it. If none, it is looked at.
    pub(super) expected: Option<Expected>,
    /// So often in a row the scalar has to be of one length until it is expected.
    pub(super) proof: u32,
    /// The last document whose scalar was not as expected.
    misfit: u64,
    /// Where its text begins in the pattern, in bytes.
    pub(super) place: usize,
    /// The segment of the pattern that begins with it, if one does.
    pub(super) segment: Option<usize>,
    /// Whether documents leave the shape here, or come back to it.
    pub(super) is_junction: bool,
}

impl Step {
    /// Of so much text as a step may have. What follows it is not known yet.
    pub(super) fn new(text: &[u8]) -> Self {
        let mut filled = [0; TEXT];
        filled[..text.len()].copy_from_slice(text);
        Self {
            text: filled,
            length: text.len() as u8,
            then: Then::Text,
            field: 0,
            expected: None,
            proof: PROOF,
            misfit: 0,
            place: 0,
            segment: None,
            is_junction: false,
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }

    /// Whether its text is what stands here.
    #[inline(always)]
    pub(super) fn is_text(&self, here: &[u8; TEXT]) -> bool {
        let run = |vector: usize| {
            let (here, text) = (here.as_chunks().0, self.text.as_chunks().0);
            Lanes::load(&here[vector]).equal_run(Lanes::load(&text[vector])) as usize
        };
        let (first, length) = (run(0), usize::from(self.length));
        first >= length || (first == WIDTH && WIDTH + run(1) >= length)
    }

    /// Notes that its scalar was not as expected in a document, which are counted. Where that happens
    /// often, none is expected any more, and one only after longer proof.
    pub(super) fn note_misfit(&mut self, document: u64) {
        let before = std::mem::replace(&mut self.misfit, document);
        if document - before < SELDOM {
            self.expected = None;
            self.proof = self.proof.saturating_mul(LONGER);
        }
    }
}

/// A scalar that is mostly of one length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    /// How many bytes it has.
    pub(super) bytes: usize,
    /// Whether it is a number: where it ends is seen by what follows.
    is_number: bool,
}

impl Expected {
    /// One that is as long as this.
    pub(super) fn of(scalar: &[u8]) -> Self {
        let is_number = matches!(scalar.first(), Some(b'-' | b'0'..=b'9'));
        Self { bytes: scalar.len(), is_number }
    }

    /// Whether it is seen where it ends, if this is the next step: at a junction anything may follow.
    pub(super) fn may_stand_before(&self, next: &Step) -> bool {
        !(self.is_number && next.is_junction)
    }
}

/// What follows the text of a step. What is looked at comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub(super) enum Then {
    /// The next step.
    Text,
    /// The document's end.
    End,
    Scalar,
    /// A scalar that is looked for.
    Field,
}

/// How long the text of a step is, at the most: two vectors, of which most need one.
pub(super) const TEXT: usize = 2 * WIDTH;

/// So often in a row a scalar is of one length, before it is expected the first time.
const PROOF: u32 = 12;

/// So many times longer it takes each time after it was not as expected.
const LONGER: u32 = 4;

/// That happens seldom if the last time is so many documents ago. To look at all that does not fit takes as
/// long as to look at some scalars for so long.
const SELDOM: u64 = 32;
