//! `weir run --record` and `weir record`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use weir_tests::event::records;
use weir_tests::weir::weir;

use super::{examples, files, generated, ids, recorded, run, run_with_input, shell};
use crate::{example, example_text};

/// Options that record all of it.
const ALL: [&str; 4] = ["--record", "traffic", "--record-sample", "1"];

#[test]
fn a_run_records_what_it_answers_and_the_answers_are_the_same() {
    let folder = TempDir::new().expect("a folder");
    let arguments = ["run", "--upper", "1.5", "examples/vital-signs.json"];
    let without = run(&folder, &arguments).success();
    let output = run(&folder, &[&arguments[..], &ALL].concat()).exit(0);
    assert_eq!(output.stdout, without);
    assert!(output.stderr.contains("500 records recorded\n"), "{}", output.stderr);

    let recorded = recorded(&folder.path().join("traffic"));
    let records = records(&example_text("vital-signs.json"));
    assert_eq!(recorded.len(), records.len());
    for (recorded, record) in recorded.iter().zip(&records) {
        assert_eq!(recorded["record"], record.id.as_str());
        assert_eq!(recorded["payload"].to_string().len(), record.payload.len());
        assert_eq!(recorded["payload"]["ANOMALY_SCORE"], record.score);
        let flagged = record.score >= 1.5;
        assert_eq!(recorded["verdict"], if flagged { "flag" } else { "pass" });
        assert_eq!(recorded["score"].as_f64(), flagged.then_some(record.score));
        assert_eq!(recorded["contract"], "analytics-output");
    }
    let text = fs::read_to_string(&files(&folder.path().join("traffic"))[0]).expect("a file");
    let header: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
    assert_eq!(header["rule"], "threshold");
    assert_eq!(header["settings"], serde_json::json!({"upper": 1.5}));
    assert_eq!(header["digest"].as_str().map(str::len), Some("sha256:".len() + 64));
}

#[test]
fn no_secret_touches_the_disk() {
    let folder = TempDir::new().expect("a folder");
    let arguments = ["run", "--upper", "1.5", "--record-redact", "/patient_id,/device_id"];
    let more = ["examples/vital-signs.json", "examples/vital-signs.ndjson"];
    run(&folder, &[&arguments[..], &ALL, &more].concat()).success();

    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder.path().join("traffic")).expect("a folder") {
        bytes.extend(fs::read(entry.expect("an entry").path()).expect("a file"));
    }
    let text = String::from_utf8(bytes).expect("UTF-8");
    let mut patients = BTreeSet::new();
    let mut redacted = BTreeSet::new();
    let recorded = recorded(&folder.path().join("traffic"));
    assert_eq!(recorded.len(), 550);
    for (record, recorded) in records(&example_text("vital-signs.json")).iter().zip(&recorded) {
        let payload: Value = serde_json::from_str(&record.payload).expect("JSON");
        for field in ["patient_id", "device_id"] {
            let secret = payload[field].as_str().expect("a text");
            assert!(!text.contains(secret), "{secret}");
            // Nor as base64, in whichever of the three ways it can stand there.
            for shift in 0..3 {
                let padded = format!("{}{secret}", &"  "[..shift]);
                let encoded = base64_simd::STANDARD.encode_to_string(padded);
                let inner = &encoded[4..encoded.len() - 4];
                assert!(!text.contains(inner), "{secret} as base64");
            }
        }
        patients.insert(payload["patient_id"].to_string());
        redacted.insert(recorded["payload"]["patient_id"].to_string());
        assert_eq!(recorded["redacted"], true);
        assert_eq!(recorded["payload"]["pulse"], payload["pulse"]);
    }
    assert_eq!(redacted.len(), patients.len(), "equal ones stay equal, others stay apart");
}

#[test]
fn what_cannot_be_redacted_is_left_out_and_a_field_that_nobody_has_is_told() {
    let folder = TempDir::new().expect("a folder");
    let arguments =
        ["run", "--upper=1.5", "--contract=ndjson", "--record-redact", "/name,/patiend_id"];
    let input = "name=Ada\n{\"name\":\"Ada\",\"ANOMALY_SCORE\":1}\n";
    let output = run_with_input(&folder, &[&arguments[..], &ALL].concat(), input).exit(1);
    let left_out = "1 records recorded, 1 left out, as they are not JSON that could be redacted";
    assert!(output.stderr.contains(left_out), "{}", output.stderr);
    assert!(output.stderr.contains("no record had the field /patiend_id"), "{}", output.stderr);
    assert!(!output.stderr.contains("no record had the field /name"), "{}", output.stderr);
    let text = fs::read_to_string(&files(&folder.path().join("traffic"))[0]).expect("a file");
    assert!(!text.contains("Ada"), "{text}");

    // To record is all that this one is for.
    let record = ["record", "--upper=1.5", "--contract=ndjson", "--record-redact", "/name"];
    let input = "[\"Ada\"\n{\"name\":\"Ada\",\"ANOMALY_SCORE\":1}\n";
    let output = run_with_input(&folder, &[&record[..], &ALL].concat(), input).exit(1);
    assert!(output.stderr.contains("1 records recorded, 1 left out"), "{}", output.stderr);
}

