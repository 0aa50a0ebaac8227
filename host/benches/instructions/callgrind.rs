//! This program, run again under callgrind.

use std::collections::HashMap;
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

/// How many instructions of this program, and of what it compiles, a scenario takes. Those of the
/// system's libraries are left out: they differ from system to system.
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
        .arg(&program)
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
    let ours = |object: &str| object == COMPILED || Path::new(object) == program;
    match sum(&profile, ours) {
        0 => Err(format!("{scenario}: callgrind did not find what to count")),
        total => Ok(total),
    }
}

/// What callgrind calls the object of code that is in no file.
const COMPILED: &str = "???";

/// Sums the costs of a profile up, of the objects that count.
///
/// Source: Valgrind User Manual, "Callgrind Format Specification".
fn sum(profile: &str, counts: impl Fn(&str) -> bool) -> u64 {
    // By its number: the name of an object stands behind it the first time only.
    let mut objects = HashMap::new();
    let mut register = |object: &str| {
        let (number, name) = object.split_once(' ').unwrap_or((object, ""));
        *objects.entry(number.to_owned()).or_insert_with(|| counts(name))
    };
    let mut is_counted = false;
    let mut total = 0;
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if let Some(object) = line.strip_prefix("ob=") {
            is_counted = register(object);
        } else if let Some(object) = line.strip_prefix("cob=") {
            register(object);
        } else if line.starts_with("calls=") {
            // What is called tells its cost by itself; the next line repeats it for the caller.
            lines.next();
        } else if is_counted && line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c))
        {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
            total += cost.unwrap_or_default();
        }
    }
    total
}
