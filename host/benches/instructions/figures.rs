//! The figures that are kept.

use std::collections::BTreeMap;
use std::fs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/figures.json");

/// The instructions of each scenario.
#[derive(Clone, Debug)]
pub(crate) struct Figures(BTreeMap<String, u64>);

impl Figures {
    pub(crate) fn read() -> Result<Self, String> {
        let text = fs::read(FILE).map_err(|error| format!("{FILE}: {error}"))?;
        serde_json::from_slice(&text).map(Self).map_err(|error| format!("{FILE}: {error}"))
    }

    pub(crate) fn write(&self) -> Result<(), String> {
        let text = serde_json::to_string_pretty(&self.0).expect("numbers can be written");
        fs::write(FILE, text + "\n").map_err(|error| format!("{FILE}: {error}"))
    }

    pub(crate) fn get(&self, scenario: &str) -> Option<u64> {
        self.0.get(scenario).copied()
    }

    pub(crate) fn set(&mut self, scenario: &str, count: u64) {
        self.0.insert(scenario.to_owned(), count);
    }
}
