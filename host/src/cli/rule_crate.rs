//! A rule's crate, as its author has it: what it becomes, with the golden records beside it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, bail};
use toml::{Table, Value};

use super::exit::Failure;
use crate::compile;
use crate::verify::GoldenRecords;

/// The folder of a crate that holds its golden records, a case a file.
const GOLDEN_FOLDER: &str = "golden";

/// Compiles a crate to a component that has its golden records within.
pub(super) fn component(folder: &Path) -> Result<Vec<u8>, Failure> {
    // What is wrong there is said before the compiler takes its time.
    check_package(folder)
        .with_context(|| folder.display().to_string())
        .map_err(Failure::Runtime)?;
    let golden = golden_records(&folder.join(GOLDEN_FOLDER)).map_err(Failure::Runtime)?;
    let [mut component] = compile::components(folder, [None], None)
        .with_context(|| folder.display().to_string())
        .map_err(Failure::Runtime)?;
    golden.embed(&mut component);
    Ok(component)
}

/// Whether the folder is that of one package: of a workspace it is not known which member is meant.
fn check_package(folder: &Path) -> anyhow::Result<()> {
    // That there is no folder is for who compiles it to say.
    if !folder.is_dir() {
        return Ok(());
    }
    let manifest = match fs::read_to_string(folder.join("Cargo.toml")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no Cargo.toml: name the folder of a rule's crate")
        }
        manifest => manifest.context("Cargo.toml")?,
    };
    let manifest: Table = manifest.parse().context("Cargo.toml")?;
    if manifest.contains_key("package") {
        return Ok(());
    }
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let members = members.and_then(Value::as_array).into_iter().flatten();
    let members: Vec<_> = members.filter_map(Value::as_str).collect();
    let members = match members.is_empty() {
        true => String::new(),
        false => format!(", such as {}", members.join(", ")),
    };
    bail!("its Cargo.toml has no [package]: name the folder of a rule's crate{members}")
}

/// Reads the cases of a folder, by the names of their files. None, where there is no such folder.
fn golden_records(folder: &Path) -> anyhow::Result<GoldenRecords> {
    let context = || folder.display().to_string();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(GoldenRecords::default());
        }
        entries => entries.with_context(context)?,
    };
    let mut cases = Vec::new();
    for entry in entries {
        let path = entry.with_context(context)?.path();
        if path.extension() == Some(OsStr::new("json")) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let case = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            cases.push((name, case));
        }
    }
    cases.sort();
    GoldenRecords::parse(cases).with_context(context)
}
