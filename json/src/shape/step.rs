use crate::lanes::{Lanes, WIDTH};

/// Text that is the same in all documents of a shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The text, and what fills it up.
    pub(super) text: [u8; TEXT],
    /// How many bytes of text there are.
    pub(super) length: u8,
    pub(super) then: Then,
    /// Of a [`Then::Field`], which of the values that are looked for it is.
    pub(super) field: u8,
    /// The scalar behind it, in the documents so far.
    pub(super) lengths: Lengths,
}

impl Step {
    /// Of so much text as a step may have. What follows it is not known yet.
    pub(super) fn new(text: &[u8]) -> Self {
        let mut filled = [0; TEXT];
        filled[..text.len()].copy_from_slice(text);
        let (length, lengths) = (text.len() as u8, Lengths::default());
        Self { text: filled, length, then: Then::Text, field: 0, lengths }
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
}

/// What follows the text of a step. Scalars come last.
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

/// How long the scalar of a step was in the last documents, if it was short and plain.
///
/// Where a step ends is known only once its scalar was looked at, and only then the next one can be
/// begun. Where the scalars of a step are of one length, a processor need not wait: it goes on where the
/// step ended the last times, and meanwhile finds that this one does as well.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lengths {
    /// The last one, in bytes, once it has come [often](OFTEN) in a row. Before that, 0.
    pub(super) expected: u8,
    /// How many bytes the step and a scalar of that length are.
    pub(super) stride: u8,
    last: u8,
    /// How often the last one came in a row, beside the first time.
    repeats: u8,
}

/// After so many of the same length another one is expected. Less, and lengths that change are guessed
/// wrong too often, which takes longer than to wait.
pub(super) const OFTEN: u8 = 8;

impl Lengths {
    /// Notes a length that was not expected, of the scalar behind `text` bytes.
    #[inline(always)]
    pub(super) fn note(&mut self, length: u8, text: u8) {
        // Without a branch: which lengths come cannot be foreseen here.
        let all_if = |condition| u8::from(condition).wrapping_neg();
        self.repeats = (self.repeats + 1) & all_if(length == self.last);
        self.expected = length & all_if(self.repeats >= OFTEN);
        self.stride = text + length;
        self.last = length;
    }
}
