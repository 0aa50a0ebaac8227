//! `weir diff`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_tests::event::records;
use weir_tests::weir::{self, weir, with_compiler};

use super::{examples, run, run_with_input, shell};
use crate::{example_text, root};

const BOUNDS: [&str; 4] =
    ["--old-settings", "{\"upper\": 1.5}", "--new-settings", "{\"upper\": 2}"];

/// What `weir diff --json` says of two settings of the embedded rule, or of other rules.
fn diff(folder: &TempDir, arguments: &[&str], code: i32) -> Value {
    let output = run(folder, &[&["diff"], arguments, &["--json"]].concat()).exit(code);
    serde_json::from_str(&output.stdout).expect("JSON")
}

fn between_bounds(folder: &TempDir, traffic: &[&str]) -> Value {
    diff(folder, &[&["threshold", "threshold"], &BOUNDS[..], traffic].concat(), 1)
}

/// How many records went from a verdict to another.
fn moved(diff: &Value, from: &str, to: &str) -> u64 {
    let cells = diff["verdicts"].as_array().expect("a list");
    let cell = cells.iter().find(|cell| cell["from"] == from && cell["to"] == to);
    cell.map_or(0, |cell| cell["records"].as_u64().expect("a count"))
}

#[test]
fn verdicts_that_change_are_counted_whatever_the_contract() {
    let folder = TempDir::new().expect("a folder");
    for input in ["vital-signs.json", "vital-signs-firehose.json"] {
        let records = records(&example_text(input));
        let above = |bound| records.iter().filter(|record| record.score >= bound).count() as u64;
        let diff = between_bounds(&folder, &[&format!("examples/{input}")]);
        assert_eq!(diff["records"], 500);
        assert_eq!(moved(&diff, "flag", "pass"), above(1.5) - above(2.0), "{input}");
        assert_eq!(moved(&diff, "flag", "flag"), above(2.0), "{input}");
        assert_eq!(moved(&diff, "pass", "pass"), 500 - above(1.5), "{input}");
        assert_eq!(diff["changed"], above(1.5) - above(2.0));
        assert_eq!(diff["changes"][0]["what"], "verdict");

        let scores = diff["scores"]["old"].as_array().expect("bins");
        let counted: u64 = scores.iter().map(|count| count.as_u64().expect("a count")).sum();
        assert_eq!(counted, 500, "every score is in a bin");
        assert_eq!(diff["old"]["scores"], 500);
        assert_eq!(diff["old"]["bounds"], json!({"upper": 1.5}));
        assert!(diff["ns_per_record"]["old"].as_f64().expect("a number") > 0.0);
        assert!(diff["old"]["memory_bytes"].as_u64().expect("a number") > 1 << 16);
    }
    let ndjson = between_bounds(&folder, &["examples/vital-signs.ndjson"]);
    assert_eq!(ndjson["records"], 50);
    let both = ["examples/vital-signs.json", "examples/vital-signs.ndjson"];
    assert_eq!(between_bounds(&folder, &both)["records"], 550);
}

#[test]
fn a_seed_chooses_the_records_that_are_shown() {
    let folder = TempDir::new().expect("a folder");
    let shown = |seed: &str| {
        let rules = ["threshold", "threshold", "--old-settings", "{\"upper\": 0.9}"];
        let new = ["--new-settings", "{\"upper\": 1.1}", "examples/vital-signs.json"];
        let chosen = ["--examples", "3", "--seed", seed];
        let diff = diff(&folder, &[&rules[..], &new, &chosen].concat(), 1);
        let shown = diff["changes"][0]["examples"].as_array().expect("examples").clone();
        assert_eq!(shown.len(), 3);
        shown
    };
    assert_eq!(shown("1"), shown("1"));
    assert_ne!(shown("2"), shown("1"));

    let records = records(&example_text("vital-signs.json"));
    for example in shown("7") {
        let record = records.iter().find(|record| example["record"] == record.id.as_str());
        let score = record.expect("a record of the event").score;
        assert_eq!(example["old"]["score"], score);
        assert_eq!(example["new"]["score"], score, "of the payload, as the rule says none");
        assert_eq!(
            (&example["old"]["verdict"], &example["new"]["verdict"]),
            (&json!("flag"), &json!("pass"))
        );
    }
}

