//! Programs from PyPI, each in a virtual environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::{self, run};

/// The folder of the programs that the environment `name` has, set up from
/// `tests/requirements/<name>.txt` if it is not there yet.
///
/// # Panics
///
/// If it cannot be set up, with the reason that Python or pip gave.
pub fn programs(name: &str) -> PathBuf {
    let (requirements, text) = tools::requirements(&format!("{name}.txt"));
    tools::installed(name, &text, |environment| set_up(environment, &requirements)).join("bin")
}

/// What an earlier, interrupted attempt left is cleared.
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
