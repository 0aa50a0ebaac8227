use std::ops::Range;

use super::flagged::Unsettled;
use crate::contract::Partition;

/// What a batch leaves behind, beside its outcome, that came to a rule that keeps state.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// What is remembered as flagged until it is dealt with.
    pub(super) unsettled: Vec<Unsettled>,
    /// What the rule was taught.
    pub(crate) lessons: Vec<Lesson>,
}

/// Records that a rule has learnt, one after the other. Those that came again, and that it had learnt before,
/// are in none.
#[derive(Debug)]
pub(crate) struct Lesson {
    /// Whose state it has learnt them with.
    pub(crate) partition: Partition,
    /// The entries of the batch.
    pub(crate) entries: Range<usize>,
    /// How many records that state had learnt before. One that fails is not learnt.
    pub(crate) after: u64,
    /// The entries that are flagged as they were when they came before, ascending.
    pub(crate) again: Vec<usize>,
}

impl Aftermath {
    /// Forgets the flags of entries that were dealt with: ascending.
    pub(crate) fn settle(self, entries: &[usize]) {
        self.unsettled.into_iter().for_each(|flags| flags.settle(entries));
    }
}