#[test]
fn the_exit_code_tells_a_difference_from_trouble() {
    let folder = TempDir::new().expect("a folder");
    let same = ["threshold", "threshold", "--settings", "{\"upper\": 1.5}"];
    let sample = "examples/vital-signs.json";
    assert_eq!(diff(&folder, &[&same[..], &[sample]].concat(), 0)["changed"], 0);

    let trouble = |arguments: &[&str], input: &str| {
        let arguments = [&["diff"], arguments].concat();
        run_with_input(&folder, &arguments, input).exit(2).stderr
    };
    assert!(trouble(&["threshold"], "").contains("NEW"));
    let missing = ["threshold", "none.wasm", "--settings", "{\"upper\": 1.5}", sample];
    assert!(trouble(&missing, "").contains("none.wasm"));
    let misspelt = [&same[..], &["--new-settings", "{\"uper\": 1}", sample]].concat();
    let refused = trouble(&misspelt, "");
    assert!(refused.contains("NEW") && refused.contains("uper"), "{refused}");
    assert!(trouble(&same, "").contains("no records"));
    let event = example_text("vital-signs.json").replace('\n', "");
    let cut = format!("{event}\n{}\n", &event[..event.len() / 2]);
    assert!(trouble(&same, &cut).contains("standard input:2"));
}

#[test]
fn the_text_is_for_a_person_and_colours_are_for_a_terminal() {
    let folder = TempDir::new().expect("a folder");
    let arguments =
        [&["diff", "threshold", "threshold"], &BOUNDS[..], &["examples/vital-signs.json"]];
    let text = run(&folder, &arguments.concat()).exit(1).stdout;
    for part in ["500 records, ", "flag → pass", "old upper 1.5", "new upper 2", "ns a record"] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours:\n{text}");

    let quoted: Vec<String> =
        arguments.concat().iter().map(|argument| format!("'{argument}'")).collect();
    let line = format!(
        "python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' weir {}",
        quoted.join(" ")
    );
    let shown = shell(&folder, &format!("TERM=xterm {line}")).exit(1).stdout;
    assert!(shown.contains("\u{1b}[33m"), "{shown}");
}

#[test]
fn the_examples_of_the_help_find_differences_when_pasted() {
    let folder = TempDir::new().expect("a folder");
    let examples = examples("diff");
    assert!(!examples.is_empty());
    for example in examples {
        let output = shell(&folder, &example).exit(1);
        assert!(output.stdout.contains("flag → pass"), "{example}\n{}", output.stdout);
    }
    assert!(folder.path().join("diff.html").exists());
}

#[test]
fn settings_of_a_recording_are_taken_where_there_is_no_doubt() {
    let folder = TempDir::new().expect("a folder");
    let record = |upper: &str| {
        let options = ["--record", "traffic", "--record-sample", "1", "examples/vital-signs.json"];
        run(&folder, &[&["record", "--upper", upper], &options[..]].concat()).success();
    };
    record("1.5");
    assert_eq!(diff(&folder, &["threshold", "threshold", "traffic"], 0)["records"], 500);

    // A part of it has no header, and is known all the same.
    shell(&folder, "split -l 251 traffic/recording-00000001.ndjson part.").success();
    let parts = between_bounds(&folder, &["part.aa", "part.ab"]);
    assert_eq!(parts["records"], 500);
    let whole = between_bounds(&folder, &["traffic"]);
    assert_eq!(parts["verdicts"], whole["verdicts"]);
    let part = ["diff", "threshold", "threshold", "part.ab"];
    let refused = run(&folder, &part).exit(2);
    assert!(refused.stderr.contains("no header is before these records"), "{}", refused.stderr);
    let refused = run(&folder, &["replay", "part.ab"]).exit(2);
    assert!(refused.stderr.contains("no header is before these records"), "{}", refused.stderr);

    record("100");
    let doubtful = run(&folder, &["diff", "threshold", "threshold", "traffic"]).exit(2);
    let error =
        r#"records with the settings {"upper":100.0} are not compared with those of the first"#;
    assert_eq!(doubtful.stderr.matches(error).count(), 1, "{}", doubtful.stderr);
    assert!(doubtful.stdout.contains("500 records, 0 differ"), "{}", doubtful.stdout);
    assert_eq!(between_bounds(&folder, &["traffic"])["records"], 1000);
}

