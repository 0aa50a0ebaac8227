//! From the start of a process to its first answer.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use weir_tests::python;

use crate::table::{Line, Mark, Quantity};
use crate::turns::{self, Contestant};
use crate::workload;

/// Of what Python takes to import what the original imports, Weir is to take so much at most.
const BESIDE_PYTHON: f64 = 0.15;

pub(crate) fn measure(turns: usize, lines: &mut Vec<Line>) {
    eprintln!("cold start: an event of one record (sets up an environment for Python once)");
    let event = Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-record.json");
    fs::write(&event, workload::event(&workload::records(1, 200))).expect("a file of cargo's");
    let python = python::programs("moto").join("python");

    let weir = || {
        let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
        weir.arg("run").arg(&event).args(["--upper", "1.5"]);
        until_first_line(&mut weir)
    };
    let python = || {
        let mut import = Command::new(&python);
        import.args(["-c", "import boto3, json, base64; print()"]);
        until_first_line(&mut import)
    };
    let mut contestants: [Contestant<'_>; 2] = [Box::new(weir), Box::new(python)];
    let figures = turns::take(turns, &mut contestants);
    lines.push(Line::ratio(
        "cold start: weir run / python3, import boto3, json, base64",
        &figures,
        [0, 1],
        Quantity::Milliseconds,
        Some(Mark::AtMost(BESIDE_PYTHON)),
    ));
}

/// How long a process takes until it has printed a line, in milliseconds.
fn until_first_line(command: &mut Command) -> f64 {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let mut line = Vec::new();
    let stdout = child.stdout.take().expect("its output is a pipe");
    BufReader::new(stdout).read_until(b'\n', &mut line).expect("a line");
    let time = started.elapsed();
    assert!(child.wait().expect("its end").success() && line.ends_with(b"\n"), "{command:?}");
    time.as_secs_f64() * 1e3
}
