//! How a run ends that is told to.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use tempfile::TempDir;
use weir_tests::stream_service::{Conversation, Record, Service};
use weir_tests::weir::{self, Output, weir};
use weir_tests::{Fate, ScriptedSns, rule};

use crate::example;

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(sent.expect("kill").success());
}

fn event() -> String {
    let payload = "{\"ANOMALY_SCORE\":2}".to_owned();
    Service::AnalyticsOutput.event(&[Record { number: 0, payload }])
}

#[test]
fn what_was_taken_is_finished_and_answered() {
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let (seen, wait) = std::sync::mpsc::channel();
        let (go_on, told) = std::sync::mpsc::channel::<()>();
        let told = std::sync::Mutex::new(told);
        // The server answers only after the signal was sent.
        let sns = ScriptedSns::start(move |_, _| {
            seen.send(()).expect("the test");
            told.lock().expect("the only one").recv().expect("the test");
            Fate::Confirmed
        });
        let mut command = weir(["run", "--upper", "1.5"]);
        command.args(["--topic", "arn:aws:sns:us-east-1:123456789012:alerts"]);
        let mut run = Conversation::start(command.env("AWS_ENDPOINT_URL", sns.url()));
        run.send(&event());
        wait.recv().expect("the request");
        signal(name, run.id());
        go_on.send(()).expect("the server");
        let answer = run.answer().expect("what was taken is answered");
        assert_eq!(
            Service::AnalyticsOutput
                .failed(&[Record { number: 0, payload: String::new() }], &answer),
            [0; 0]
        );
        assert_eq!(run.answer(), None, "and that is all");
        assert_eq!(run.code(), Some(code));
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (seen, wait) = std::sync::mpsc::channel();
    let sns = ScriptedSns::start(move |_, _| {
        seen.send(()).expect("the test");
        // For ever.
        loop {
            thread::park();
        }
    });
    let mut command = weir(["run", "--upper", "1.5", "--publish-timeout", "1h"]);
    command.args(["--topic", "arn:aws:sns:us-east-1:123456789012:alerts"]);
    let mut run = Conversation::start(command.env("AWS_ENDPOINT_URL", sns.url()));
    // More than are under way at once: then the next is not even read.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (0..4 * cores).for_each(|_| run.send(&event()));
    wait.recv().expect("the request");
    // The first may not have been heard when the second comes: signals of a kind are not counted.
    while run.is_running() {
        signal("-TERM", run.id());
        thread::yield_now();
    }
    assert_eq!((run.answer(), run.code()), (None, Some(143)));
}

#[test]
fn a_closed_output_is_an_error_and_no_panic() {
    let mut command = weir(["run", "--upper", "1.5", "--alerts", "/dev/null"]);
    let mut child = command
        .arg(example("vital-signs.json"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("weir");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("standard output") && !stderr.contains("panicked"), "{stderr}");

    for arguments in [
        &["inspect"][..],
        &["--help"],
        &["run", "--help"],
        &["verify", "threshold", "--settings", "{\"upper\":1}"],
    ] {
        let script = "exec \"$@\" >&-";
        let mut shell = Command::new("sh");
        let command = weir(arguments);
        shell.args(["-c", script, "sh"]).arg(command.get_program()).args(arguments);
        let output = weir::run(&mut shell);
        assert!(!output.stderr.contains("panicked"), "{arguments:?}: {}", output.stderr);
        assert_ne!(output.code, Some(101), "{arguments:?}");
    }
}

/// Runs `weir` as a process that has inherited what a line of shell sets.
fn inheriting(setting: &str, arguments: &[&str], folder: &Path) -> Output {
    let weir = weir(arguments);
    // Not sh: some cannot ignore the ends of processes.
    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{setting}; exec \"$@\""), "bash"]);
    shell.arg(weir.get_program()).args(arguments);
    shell.env_clear().envs(weir.get_envs().filter_map(|(name, value)| Some((name, value?))));
    weir::run(shell.current_dir(folder))
}

#[test]
fn a_file_that_may_grow_no_more_is_as_a_full_disk() {
    let folder = TempDir::new().expect("a temporary folder");
    let record = format!("{{\"ANOMALY_SCORE\":1,\"a\":\"{}\"}}\n", "a".repeat(1000));
    fs::write(folder.path().join("records.ndjson"), record.repeat(2000)).expect("a file");
    let recording = ["--record", "traffic", "--record-sample", "1"];
    let arguments = [&["run", "records.ndjson", "--upper", "1.5"], &recording[..]].concat();
    // In KiB: as much as the memory of a rule takes, and less than the recording.
    let output = inheriting("ulimit -f 1024", &arguments, folder.path());
    assert_eq!(output.stdout.lines().count(), 2000, "{}", output.stderr);
    assert!(output.stderr.contains("File too large"), "{}", output.stderr);
}

#[test]
fn a_rule_is_compiled_although_the_ends_of_processes_were_ignored() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("rule.wasm");
    weir::run(weir(["pull", "threshold", "--output"]).arg(&file)).success();
    let component = fs::read(&file).expect("the component");
    // The same in other bytes, of which no native code is embedded.
    fs::write(file, rule::wrapped_otherwise(&component)).expect("a file");
    inheriting("trap '' CHLD", &["inspect", "rule.wasm"], folder.path()).success();
}
