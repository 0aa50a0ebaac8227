//! A forest's state as bytes, all numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `WRCF` |
//! | 2 | the version of the format, 2 |
//! | 4 each | trees, sample size, time decay, shingle, columns |
//! | 8 | seed |
//! | 8 | records learnt |
//! | 8 | the state of the generator of random numbers |
//! | 4 a number | the records that the next point is made of too, the oldest first |
//! | | the [trees](crate::rcf::tree), one after another |
//! | 8 | XXH64 of all before, with the seed 0 |

use std::fmt;

use twox_hash::XxHash64;

use crate::rcf::settings::{ForestSettings, SettingOutOfRange};

const MAGIC: &[u8; 4] = b"WRCF";

const VERSION: u16 = 2;

/// Why bytes are not the state of a forest of these settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// The settings to restore with are out of their ranges.
    Settings(SettingOutOfRange),
    /// The bytes are no snapshot of a forest.
    Foreign,
    /// A version of the format that is not known here.
    Version(u16),
    /// The checksum is not that of the bytes: some were altered, or lost.
    Damaged,
    /// The forest had another setting.
    Differs {
        /// The field of [`ForestSettings`].
        setting: &'static str,
        /// What it holds in the snapshot.
        snapshot: u64,
        /// What it holds in the settings to restore with.
        here: u64,
    },
    /// The checksum holds, and no forest can have this state.
    Inconsistent,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => write!(f, "the settings to restore a forest with: {error}"),
            Self::Foreign => f.write_str("not the snapshot of a forest"),
            Self::Version(version) => {
                write!(f, "a snapshot of format {version}, which is not known here: {VERSION} is")
            }
            Self::Damaged => {
                f.write_str("the snapshot is damaged or cut short: its checksum is another")
            }
            Self::Differs { setting, snapshot, here } => {
                write!(
                    f,
                    "the snapshot is of a forest whose {setting} is {snapshot}, here it is {here}"
                )
            }
            Self::Inconsistent => f.write_str("the snapshot holds what no forest can have"),
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Settings(error) => Some(error),
            _ => None,
        }
    }
}

/// Appends what a snapshot begins with.
pub(crate) fn begin(settings: &ForestSettings, out: &mut Vec<u8>) {
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    for (_, setting) in numbers(settings) {
        out.extend(setting.to_le_bytes());
    }
    out.extend(settings.seed.to_le_bytes());
}

/// Appends what a snapshot that begins at `start` ends with.
pub(crate) fn end(start: usize, out: &mut Vec<u8>) {
    out.extend(XxHash64::oneshot(0, &out[start..]).to_le_bytes());
}

/// Reads what a snapshot begins and ends with, and leaves what is between.
pub(crate) fn open<'a>(
    settings: &ForestSettings,
    snapshot: &'a [u8],
) -> Result<Reader<'a>, SnapshotError> {
    settings.check().map_err(SnapshotError::Settings)?;
    let mut reader = Reader(snapshot);
    if reader.array().is_ok_and(|magic| magic != *MAGIC) || snapshot.is_empty() {
        return Err(SnapshotError::Foreign);
    }
    // A format that is not known has its checksum elsewhere.
    let version = u16::from_le_bytes(reader.array()?);
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    let (bytes, checksum) = snapshot.split_last_chunk().ok_or(SnapshotError::Damaged)?;
    if XxHash64::oneshot(0, bytes) != u64::from_le_bytes(*checksum) {
        return Err(SnapshotError::Damaged);
    }
    let mut reader = Reader(&bytes[MAGIC.len() + size_of_val(&VERSION)..]);
    let same = |setting, snapshot, here| {
        let differs = SnapshotError::Differs { setting, snapshot, here };
        if snapshot == here { Ok(()) } else { Err(differs) }
    };
    for (setting, here) in numbers(settings) {
        same(setting, u32::from_le_bytes(reader.array()?).into(), here.into())?;
    }
    same("seed", u64::from_le_bytes(reader.array()?), settings.seed)?;
    Ok(reader)
}

/// The settings of 32 bits, in the order of the format.
fn numbers(settings: &ForestSettings) -> [(&'static str, u32); 5] {
    let &ForestSettings { trees, sample_size, time_decay, shingle, columns, seed: _ } = settings;
    [
        ("trees", trees),
        ("sample_size", sample_size),
        ("time_decay", time_decay),
        ("shingle", shingle),
        ("columns", columns),
    ]
}

/// Takes a snapshot apart.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], SnapshotError> {
        self.0.split_off(..bytes).ok_or(SnapshotError::Damaged)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(SnapshotError::Damaged)?;
        self.0 = rest;
        Ok(*array)
    }

    /// The next numbers, so many.
    pub(crate) fn numbers(
        &mut self,
        count: usize,
    ) -> Result<impl Iterator<Item = f32> + use<'a>, SnapshotError> {
        let (chunks, _) = self.take(4 * count)?.as_chunks();
        Ok(chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)))
    }

    /// Nothing is left.
    pub(crate) fn finish(self) -> Result<(), SnapshotError> {
        if self.0.is_empty() { Ok(()) } else { Err(SnapshotError::Inconsistent) }
    }
}
