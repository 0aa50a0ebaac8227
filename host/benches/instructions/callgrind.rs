//! This program, run again under callgrind.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The argument before the name of a scenario that is to be run and counted.
pub(crate) const COUNT: &str = "--count";

/// The function that is counted, as callgrind's pattern for its name.
const COUNTED: &str = "*scenarios::counted*";

/// Whether counts of this machine and those of others are of the same code.
pub(crate) fn is_comparable() -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    return is_x86_feature_detected!("avx2");
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    return false;
}

/// How many instructions a scenario takes.
///
/// # Errors
///
/// If valgrind is not installed, or the scenario fails, or was not found to be counted.
pub(crate) fn count(scenario: &str) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| format!("this program's path: {error}"))?;
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args([COUNT, scenario])
        // Tunables of the C library would pick other code than on other machines.
        .env_remove("GLIBC_TUNABLES")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            format!("valgrind cannot be run ({error}): on Debian it is the package valgrind")
        })?;
    if !output.status.success() {
        return Err(format!("{scenario}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let profile =
        fs::read_to_string(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: ")?.parse().ok());
    match total {
        Some(0) | None => Err(format!("{scenario}: callgrind did not find what to count")),
        Some(total) => Ok(total),
    }
}
