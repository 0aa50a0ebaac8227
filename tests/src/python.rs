//! Programs from PyPI, each in a virtual environment of its own.
//!
//! An environment is set up once and kept below the cargo target directory, under a name that
//! holds a hash of its requirements. Tests that need the same one at the same time wait for
//! whichever came first.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::target;

/// The folder of the programs that the environment `name` has, set up from
/// `tests/requirements/<name>.txt` if it is not there yet.
///
/// # Panics
///
/// If it cannot be set up, with the reason that Python or pip gave.
pub fn programs(name: &str) -> PathBuf {
    let requirements =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("requirements").join(name).with_extension("txt");
    let text = fs::read_to_string(&requirements)
        .unwrap_or_else(|error| panic!("{}: {error}", requirements.display()));

    let tools = target::directory().join("test-tools");
    fs::create_dir_all(&tools).expect("a folder below the cargo target directory");
    let environment = tools.join(format!("{name}-{:016x}", hash(&text)));
    let complete = environment.join("complete");

    // Held until the end of this function; the system releases it if the process dies.
    let lock = File::create(tools.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock of a virtual environment");
    if !complete.is_file() {
        set_up(&environment, &requirements);
        File::create(&complete).expect("the marker of a complete environment");
    }
    environment.join("bin")
}

/// Builds the environment in place, because its programs hold their own path; what an earlier,
/// interrupted attempt left is cleared.
fn set_up(environment: &Path, requirements: &Path) {
    run(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment),
        "on Debian this needs the package python3-venv",
    );
    run(
        Command::new(environment.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            // The requirements name everything that is wanted, and nothing else comes.
            .arg("--no-deps")
            .arg("--requirement")
            .arg(requirements),
        "this needs a package index, by default pypi.org",
    );
}

fn run(command: &mut Command, hint: &str) {
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
