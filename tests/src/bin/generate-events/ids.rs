use std::fmt;

use weir_tests::random::Random;

/// How far the sequence numbers of two records in a row are apart in a shard of Kinesis.
const STEP: u128 = 1 << 80;
/// 2026-01-01T00:00:00Z, in milliseconds since the epoch.
const START_MS: u64 = 1_767_225_600_000;
/// Between two records, in milliseconds.
const PERIOD_MS: u64 = 17;

/// Record ids: sequence numbers of Kinesis, which have 56 digits and only ever grow.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    /// The first 19 digits.
    high: u64,
    /// The other 37.
    low: u128,
    /// How many were handed out.
    count: u64,
}

/// An id, and when its record arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id {
    high: u64,
    low: u128,
    pub(crate) arrival_ms: u64,
}

impl Ids {
    pub(crate) fn new(random: &mut Random) -> Self {
        // The numbers of today's streams begin with 496.
        let high = 4_960_000_000_000_000_000 + random.between(0, 9_000_000_000_000_000);
        Self { high, low: u128::from(random.next()) << 56, count: 0 }
    }

    pub(crate) fn next(&mut self) -> Id {
        self.low += STEP;
        self.count += 1;
        Id { high: self.high, low: self.low, arrival_ms: START_MS + PERIOD_MS * self.count }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:037}", self.high, self.low)
    }
}

/// A UUID, as the id of an invocation.
pub(crate) fn uuid(random: &mut Random) -> String {
    let (a, b) = (random.next(), random.next());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | (b >> 48) & 0x3fff,
        b & 0xffff_ffff_ffff,
    )
}
