use std::fmt;

use crate::rcf::settings::SettingOutOfRange;

/// Why bytes are not the state of a forest of these settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// The settings to restore with are out of their ranges.
    Settings(SettingOutOfRange),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => write!(f, "the settings: {error}"),
        }
    }
}

impl std::error::Error for SnapshotError {}
