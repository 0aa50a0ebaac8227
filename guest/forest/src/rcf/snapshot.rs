//! A forest's state as bytes, all numbers little endian:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `WRCF` |
//! | 2 | the version of the format, 3 |
//! | 4 each | trees, sample size, time decay, shingle, columns |
//! | 8 | seed |
//! | 8 | records learnt |
//! | 8 | the state of the generator of random numbers |
//! | 4 a number | the records that the next point is made of too, the oldest first |
//! | | the [trees](crate::rcf::tree::encoding), one after another |
//!
//! It has no checksum: what keeps it outside of memory has one of all that it keeps.

use std::fmt;

use crate::rcf::settings::{ForestSettings, SettingOutOfRange};

const MAGIC: &[u8; 4] = b"WRCF";

const VERSION: u16 = 3;

/// What comes before the records and the trees.
pub(crate) const HEAD_BYTES: usize = MAGIC.len() + size_of_val(&VERSION) + 5 * 4 + 3 * 8;

/// Why bytes are not the state of a forest of these settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// The settings to restore with are out of their ranges.
    Settings(SettingOutOfRange),
    /// The bytes are no snapshot of a forest.
    Foreign,
    /// A version of the format that is not known here.
    Version(u16),
    /// Bytes are missing.
    CutShort,
    /// The forest had another setting.
    Differs {
        /// The field of [`ForestSettings`].
        setting: &'static str,
        /// What it holds in the snapshot.
        snapshot: u64,
        /// What it holds in the settings to restore with.
        here: u64,
    },
    /// No forest can have this state.
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
            Self::CutShort => f.write_str("the snapshot is cut short"),
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

/// Reads what a snapshot begins with, and leaves the rest.
pub(crate) fn open<'a>(
    settings: &ForestSettings,
    snapshot: &'a [u8],
) -> Result<Reader<'a>, SnapshotError> {
    settings.check().map_err(SnapshotError::Settings)?;
    let after_magic = snapshot.strip_prefix(MAGIC).ok_or(SnapshotError::Foreign)?;
    let mut reader = Reader::new(after_magic);
    let version = u16::from_le_bytes(reader.array()?);
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
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
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What is yet to be read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], SnapshotError> {
        self.0.split_off(..bytes).ok_or(SnapshotError::CutShort)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], SnapshotError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(SnapshotError::CutShort)?;
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
