//! Programs from Debian's packages, which are unpacked only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::target;
use crate::tools::{self, run};

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
    let unpacked = tools::installed(name, "", |folder| unpack(name, folder));
    let program = unpacked.join("usr/bin").join(name);
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
