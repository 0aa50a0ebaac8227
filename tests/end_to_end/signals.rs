//! How a run ends that is told to.

use std::process::{Command, Stdio};
use std::thread;

use weir_tests::stream_service::{Conversation, Record, Service};
use weir_tests::weir::{self, weir};
use weir_tests::{Fate, ScriptedSns};

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