/// A rule that traps below a pulse, as its settings say.
const BRITTLE: &str = r#"
use weir_guest::{Flag, Record, Rule, Settings, SettingsError, Verdict, json::Pointer};

struct Brittle {
    pulse: Pointer,
    traps_below: f64,
}

impl Rule for Brittle {
    const NAME: &str = "brittle";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SETTINGS_SCHEMA: &str = "{}";

    fn open(mut settings: Settings<'_>) -> Result<Self, SettingsError> {
        let traps_below = settings.number("traps_below")?.unwrap_or(0.0);
        settings.finish()?;
        Ok(Self { pulse: Pointer::parse("/pulse").expect("a pointer"), traps_below })
    }

    fn classify(&mut self, record: &Record<'_>) -> Verdict {
        match record.number(&self.pulse) {
            Ok(pulse) if pulse < self.traps_below => panic!("too low"),
            Ok(pulse) if pulse > 100.0 => {
                Verdict::Flag(Flag { score: Some(pulse), ..Flag::default() })
            }
            Ok(_) => Verdict::Pass,
            Err(error) => Verdict::Fail(error.to_string()),
        }
    }
}

weir_guest::export!(Brittle);
"#;

/// Builds a rule of this source in `folder`.
pub(super) fn build(folder: &Path, name: &str, source: &str) {
    let author = TempDir::new().expect("a folder");
    fs::create_dir(author.path().join("src")).expect("a folder");
    fs::write(author.path().join("src/lib.rs"), source).expect("a source");
    let sdk = root().join("guest/sdk");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nweir-guest = {{ path = {sdk:?} }}\n"
    );
    fs::write(author.path().join("Cargo.toml"), manifest).expect("a manifest");
    fs::copy(root().join("rust-toolchain.toml"), author.path().join("rust-toolchain.toml"))
        .expect("the toolchain with the wasm target");
    let mut build = weir(["build", "--output"]);
    build.arg(folder.join(format!("{name}.wasm"))).current_dir(author.path());
    weir::run(with_compiler(&mut build)).success();
}

#[test]
fn a_rule_that_traps_on_some_records_differs_on_these_alone() {
    let folder = TempDir::new().expect("a folder");
    build(folder.path(), "brittle", BRITTLE);
    let pulses: Vec<f64> = records(&example_text("vital-signs.json"))
        .iter()
        .map(|record| serde_json::from_str::<Value>(&record.payload).expect("JSON"))
        .map(|payload| payload["pulse"].as_f64().expect("a pulse"))
        .collect();
    let mut sorted = pulses.clone();
    sorted.sort_by(f64::total_cmp);
    // Few enough to be found one by one.
    let below = sorted[3];
    let trapping = pulses.iter().filter(|pulse| **pulse < below).count() as u64;
    assert!(trapping > 0);

    let settings = format!("{{\"traps_below\": {below}}}");
    let arguments = ["brittle.wasm", "brittle.wasm", "--new-settings", &settings];
    let arguments = [&arguments[..], &["examples/vital-signs.json"]].concat();
    let diff = diff(&folder, &arguments, 1);
    assert_eq!(moved(&diff, "pass", "fail"), trapping);
    assert_eq!(diff["changed"], trapping);
    assert_eq!((&diff["old"]["faults"], &diff["new"]["faults"]), (&json!(0), &json!(1)));
    let reason = diff["changes"][0]["examples"][0]["new"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("trap"), "{reason}");
    // It says a score for what it flags, and the payload has one of another kind.
    assert_eq!(diff["old"]["scores"], 500);
}
