use std::fmt;
use std::ops::RangeInclusive;

/// What a forest is made with. The ranges are those of `RANDOM_CUT_FOREST` in Kinesis Data
/// Analytics; [`check`](Self::check) tells whether they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForestSettings {
    /// Trees, over which the score is the mean: `numberOfTrees`, 1 to 1000.
    pub trees: u32,
    /// Points that each tree holds: `subSampleSize`, 10 to 1000, and below [`time_decay`].
    ///
    /// [`time_decay`]: Self::time_decay
    pub sample_size: u32,
    /// Records after which a point is e times less likely to be held: `timeDecay`, 1 to 2³¹ − 1.
    pub time_decay: u32,
    /// Successive records that make one point: `shingleSize`, 1 to 30.
    pub shingle: u32,
    /// Numbers in a record, 1 to 30.
    pub columns: u32,
    /// What the generator of random numbers begins with.
    pub seed: u64,
}

impl ForestSettings {
    /// Kinesis Data Analytics' defaults for records of so many numbers: 100 trees of 256 points, a
    /// time decay of 100 000 records, no shingles. The seed is 0.
    pub const fn new(columns: u32) -> Self {
        Self { trees: 100, sample_size: 256, time_decay: 100_000, shingle: 1, columns, seed: 0 }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// Names the first setting that is out of its range.
    pub fn check(&self) -> Result<(), SettingOutOfRange> {
        let within = |setting, value: u32, range: RangeInclusive<u32>| {
            let (least, most) = (*range.start(), *range.end());
            if range.contains(&value) {
                Ok(())
            } else {
                Err(SettingOutOfRange { setting, value, least, most })
            }
        };
        within("trees", self.trees, 1..=1000)?;
        within("sample_size", self.sample_size, 10..=1000)?;
        within("time_decay", self.time_decay, 1..=i32::MAX as u32)?;
        within("sample_size", self.sample_size, 10..=self.time_decay - 1)?;
        within("shingle", self.shingle, 1..=30)?;
        within("columns", self.columns, 1..=30)
    }

    /// Numbers in a point: the columns of all its records.
    pub(crate) fn dimensions(&self) -> usize {
        self.columns as usize * self.shingle as usize
    }
}

/// A setting that is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingOutOfRange {
    /// The field of [`ForestSettings`].
    pub setting: &'static str,
    /// What it holds.
    pub value: u32,
    /// The least that it may hold.
    pub least: u32,
    /// The most that it may hold.
    pub most: u32,
}

impl fmt::Display for SettingOutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value, least, most } = self;
        write!(f, "{setting} is {value}, not within {least} to {most}")
    }
}

impl std::error::Error for SettingOutOfRange {}
