//! Programs from npm, run by a Node.js that comes from PyPI.

use std::fs;
use std::process::Command;

use crate::python;
use crate::tools::{self, run};

/// A program of the package `name`, ready to be given arguments. It is installed from
/// `tests/requirements/<name>/`, a `package.json` and its lock, if it is not there yet.
///
/// # Panics
///
/// If it cannot be installed, with the reason that npm gave.
pub fn program(name: &str) -> Command {
    let bin = python::programs("node");
    let files = ["package.json", "package-lock.json"];
    let texts = files.map(|file| tools::requirements(&format!("{name}/{file}")).1);
    let folder = tools::installed(name, &texts.concat(), |folder| {
        fs::create_dir_all(folder).expect("a folder");
        for (file, text) in files.iter().zip(&texts) {
            fs::write(folder.join(file), text).expect("a file");
        }
        run(
            Command::new(bin.join("npm"))
                // No more than is in the lock; what an interrupted attempt left is cleared.
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(folder),
            "this needs a package registry, by default registry.npmjs.org",
        );
    });
    let mut command = Command::new(bin.join("node"));
    command.arg(folder.join("node_modules/.bin").join(name));
    command
}
