//! A rule's crate, as its author has it: what it becomes, with the golden records beside it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;

use super::exit::Failure;
use crate::compile;
use crate::verify::GoldenRecords;

/// The folder of a crate that holds its golden records, a case a file.
const GOLDEN_FOLDER: &str = "golden";

/// Compiles a crate to a component that has its golden records within.
pub(super) fn component(folder: &Path) -> Result<Vec<u8>, Failure> {
    // What is wrong there is said before the compiler takes its time.
    let golden = golden_records(&folder.join(GOLDEN_FOLDER)).map_err(Failure::Runtime)?;
    let [mut component] = compile::components(folder, [None], None)
        .with_context(|| folder.display().to_string())
        .map_err(Failure::Runtime)?;
    golden.embed(&mut component);
    Ok(component)
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
