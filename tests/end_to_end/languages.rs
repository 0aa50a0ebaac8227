//! A rule in another language, whose toolchain asks for WASI.

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use weir_tests::python;
use weir_tests::weir::{self, Output, weir};

use crate::root;

/// What the rule is to say of records, one a line.
const RECORDS: &str = "\
{\"temperature\":39.5}
{\"temperature\":38.9}
{\"temperature\":true}
{\"temperature\":NaN}
{\"temperature\":1e400}
[39.5]
{\"temperature\":
";

/// The rule of the examples, built as it says itself.
fn build(folder: &TempDir) {
    let source = fs::read_to_string(root().join("examples/fever-python/rule.py")).expect("a rule");
    let (_, command) = source.split_once("    componentize-py ").expect("the command");
    let (command, _) = command.split_once("\n    weir").expect("the next command");
    let command = command.replace("\\\n", " ");
    // The interpreter leaves what it compiles beside the source.
    let copy = folder.path().join("source");
    fs::create_dir(&copy).expect("a folder");
    fs::write(copy.join("rule.py"), &source).expect("a copy");
    let mut build = Command::new(python::programs("componentize").join("componentize-py"));
    for argument in command.split_whitespace() {
        // Its paths are those of the repository.
        match argument {
            "wit" => build.arg(root().join(argument)),
            "examples/fever-python" => build.arg(&copy),
            other => build.arg(other),
        };
    }
    build.current_dir(folder.path());
    let output = build.output().expect("componentize-py starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_rule_in_python_runs_where_inert_wasi_is_granted() {
    let folder = TempDir::new().expect("a temporary folder");
    build(&folder);
    let cache = folder.path().join("cache");
    let run = |arguments: &[&str], input: &str| -> Output {
        let mut command = weir(arguments);
        command
            .current_dir(folder.path())
            .env("WEIR_CACHE", &cache)
            // To compile as much as an interpreter takes its time; to run it does not.
            .env("WEIR_TIME_LIMIT_MS", "60000");
        weir::run_with_input(&mut command, input)
    };

    let refused = run(&["run", "--rule", "fever.wasm"], RECORDS).exit(2);
    assert!(refused.stderr.contains("wasi:cli/environment@"), "{}", refused.stderr);
    assert!(refused.stderr.contains("inert-wasi"), "{}", refused.stderr);

    let granted = ["--rule", "fever.wasm", "--grant", "inert-wasi"];
    let settings = ["--settings", "{\"above\": 39}"];
    let arguments = [&["run"][..], &granted, &settings].concat();
    let outputs: Vec<Output> = (0..2).map(|_| run(&arguments, RECORDS).exit(1)).collect();
    assert_eq!(outputs[0].stdout, outputs[1].stdout);
    let said: Vec<&str> = outputs[0].stdout.lines().collect();
    // As the documentation has it.
    let documentation =
        fs::read_to_string(root().join("docs/sources.md")).expect("docs/sources.md");
    assert!(documentation.contains(said[0]), "{}", said[0]);
    let verdicts: Vec<&str> = said
        .iter()
        .map(|line| line.split("\"verdict\":\"").nth(1).and_then(|rest| rest.split('"').next()))
        .map(|verdict| verdict.expect("a verdict"))
        .collect();
    assert_eq!(verdicts, ["flag", "pass", "fail", "fail", "fail", "fail", "fail"]);
    for (line, reason) in said[2..].iter().zip([
        "no number at /temperature",
        "not JSON",
        "out of range",
        "no number at /temperature",
        "not JSON",
    ]) {
        assert!(line.contains(reason), "{line}");
    }

    let wrong = ["--settings", "{\"above\": true}"];
    let refused = run(&[&["run"][..], &granted, &wrong].concat(), RECORDS).exit(2);
    assert!(refused.stderr.contains("/above"), "{}", refused.stderr);

    let inspected = run(&["inspect", "fever.wasm", "--grant", "inert-wasi"], "").success();
    for line in ["name         fever-python\n", "wasi:filesystem/types@", "wasi:sockets/tcp@"] {
        assert!(inspected.contains(line), "{inspected}");
    }
    let short = ["--memory-limit-mib", "8"];
    let refused = run(&[&["run"][..], &granted, &settings, &short].concat(), RECORDS).exit(2);
    assert!(refused.stderr.contains("memory limit"), "{}", refused.stderr);
}
