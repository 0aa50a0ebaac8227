//! Recording traffic, trying other rules on it, proving verdicts again.

mod diff;
mod documentation;
mod record;
mod replay;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use weir_tests::weir::{self, Output, binary, weir};

use crate::root;

/// Runs `weir` in a folder that has the sample inputs.
fn run(folder: &TempDir, arguments: &[&str]) -> Output {
    run_with_input(folder, arguments, "")
}

fn run_with_input(folder: &TempDir, arguments: &[&str], input: &str) -> Output {
    link_samples(folder);
    weir::run_with_input(weir(arguments).current_dir(folder.path()), input)
}

fn link_samples(folder: &TempDir) {
    let samples = folder.path().join("examples");
    if !samples.exists() {
        std::os::unix::fs::symlink(root().join("examples"), samples).expect("a link");
    }
}

/// Runs a line of a shell that knows `weir`, in a folder that has the sample inputs.
fn shell(folder: &TempDir, line: &str) -> Output {
    link_samples(folder);
    let programs = binary().parent().expect("the folder of the binary");
    let mut command = Command::new("sh");
    command.args(["-c", line]).env_clear().current_dir(folder.path());
    for (name, value) in weir([""; 0]).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    weir::run(command.env("PATH", format!("{}:/usr/bin:/bin", programs.display())))
}

/// The examples in a command's help, one a line.
fn examples(command: &str) -> Vec<String> {
    let help = weir::run(&mut weir([command, "--help"])).success();
    let (_, examples) = help.split_once("Examples:\n").expect("examples in the help");
    let examples = examples.replace("\\\n", " ");
    examples.lines().map_while(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
}

/// The files of a recording, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ndjson"))
        .collect();
    files.sort();
    files
}

/// The lines of a recording that are records.
fn recorded(folder: &Path) -> Vec<Value> {
    files(folder)
        .iter()
        .flat_map(|file| {
            let text = fs::read_to_string(file).expect("a file of the recording");
            let lines: Vec<Value> =
                text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            lines
        })
        .filter(|line| line["weir_recording"].is_null())
        .collect()
}

/// The ids of recorded records.
fn ids(records: &[Value]) -> Vec<String> {
    records.iter().map(|record| record["record"].as_str().expect("an id").to_owned()).collect()
}

/// Events with made-up vital signs.
fn generated(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_generate-events"))
        .args(arguments)
        .output()
        .expect("the generator starts");
    String::from_utf8(output.stdout).expect("UTF-8")
}
