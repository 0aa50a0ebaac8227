//! Series of the Numenta Anomaly Benchmark, with the scores that Amazon's own service gave.
//!
//! NAB records in `results/randomCutForest` what `RANDOM_CUT_FOREST` of Kinesis Data Analytics said
//! of each of its series. The data is under the AGPL: it is read where it lies, and no part of it
//! is kept here.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// NAB takes scores from 0 to 1: it has divided those of the service by this.
const NORMALISED_BY: f64 = 8.0;

/// A series, a value a record.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// The file's name, without what comes before `__` or `randomCutForest_`.
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
    /// What the service said, on its own scale.
    pub(crate) service: Vec<f64>,
    /// Whether the record lies within one of NAB's windows of an anomaly.
    pub(crate) labels: Vec<bool>,
}

/// Reads the series of all CSV files in a folder and those within it, in the order of their names.
///
/// # Errors
///
/// If there are none, or one cannot be read.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Vec<Series>> {
    let mut files = Vec::new();
    let found = find(folder, &mut files);
    if found.is_err() || files.is_empty() {
        bail!(
            "no series in {folder}\n\nGet the CSV files of the folder results/randomCutForest of \
             https://github.com/numenta/NAB (AGPL-3.0) and name the folder with --nab or WEIR_NAB.",
            folder = folder.display()
        );
    }
    files.sort();
    files
        .iter()
        .map(|file| series(file).with_context(|| format!("cannot read {}", file.display())))
        .collect()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            files.push(path);
        }
    }
    Ok(())
}

fn series(file: &Path) -> anyhow::Result<Series> {
    let text = fs::read_to_string(file)?;
    let mut lines = text.lines();
    let headings: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| {
        let found = headings.iter().position(|heading| *heading == name);
        found.with_context(|| format!("no column {name}"))
    };
    let columns = [column("value")?, column("anomaly_score")?, column("label")?];

    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let name = stem.rsplit("__").next().unwrap_or_default();
    let mut series = Series {
        name: name.trim_start_matches("randomCutForest_").to_owned(),
        values: Vec::new(),
        service: Vec::new(),
        labels: Vec::new(),
    };
    for (index, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |column: usize| -> anyhow::Result<f64> {
            let cell = *cells.get(column).context("too few columns")?;
            cell.parse().with_context(|| format!("{cell:?} is no number"))
        };
        let [value, score, label] = columns.map(number);
        let at = || format!("line {}", index + 2);
        series.values.push(value.with_context(at)?);
        series.service.push(score.with_context(at)? * NORMALISED_BY);
        series.labels.push(label.with_context(at)? > 0.0);
    }
    Ok(series)
}
