/// When it is looked at what scalars are to be expected.
#[derive(Clone, Debug)]
pub(super) struct Review {
    /// How many documents came.
    pub(super) documents: u32,
    /// After how many it is due.
    due: u32,
    /// Whether the pattern has something that is expected no more, or does not end where it should.
    pub(super) is_outdated: bool,
}

/// After so many documents it is due for the first time, and again where it is needed.
const FIRST: u32 = 16;

/// Otherwise so many times later each time.
const LATER: u32 = 8;

/// But not later than after so many documents.
const LATEST: u32 = 4096;

impl Default for Review {
    fn default() -> Self {
        Self { documents: 0, due: FIRST, is_outdated: false }
    }
}

impl Review {
    /// Counts a document.
    #[inline(always)]
    pub(super) fn count(&mut self) {
        self.documents = self.documents.saturating_add(1);
    }

    /// Whether it is due.
    #[inline(always)]
    pub(super) fn is_due(&self) -> bool {
        self.documents >= self.due
    }

    /// Has it be due soon.
    pub(super) fn hasten(&mut self) {
        self.is_outdated = true;
        self.due = self.due.min(self.documents.saturating_add(FIRST));
    }

    /// Begins it: whether the pattern is outdated.
    pub(super) fn begin(&mut self) -> bool {
        let pause = self.documents.saturating_mul(LATER - 1).min(LATEST);
        self.due = self.documents.saturating_add(pause);
        std::mem::take(&mut self.is_outdated)
    }
}
