//! The real binary against real servers, one subject a module.

mod answer;
mod command_line;
mod delivery;
mod deployment;
mod examples;
mod faults;
mod lambda;
mod languages;
mod library;
mod memory;
mod observability;
mod rule_author;
mod signals;
mod sns;
mod sns_faults;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository, where a user stands who tries the examples.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of the workspace")
}

/// The path of a sample input.
fn example(name: &str) -> PathBuf {
    root().join("examples").join(name)
}

/// The text of a sample input.
fn example_text(name: &str) -> String {
    let path = example(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
