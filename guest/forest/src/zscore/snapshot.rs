//! What a [`ZScore`] has learnt, as bytes.
//!
//! All numbers are little-endian: the format's name and version, the settings (`columns`,
//! `sample_size`, `time_decay`, a `u32` each), then for each column how many values it has learnt
//! (`u64`) and the weight, mean and variance (`f64`) of them. The bytes carry no checksum of their
//! own.

use std::fmt;

use super::{FARTHEST_VALUE, Moments, ZScore, ZScoreSettings};

/// Name and version of the format.
const FORMAT: [u8; 8] = *b"WEIRZS\0\x01";
const HEADER: usize = FORMAT.len() + 3 * 4;
const COLUMN: usize = 4 * 8;

/// Why a snapshot is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZScoreSnapshotError {
    /// It is no snapshot of a z-score, or one of another version.
    Foreign,
    /// It was taken with other settings.
    Settings {
        /// What differs.
        setting: &'static str,
        /// Its value in the snapshot.
        found: u32,
    },
    /// It does not have the length that its columns take.
    Length {
        /// Its bytes.
        found: usize,
        /// The bytes that its columns take.
        expected: usize,
    },
    /// A column holds what no records lead to.
    Column {
        /// Which, counted from 0.
        index: usize,
    },
}

impl fmt::Display for ZScoreSnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a z-score snapshot of this version"),
            Self::Settings { setting, found } => {
                write!(f, "the snapshot was taken with {setting} {found}")
            }
            Self::Length { found, expected } => {
                write!(f, "the snapshot has {found} bytes, its columns take {expected}")
            }
            Self::Column { index } => {
                write!(f, "column {index} of the snapshot holds what no records lead to")
            }
        }
    }
}

impl std::error::Error for ZScoreSnapshotError {}

