//! When it is looked at what scalars are to be expected.

/// How many documents came, and when a review is due.
#[derive(Clone, Debug)]
pub(super) struct Review {
    /// How many documents came.
    pub(super) documents: u64,
    /// After how many it is due.
    due: u64,
    /// Whether the pattern has something that is expected no more, or does not end where it should.
    is_outdated: bool,
}

/// After so many documents it is due for the first time, and again where it is needed.
const FIRST: u64 = 16;

/// Otherwise so many times later each time.
const LATER: u64 = 8;

/// But not later than after so many documents.
const LATEST: u64 = 4096;

impl Default for Review {
    fn default() -> Self {
        Self { documents: 0, due: FIRST, is_outdated: false }
    }
}

impl Review {
    /// Counts a document.
    #[inline(always)]
    pub(super) fn count(&mut self) {
        self.documents += 1;
    }

    /// Whether it is due.
    #[inline(always)]
    pub(super) fn is_due(&self) -> bool {
        self.documents >= self.due
    }

    /// Has it be due soon.
    pub(super) fn hasten(&mut self) {
        self.is_outdated = true;
        self.due = self.due.min(self.documents + FIRST);
    }

    /// Begins it: whether the pattern is outdated.
    pub(super) fn begin(&mut self) -> bool {
        self.due = (LATER * self.documents).min(self.documents + LATEST);
        std::mem::take(&mut self.is_outdated)
    }
}
