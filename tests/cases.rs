//! Runs `weir run` on the event of every folder in `cases/` and compares what comes out.
//!
//! What a folder may hold:
//!
//! | file | what it is |
//! | --- | --- |
//! | `event.json` or `event.ndjson` | the input |
//! | `settings.json` | the rule's settings, for `--settings` |
//! | `args` | more arguments, one a line |
//! | `expected.json` | what is printed: one response a line |
//! | `alerts.ndjson` | what `--alerts` wrote; none without this file |
//! | `exit` | the exit code; 0 without this file |
//! | `errors.txt` | lines that standard error holds, each anywhere in it |
//!
//! `BLESS=1 cargo test --package weir-tests --test cases` writes `expected.json`, `alerts.ndjson`
//! and `exit` anew; read what changed before it is committed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use similar::TextDiff;
use weir_tests::weir::{self, weir};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(&cases)
        .expect("the folder of the cases")
        .map(|entry| entry.expect("an entry of the folder of the cases").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let trials = folders
        .into_iter()
        .map(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Trial::test(name, move || check(&folder))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs the case in `folder` and compares, or blesses.
fn check(folder: &Path) -> Result<(), Failed> {
    let alerts = tempfile::NamedTempFile::new()?;
    let mut command = weir(["run", "--alerts"]);
    command.arg(alerts.path());
    if folder.join("settings.json").is_file() {
        command.args(["--settings", "settings.json"]);
    }
    command.args(read(&folder.join("args"))?.lines());
    let event = ["event.json", "event.ndjson"].into_iter().find(|name| folder.join(name).is_file());
    command.arg(event.ok_or("there is no event.json")?).current_dir(folder);

    let output = weir::run(&mut command);
    let code = output.code.map_or("none".to_owned(), |code| code.to_string());
    let found = [
        ("expected.json", output.stdout),
        ("alerts.ndjson", without_digests(&read(alerts.path())?)),
        ("exit", if code == "0" { String::new() } else { code + "\n" }),
    ];

    if std::env::var_os("BLESS").is_some() {
        for (name, text) in &found {
            bless(&folder.join(name), text)?;
        }
    }
    let mut wrong = String::new();
    for (name, text) in &found {
        wrong += &difference(name, &read(&folder.join(name))?, text);
    }
    for fragment in read(&folder.join("errors.txt"))?.lines() {
        if !output.stderr.contains(fragment) {
            wrong += &format!("standard error does not hold: {fragment}\n");
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("{wrong}standard error:\n{}", output.stderr).into())
}

/// The text with `sha256:…` for each digest: that of the default rule is another with each compiler.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "sha256:…" + part.get(64..).unwrap_or_default())
}

/// The text of a file; empty if there is none.
fn read(path: &Path) -> Result<String, Failed> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(|error| format!("{}: {error}", path.display()).into()),
    }
}

/// Makes `text` what is expected from now on. There is no file for nothing.
fn bless(path: &Path, text: &str) -> Result<(), Failed> {
    if !text.is_empty() {
        return Ok(fs::write(path, text)?);
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// What is different from what was expected, line by line; empty if nothing is.
fn difference(name: &str, expected: &str, found: &str) -> String {
    if expected == found {
        return String::new();
    }
    TextDiff::from_lines(expected, found)
        .unified_diff()
        .context_radius(1)
        .header(&format!("{name}, expected"), &format!("{name}, found"))
        .to_string()
}
