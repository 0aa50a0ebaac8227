//! `weir replay`.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_tests::rule::asking_for_wasi;
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
    // The last 50 are of a file, which is a partition of its own.
    assert_eq!(output.stdout, "150 records proved, 0 differ, 411 cannot be proved\n");
}

/// Options of a rule that keeps state, and is embedded.
const ZSCORE: [&str; 4] =
    ["--rule", "forest", "--settings", r#"{"columns": ["/v"], "scorer": "zscore", "upper": 2}"#];

/// What `weir replay` says of a run with the rule that keeps state.
fn run_and_replay(folder: &TempDir, options: &[&str]) -> Output {
    let record = ["--record", "traffic", "--record-sample", "1"];
    run(folder, &[&["run"], &ZSCORE[..], &record, options].concat()).exit(0);
    replay(folder, &[])
}

/// A file of records, of which the last is far off.
fn values(folder: &TempDir, name: &str, around: u32) {
    let line = |number: u32| format!("{{\"v\":{}}}\n", around + number % 7 + number / 99 * 50);
    let lines: String = (0..100).map(line).collect();
    fs::write(folder.path().join(name), lines).expect("a file");
}

#[test]
fn each_partition_is_proved_with_a_state_of_its_own() {
    let folder = TempDir::new().expect("a folder");
    values(&folder, "a.ndjson", 10);
    values(&folder, "b.ndjson", 90);
    let output = run_and_replay(&folder, &["a.ndjson", "b.ndjson"]).exit(0);
    assert_eq!(output.stdout, "200 records proved, 0 differ, 0 cannot be proved\n");
    // A run of its own begins with no state.
    let output = run_and_replay(&folder, &["b.ndjson"]).exit(0);
    assert_eq!(output.stdout, "300 records proved, 0 differ, 0 cannot be proved\n");
}

#[test]
fn more_partitions_than_can_be_open_are_proved_as_they_come_in_turns() {
    let folder = TempDir::new().expect("a folder");
    let event = |round: usize| {
        let record = |shard: usize| {
            let (value, number) = (shard + round * round % 5, round * 100 + shard + 1);
            json!({
                "eventID": format!("shardId-{shard}:{number}"),
                "eventSource": "aws:kinesis",
                "eventSourceARN": "arn:s",
                "kinesis": {
                    "sequenceNumber": number.to_string(),
                    "partitionKey": "k",
                    "data": base64_simd::STANDARD.encode_to_string(format!("{{\"v\":{value}}}")),
                },
            })
        };
        json!({"Records": (0..40).map(record).collect::<Vec<_>>()}).to_string() + "\n"
    };
    let events: String = (0..12).map(event).collect();
    fs::write(folder.path().join("events.json"), events).expect("a file");
    let output = run_and_replay(&folder, &["events.json"]).exit(0);
    assert_eq!(output.stdout, "480 records proved, 0 differ, 0 cannot be proved\n");
}

#[test]
fn what_a_state_began_with_and_what_comes_again_cannot_be_proved() {
    let folder = TempDir::new().expect("a folder");
    values(&folder, "a.ndjson", 10);
    let output = run_and_replay(&folder, &["a.ndjson", "a.ndjson"]).exit(2);
    assert_eq!(output.stdout, "100 records proved, 0 differ, 100 cannot be proved\n");
    // One that is flagged as before is learnt, and the rule does not answer for it.
    let file = &files(&folder.path().join("traffic"))[0];
    let text = fs::read_to_string(file).expect("a file");
    let (was, is) =
        (r#""after":20,"verdict":"pass""#, r#""after":20,"again":true,"verdict":"flag""#);
    assert_eq!(text.matches(was).count(), 1, "{text}");
    fs::write(file, text.replace(was, is)).expect("a file");
    let output = replay(&folder, &[]).exit(2);
    assert_eq!(output.stdout, "99 records proved, 0 differ, 101 cannot be proved\n");

    let folder = TempDir::new().expect("a folder");
    values(&folder, "a.ndjson", 10);
    run(&folder, &[&["run"], &ZSCORE[..], &["--state", "states", "a.ndjson"]].concat()).exit(0);
    let file = folder.path().join("a.ndjson");
    fs::write(&file, fs::read_to_string(&file).expect("a file").repeat(2)).expect("a file");
    let output = run_and_replay(&folder, &["--state", "states", "a.ndjson"]).exit(2);
    assert_eq!(output.stdout, "0 records proved, 0 differ, 200 cannot be proved\n");
}

#[test]
fn what_a_recording_of_others_holds_cannot_write_on_the_terminal() {
    let folder = TempDir::new().expect("a folder");
    record(&folder, &["--upper", "1.5"]);
    let file = &files(&folder.path().join("traffic"))[0];
    let text = fs::read_to_string(file).expect("a file");
    let digest = &text[text.find("sha256:").expect("a digest")..][.."sha256:".len() + 64];
    let other = text.replacen(digest, &format!("sha256:{}", "0".repeat(64)), 1);
    let other = other.replacen("\"threshold\"", "\"a\\u001b[2J\\nall is well\"", 1);
    fs::write(file, other).expect("a file");
    let refused = replay(&folder, &[]).exit(2);
    assert!(refused.stderr.contains("the records are of a"), "{}", refused.stderr);
    assert!(!refused.stderr.contains('\u{1b}'), "{}", refused.stderr);
    assert!(!refused.stderr.lines().any(|line| line.starts_with("all is well")));
}

#[test]
fn a_rule_with_a_grant_is_proved_and_compared() {
    let folder = TempDir::new().expect("a folder");
    let component = folder.path().join("granted.wasm");
    run(&folder, &["pull", "threshold", "--output", "granted.wasm"]).success();
    let wasi = asking_for_wasi(&fs::read(&component).expect("the rule"));
    fs::write(component, wasi).expect("a rule");
    let grant = ["--grant", "inert-wasi"];
    record(&folder, &[&["--upper", "1.5", "--rule", "granted.wasm"], &grant[..]].concat());

    let rule = ["--rule", "granted.wasm"];
    let refused = replay(&folder, &rule).exit(2).stderr;
    assert!(refused.contains("inert-wasi"), "{refused}");
    let printed = replay(&folder, &[rule, grant].concat()).success();
    assert_eq!(printed, "562 records proved, 0 differ, 0 cannot be proved\n");
    let diff = ["diff", "threshold", "granted.wasm", "traffic"];
    run(&folder, &[&diff[..], &grant].concat()).success();
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
