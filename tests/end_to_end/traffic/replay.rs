//! `weir replay`.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;
use weir_tests::weir::Output;

use super::diff::build;
use super::{examples, files, run, shell};

const EVENTS: [&str; 3] =
    ["examples/vital-signs.json", "examples/bad-records.json", "examples/vital-signs.ndjson"];

/// Records the sample inputs with these options, into `traffic`.
fn record(folder: &TempDir, options: &[&str]) {
    let arguments = ["record", "--record", "traffic", "--record-sample", "1"];
    run(folder, &[&arguments[..], options, &EVENTS].concat()).success();
}

fn replay(folder: &TempDir, options: &[&str]) -> Output {
    run(folder, &[&["replay", "traffic"], options].concat())
}

#[test]
fn what_was_recorded_is_proved_and_can_be_compared() {
    let folder = TempDir::new().expect("a folder");
    record(&folder, &["--upper", "1.5", "--lower", "0.4"]);
    let printed = replay(&folder, &[]).success();
    assert_eq!(printed, "562 records proved, 0 differ, 0 cannot be proved\n");

    let compare = |traffic: &[&str]| {
        let arguments = ["diff", "threshold", "threshold", "--json", "--old-settings"];
        let settings = ["{\"upper\": 1.5}", "--new-settings", "{\"upper\": 2}"];
        let output = run(&folder, &[&arguments[..], &settings, traffic].concat()).exit(1);
        let diff: Value = serde_json::from_str(&output.stdout).expect("JSON");
        ["records", "verdicts", "changes", "scores"].map(|part| diff[part].clone())
    };
    assert_eq!(compare(&["traffic"]), compare(&EVENTS), "the recording is the traffic");

    // Nothing has to be said twice.
    let settings = ["--new-settings", "{\"upper\": 2, \"lower\": 0.4}", "traffic"];
    let arguments = ["diff", "threshold", "threshold", "--json"];
    let output = run(&folder, &[&arguments[..], &settings].concat()).exit(1);
    let diff: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(diff["old"]["settings"], serde_json::json!({"upper": 1.5, "lower": 0.4}));
}

#[test]
fn a_verdict_that_is_not_the_rules_is_found() {
    let folder = TempDir::new().expect("a folder");
    record(&folder, &["--upper", "1.5"]);
    let file = &files(&folder.path().join("traffic"))[0];
    let text = fs::read_to_string(file).expect("a file");
    // The last bit of the first score that is told.
    let told: Value = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .find(|line| line["verdict"] == "flag")
        .expect("a record that is flagged");
    let score = told["score"].as_f64().expect("a score");
    let other = f64::from_bits(score.to_bits() ^ 1);
    let forged = text.replacen(&format!("\"score\":{score}"), &format!("\"score\":{other}"), 1);
    assert_ne!(forged, text);
    fs::write(file, forged).expect("a file");

    let output = replay(&folder, &[]).exit(1);
    assert_eq!(output.stdout, "561 records proved, 1 differ, 0 cannot be proved\n");
    for part in [told["record"].as_str().expect("an id"), &other.to_string(), &score.to_string()] {
        assert!(output.stderr.contains(part), "{part} in {}", output.stderr);
    }
}

/// A rule that flags every seventh record, and counts on from one batch to the next.
const SEVENTH: &str = r#"
use weir_guest::{Flag, Record, Rule, Settings, SettingsError, Verdict};

struct Seventh(u64);

impl Rule for Seventh {
    const NAME: &str = "seventh";
    const VERSION: &str = "1.0.0";
    const SETTINGS_SCHEMA: &str = "{}";
    const KEEPS_STATE: bool = true;

    fn open(_settings: Settings<'_>) -> Result<Self, SettingsError> {
        Ok(Self(0))
    }

    fn classify(&mut self, _record: &Record<'_>) -> Verdict {
        self.0 += 1;
        match self.0 % 7 {
            0 => Verdict::Flag(Flag { score: Some(self.0 as f64), ..Flag::default() }),
            _ => Verdict::Pass,
        }
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }
}

weir_guest::export!(Seventh);
"#;

#[test]
fn another_rule_is_refused_and_state_is_proved_without_a_gap_alone() {
    let folder = TempDir::new().expect("a folder");
    build(folder.path(), "seventh", SEVENTH);
    record(&folder, &["--rule", "seventh.wasm", "--upper", "1.5"]);
    let refused = replay(&folder, &[]).exit(2);
    assert!(refused.stderr.contains("seventh 1.0.0 (sha256:"), "{}", refused.stderr);
    assert!(refused.stdout.starts_with("0 records proved, 0 differ"), "{}", refused.stdout);
    let other = replay(&folder, &["--other-rule"]).exit(1);
    assert!(other.stderr.contains("was flag, score 7; is "), "{}", other.stderr);

    let printed = replay(&folder, &["--rule", "threshold", "--rule", "seventh.wasm"]).success();
    assert_eq!(printed, "562 records proved, 0 differ, 0 cannot be proved\n");

    let file = &files(&folder.path().join("traffic"))[0];
    let text = fs::read_to_string(file).expect("a file");
    let gap: String = text
        .split_inclusive('\n')
        .enumerate()
        .filter(|(line, _)| *line != 101)
        .map(|(_, l)| l)
        .collect();
    fs::write(file, gap).expect("a file");
    let output = replay(&folder, &["--rule", "seventh.wasm"]).exit(2);
    assert_eq!(output.stdout, "100 records proved, 0 differ, 461 cannot be proved\n");
}

#[test]
fn redaction_leaves_to_be_proved_what_does_not_hang_on_it() {
    let folder = TempDir::new().expect("a folder");
    let options = ["record", "--upper", "1.5", "--record", "traffic", "--record-sample", "1"];
    let redact = ["--record-redact", "/patient_id", "examples/vital-signs.json"];
    run(&folder, &[&options[..], &redact].concat()).success();
    let printed = replay(&folder, &[]).success();
    assert_eq!(printed, "500 records proved, 0 differ, 0 cannot be proved\n");

    let folder = TempDir::new().expect("a folder");
    let redact = ["--record-redact", "/ANOMALY_SCORE", "examples/vital-signs.json"];
    run(&folder, &[&options[..], &redact].concat()).success();
    let output = replay(&folder, &[]).exit(2);
    assert!(output.stdout.contains(" 0 differ, "), "{}", output.stdout);
}

#[test]
fn what_is_no_recording_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let output = run(&folder, &["replay", "examples/vital-signs.ndjson"]).exit(2);
    assert!(output.stderr.contains("this is no recording"), "{}", output.stderr);
    record(&folder, &["--upper", "1.5"]);
    let file = &files(&folder.path().join("traffic"))[0];
    let text = fs::read_to_string(file).expect("a file");
    fs::write(file, &text[..text.len() - 10]).expect("a file");
    let cut = replay(&folder, &[]).exit(2);
    assert!(cut.stderr.contains("not a line of a recording"), "{}", cut.stderr);
    assert!(cut.stdout.starts_with("561 records proved"), "{}", cut.stdout);
}

#[test]
fn the_examples_of_the_help_prove_when_pasted() {
    let folder = TempDir::new().expect("a folder");
    let examples = examples("replay");
    assert!(!examples.is_empty());
    for example in examples {
        shell(&folder, &example).exit(0);
    }
}
