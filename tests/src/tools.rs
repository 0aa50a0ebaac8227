//! Programs that tests need, installed once and kept below the cargo target directory.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::target;

/// The folder of what is installed by a name and its requirements, whose hash is part of the folder's
/// name. It is set up if it is not there yet: in place, because programs hold their own path. Tests
/// that need the same at the same time wait for whichever came first.
pub(crate) fn installed(name: &str, requirements: &str, set_up: impl FnOnce(&Path)) -> PathBuf {
    let tools = target::directory().join("test-tools");
    fs::create_dir_all(&tools).expect("a folder below the cargo target directory");
    let folder = tools.join(format!("{name}-{:016x}", hash(requirements)));
    let complete = folder.join("complete");

    // Held until the end of this function; the system releases it if the process dies.
    let lock = File::create(tools.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock of what is installed");
    if !complete.is_file() {
        set_up(&folder);
        File::create(&complete).expect("the marker of what is complete");
    }
    folder
}

/// A file of `tests/requirements`, and what it holds.
pub(crate) fn requirements(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements").join(name);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (path, text)
}

/// Runs a program that installs something.
///
/// # Panics
///
/// If it fails, with what it printed and the hint.
pub(crate) fn run(command: &mut Command, hint: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start ({hint}): {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed ({hint}):\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
