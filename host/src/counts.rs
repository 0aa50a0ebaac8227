/// What became of records, in numbers. The records within an aggregate count one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them: the sum of passed, flagged, dropped and bad or unclassified ones.
    pub records: u64,
    /// Nothing to notice.
    pub passed: u64,
    /// Flagged by the rule, published or not.
    pub flagged: u64,
    /// Dropped by the rule.
    pub dropped: u64,
    /// Answered as failed: not classified, or flagged and not published.
    pub failed: u64,
    /// Flagged, and confirmed by the publisher.
    pub published: u64,
    /// They can never be processed, and are in the dead-letter queue.
    pub dead_lettered: u64,
    /// They can never be processed, and were dropped for it.
    pub discarded: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.passed += other.passed;
        self.flagged += other.flagged;
        self.dropped += other.dropped;
        self.failed += other.failed;
        self.published += other.published;
        self.dead_lettered += other.dead_lettered;
        self.discarded += other.discarded;
    }
}
