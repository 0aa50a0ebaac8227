//! The function that Weir replaces, as Python runs it.

use std::io::Write;
use std::process::{Command, Stdio};

pub(crate) const NAME: &str = "CPython: the original's logic";

/// Reads the records, classifies them a few times and prints the best time for one, in
/// nanoseconds, and how many are flagged.
const SCRIPT: &str = r#"
import base64, json, sys, time

THRESHOLD = 1.5
records = [{"recordId": str(n), "data": line.strip()} for n, line in enumerate(sys.stdin)]

def classify(records):
    flagged = 0
    for record in records:
        payload = base64.b64decode(record["data"])
        score = json.loads(payload)["ANOMALY_SCORE"]
        if float(score) >= THRESHOLD:
            flagged += 1
    return flagged

best = float("inf")
for _ in range(50):
    start = time.perf_counter_ns()
    flagged = classify(records)
    best = min(best, time.perf_counter_ns() - start)
print(best / len(records), flagged)
"#;

/// What a record costs, in nanoseconds, or why that is not known.
pub(crate) fn cost(records: &[String], flagged: usize) -> Result<f64, String> {
    let failed = |error| format!("python3 cannot be run: {error}");
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut stdin = python.stdin.take().expect("its input is a pipe");
    stdin.write_all(records.join("\n").as_bytes()).map_err(failed)?;
    drop(stdin);
    let output = python.wait_with_output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [cost, count] if count == flagged.to_string() => cost.parse().map_err(|_| text.to_string()),
        _ => Err(format!("python3 answered {text:?}")),
    }
}