#[test]
fn a_score_that_is_redacted_is_not_told_beside_the_payload() {
    let folder = TempDir::new().expect("a folder");
    let arguments = ["record", "--upper", "1.5", "--record-redact", "/ANOMALY_SCORE"];
    run(&folder, &[&arguments[..], &ALL, &["examples/vital-signs.json"]].concat()).success();
    let recorded = recorded(&folder.path().join("traffic"));
    let records = records(&example_text("vital-signs.json"));
    assert_eq!(recorded.len(), records.len());
    for (recorded, record) in recorded.iter().zip(&records) {
        assert!(recorded["score"].is_null(), "{recorded}");
        assert_eq!(recorded["crossed"] == "upper", record.score >= 1.5);
    }
}

#[test]
fn a_seed_chooses_the_same_records_and_flagged_ones_are_all_there() {
    let folder = TempDir::new().expect("a folder");
    let events = generated(&["--contract", "firehose", "--events", "4", "--seed", "9"]);
    let sample = |name: &str, rate: &str, more: &[&str]| {
        let arguments = ["record", "--upper", "1.5", "--record", name, "--record-sample", rate];
        run_with_input(&folder, &[&arguments[..], more].concat(), &events).success();
        recorded(&folder.path().join(name))
    };
    let one = sample("one", "0.1", &[]);
    assert_eq!(ids(&sample("again", "0.1", &[])), ids(&one));
    assert_ne!(ids(&sample("other", "0.1", &["--record-seed", "1"])), ids(&one));
    let flagged =
        |records: &[Value]| records.iter().filter(|record| record["verdict"] == "flag").count();
    let (passed, all_flagged) = (one.len() - flagged(&one), flagged(&one));
    // 2000 records, of which a tenth is 200: this far off is as likely as nothing.
    assert!((120..280).contains(&passed), "{passed}");
    let all = sample("all", "1", &[]);
    assert_eq!((all.len(), flagged(&all)), (2000, all_flagged));
    assert_eq!(flagged(&sample("none", "0.1", &["--record-flagged", "0"])), 0);
    // What was left out can be seen.
    let numbers: Vec<u64> =
        one.iter().map(|record| record["n"].as_u64().expect("a number")).collect();
    assert!(numbers.is_sorted() && numbers.last() < Some(&2000));
}

#[test]
fn the_bound_holds_and_the_newest_are_kept() {
    let folder = TempDir::new().expect("a folder");
    let events = generated(&["--contract", "ndjson", "--records", "2000", "--seed", "3"]);
    let traffic = folder.path().join("traffic");
    for _ in 0..2 {
        let arguments = ["record", "--upper", "1.5", "--record-max", "64KiB"];
        run_with_input(&folder, &[&arguments[..], &ALL].concat(), &events).success();
        let bytes: u64 = fs::read_dir(&traffic)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").metadata().expect("a file").len())
            .sum();
        assert!((32 << 10..=64 << 10).contains(&bytes), "{bytes}");
        let last = recorded(&traffic).pop().expect("a record");
        assert_eq!(last["record"], "standard input:2000");
    }
}

#[test]
fn a_recording_that_fails_fails_no_answer() {
    let folder = TempDir::new().expect("a folder");
    let mut command = weir(["run", "--upper", "1.5"]);
    command.args(ALL).current_dir(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let traffic = folder.path().join("traffic");
    // The folder goes away before the first record comes.
    while !traffic.join("recording.lock").exists() {
        assert!(child.try_wait().expect("its state").is_none(), "it runs");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fs::remove_dir_all(&traffic).expect("a folder");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(&fs::read(example("vital-signs.ndjson")).expect("a sample")).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("its output");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 50);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("0 records recorded, 50 not written, as that failed"), "{stderr}");
}

#[test]
fn a_folder_in_use_is_refused_before_anything_is_answered() {
    let folder = TempDir::new().expect("a folder");
    let of = |command: &str, options: &[&str]| {
        run(&folder, &[&[command, "--upper", "1.5", "examples/vital-signs.json"], options].concat())
    };
    of("record", &ALL).success();
    let lock = fs::File::open(folder.path().join("traffic/recording.lock")).expect("a lock");
    lock.lock().expect("it is free");
    let output = of("run", &ALL).exit(2);
    assert!(
        output.stderr.contains("another process records into this folder"),
        "{}",
        output.stderr
    );
    assert_eq!(output.stdout, "");
    let missing = of("record", &[]).exit(2);
    assert!(missing.stderr.contains("--record"), "{}", missing.stderr);
}

#[test]
fn the_examples_of_the_help_record_when_pasted() {
    let folder = TempDir::new().expect("a folder");
    let examples = examples("record");
    assert!(!examples.is_empty());
    for example in examples {
        let output = shell(&folder, &example).exit(0);
        assert!(output.stderr.contains("records recorded"), "{example}\n{}", output.stderr);
    }
    assert!(!files(Path::new(&folder.path().join("traffic"))).is_empty());
}