impl ZScore {
    /// Appends what was learnt to `out`: 20 bytes and 32 for each column.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&FORMAT);
        for (_, value) in self.settings.named() {
            out.extend_from_slice(&value.to_le_bytes());
        }
        for Moments { learnt, weight, mean, variance } in &self.columns {
            out.extend_from_slice(&learnt.to_le_bytes());
            for value in [weight, mean, variance] {
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// How long a [`snapshot`](Self::snapshot) is, in bytes.
    pub fn snapshot_bytes(&self) -> usize {
        HEADER + COLUMN * self.columns.len()
    }

    /// The scorer that a [`snapshot`](Self::snapshot) was taken of: it gives the same scores, bit
    /// for bit.
    ///
    /// # Errors
    ///
    /// If the bytes are no snapshot of this version, were taken with other settings, are cut short
    /// or too long, or hold what no records lead to.
    pub fn restore(settings: ZScoreSettings, bytes: &[u8]) -> Result<Self, ZScoreSnapshotError> {
        let mut bytes_left = bytes.strip_prefix(&FORMAT).ok_or(ZScoreSnapshotError::Foreign)?;
        let columns = settings.columns as usize;
        let expected = HEADER + columns * COLUMN;
        let length = ZScoreSnapshotError::Length { found: bytes.len(), expected };
        for (setting, value) in settings.named() {
            let found = u32::from_le_bytes(take(&mut bytes_left).ok_or(length.clone())?);
            if found != value {
                return Err(ZScoreSnapshotError::Settings { setting, found });
            }
        }
        if bytes.len() != expected {
            return Err(length);
        }
        let read = |index| {
            let moments = Moments::read(&mut bytes_left);
            moments.filter(Moments::is_sound).ok_or(ZScoreSnapshotError::Column { index })
        };
        Ok(Self { settings, columns: (0..columns).map(read).collect::<Result<_, _>>()? })
    }
}

impl ZScoreSettings {
    /// The settings under their names, in the order of the snapshot.
    fn named(self) -> [(&'static str, u32); 3] {
        [
            ("columns", self.columns),
            ("sample_size", self.sample_size),
            ("time_decay", self.time_decay),
        ]
    }
}

impl Moments {
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let learnt = u64::from_le_bytes(take(bytes)?);
        let mut number = || take(bytes).map(f64::from_le_bytes);
        Some(Self { learnt, weight: number()?, mean: number()?, variance: number()? })
    }

    /// Whether learning can lead to it, so that no score of it is out of bounds.
    fn is_sound(&self) -> bool {
        let Self { learnt, weight, mean, variance } = *self;
        let weighed = if learnt == 0 { weight == 0.0 } else { weight >= 1.0 };
        weighed
            && weight <= learnt as f64
            && (-FARTHEST_VALUE..=FARTHEST_VALUE).contains(&mean)
            && (0.0..=4.0 * FARTHEST_VALUE * FARTHEST_VALUE).contains(&variance)
    }
}

/// Takes a number's bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*number)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: ZScoreSettings = ZScoreSettings { columns: 3, sample_size: 4, time_decay: 50 };

    fn taught() -> ZScore {
        let mut scorer = ZScore::new(SETTINGS);
        for index in 0..40 {
            let value = f64::from(index);
            scorer.learn(&[value, value * value, if index < 9 { f64::NAN } else { 0.3 }]);
        }
        scorer
    }

    fn bytes(scorer: &ZScore) -> Vec<u8> {
        let mut bytes = Vec::new();
        scorer.snapshot(&mut bytes);
        bytes
    }

    #[test]
    fn other_settings_are_refused_by_name() {
        let bytes = bytes(&taught());
        let refused = |settings| ZScore::restore(settings, &bytes).expect_err("other settings");
        let other = ZScoreSettings { columns: 2, ..SETTINGS };
        assert_eq!(refused(other).to_string(), "the snapshot was taken with columns 3");
        let other = ZScoreSettings { sample_size: 5, ..SETTINGS };
        assert_eq!(refused(other).to_string(), "the snapshot was taken with sample_size 4");
        let other = ZScoreSettings { time_decay: 51, ..SETTINGS };
        assert_eq!(refused(other).to_string(), "the snapshot was taken with time_decay 50");
    }

    #[test]
    fn every_other_length_is_refused() {
        let mut bytes = bytes(&taught());
        assert_eq!(bytes.len(), 20 + 3 * 32);
        for length in 0..bytes.len() {
            assert!(ZScore::restore(SETTINGS, &bytes[..length]).is_err(), "{length}");
        }
        bytes.push(0);
        let error = ZScore::restore(SETTINGS, &bytes).expect_err("a byte too many");
        assert_eq!(error, ZScoreSnapshotError::Length { found: 117, expected: 116 });
    }

    #[test]
    fn another_version_is_foreign() {
        let mut bytes = bytes(&taught());
        bytes[FORMAT.len() - 1] += 1;
        assert_eq!(ZScore::restore(SETTINGS, &bytes), Err(ZScoreSnapshotError::Foreign));
    }

    #[test]
    fn what_no_records_lead_to_is_refused() {
        let unsound = [
            Moments { learnt: 1, weight: 0.5, mean: 0.0, variance: 0.0 },
            Moments { learnt: 1, weight: 2.0, mean: 0.0, variance: 0.0 },
            Moments { learnt: 0, weight: 1.0, mean: 0.0, variance: 0.0 },
            Moments { learnt: 9, weight: f64::NAN, mean: 0.0, variance: 0.0 },
            Moments { learnt: 9, weight: 5.0, mean: f64::INFINITY, variance: 0.0 },
            Moments { learnt: 9, weight: 5.0, mean: 0.0, variance: -1.0 },
            Moments { learnt: 9, weight: 5.0, mean: 0.0, variance: f64::NAN },
        ];
        for moments in unsound {
            let mut scorer = taught();
            scorer.columns[1] = moments;
            let error = ZScore::restore(SETTINGS, &bytes(&scorer));
            assert_eq!(error, Err(ZScoreSnapshotError::Column { index: 1 }), "{moments:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_restored_goes_on_as_before(
            before in vec(any::<[f64; 3]>(), 0..60),
            after in vec(any::<[f64; 3]>(), 0..60),
        ) {
            let mut kept = ZScore::new(SETTINGS);
            before.iter().for_each(|point| kept.learn(point));
            let mut restored = ZScore::restore(SETTINGS, &bytes(&kept))?;
            for point in after {
                prop_assert_eq!(kept.score(&point).to_bits(), restored.score(&point).to_bits());
                kept.learn(&point);
                restored.learn(&point);
            }
            prop_assert_eq!(bytes(&kept), bytes(&restored));
        }

        #[test]
        fn bytes_are_restored_whole_or_refused(columns in vec(any::<u8>(), 96)) {
            let header = bytes(&ZScore::new(SETTINGS));
            let snapshot = [&header[..HEADER], &columns].concat();
            if let Ok(mut restored) = ZScore::restore(SETTINGS, &snapshot) {
                prop_assert_eq!(bytes(&restored), snapshot);
                restored.learn(&[1.0, -1e300, 0.0]);
                prop_assert!(restored.score(&[1.0, 1e300, 5.0]).is_finite());
            }
        }
    }
}
