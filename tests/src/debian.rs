//! Programs from Debian's packages, without installing them.
//!
//! A package is unpacked once and kept below the cargo target directory. Tests that need the same one
//! at the same time wait for whichever came first.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::target;

/// The path of a program: as it is installed, or else from the package of the same name.
///
/// # Panics
///
/// If there is none and the package cannot be had, with the reason that the tools gave.
pub fn program(name: &str) -> PathBuf {
    let installed = Path::new("/usr/bin").join(name);
    if installed.is_file() {
        return installed;
    }
    let tools = target::directory().join("test-tools");
    fs::create_dir_all(&tools).expect("a folder below the cargo target directory");
    let unpacked = tools.join(name);
    let program = unpacked.join("usr/bin").join(name);
    // Held until the end of this function; the system releases it if the process dies.
    let lock = File::create(tools.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock of a package");
    if !program.is_file() {
        unpack(name, &unpacked);
    }
    assert!(program.is_file(), "the package {name} has no program of this name");
    program
}

fn unpack(package: &str, folder: &Path) {
    let folder_of_package = tempfile::tempdir_in(target::directory()).expect("a temporary folder");
    let mut download = Command::new("apt-get");
    download.args(["download", package]).current_dir(folder_of_package.path());
    // On a new machine, nothing is known of any package yet.
    if !download.output().is_ok_and(|output| output.status.success()) {
        run(Command::new("apt-get").arg("update"), "this needs Debian, and to be root");
        run(&mut download, "Debian has a package of this name");
    }
    let entry =
        fs::read_dir(folder_of_package.path()).expect("the folder").next().expect("the package");
    let file = entry.expect("the package").path();
    run(Command::new("dpkg-deb").arg("--extract").arg(file).arg(folder), "a part of Debian");
}

fn run(command: &mut Command, hint: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start ({hint}): {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed ({hint}):\n{stderr}");
}
