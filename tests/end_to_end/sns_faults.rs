//! When SNS does not do as it is told: what is not confirmed is failed back, and nothing else.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;
use weir_tests::event::{Record, records};
use weir_tests::weir::{self, Output, weir};
use weir_tests::{Fate, ScriptedSns};

use crate::answer::answers;
use crate::{example, example_text};

const UPPER: f64 = 1.5;
const THROTTLED: Fate = Fate::Failed { code: "Throttled", sender_fault: false };
const INVALID: Fate = Fate::Failed { code: "InvalidParameter", sender_fault: true };

fn run_at(url: &str, arguments: &[&str]) -> Command {
    let mut command = weir(["run", "--topic", "arn:aws:sns:us-east-1:123456789012:alerts"]);
    command.args(["--upper", &UPPER.to_string()]).args(arguments).env("AWS_ENDPOINT_URL", url);
    command
}

/// `weir run` on the sample event, against a server with a script.
fn run(sns: &ScriptedSns, arguments: &[&str]) -> Output {
    let mut command = run_at(sns.url(), arguments);
    weir::run(command.arg(example("vital-signs.json")))
}

fn flagged() -> Vec<Record> {
    let mut records = records(&example_text("vital-signs.json"));
    records.retain(|record| record.score >= UPPER);
    assert!(records.len() > 20, "more than two requests full");
    records
}

/// The ids of the records that are answered as failed.
fn failed(output: &Output) -> Vec<String> {
    answers(&output.stdout)
        .into_iter()
        .filter(|answer| answer.result == "DeliveryFailed")
        .map(|answer| answer.record_id)
        .collect()
}

#[test]
fn entries_that_fail_are_sent_again_alone() {
    let unlucky = flagged()[3].payload.clone();
    let message = unlucky.clone();
    let sns = ScriptedSns::start(move |number, entry| {
        if entry.message == message && number < 4 { THROTTLED } else { Fate::Confirmed }
    });
    assert_eq!(failed(&run(&sns, &[]).exit(0)), Vec::<String>::new());

    let requests = sns.requests();
    let with_it: Vec<_> = requests
        .iter()
        .filter(|entries| entries.iter().any(|entry| entry.message == unlucky))
        .collect();
    assert!(with_it.len() > 1, "it was sent again");
    assert!(with_it[1..].iter().all(|entries| entries.len() == 1), "alone");
    let sent: usize = requests.iter().map(Vec::len).sum();
    assert_eq!(sent, flagged().len() + with_it.len() - 1, "nothing else was sent twice");
}

#[test]
fn an_entry_in_neither_list_counts_as_failed() {
    let lost = flagged()[5].clone();
    let message = lost.payload.clone();
    let sns = ScriptedSns::start(move |_, entry| {
        if entry.message == message { Fate::Unmentioned } else { Fate::Confirmed }
    });
    let output = run(&sns, &[]).exit(1);
    assert_eq!(failed(&output), [lost.id]);
    assert!(output.stderr.contains("SNS did not say what became of it"), "{}", output.stderr);
}

#[test]
fn what_is_refused_for_the_senders_fault_is_not_sent_again() {
    let sns = ScriptedSns::start(|_, _| INVALID);
    let output = run(&sns, &[]).exit(1);
    assert_eq!(failed(&output).len(), flagged().len());
    let sent: usize = sns.requests().iter().map(Vec::len).sum();
    assert_eq!(sent, flagged().len());
    assert!(output.stderr.contains("InvalidParameter: as the script says"), "{}", output.stderr);
}

#[test]
fn requests_keep_to_ten_entries_and_to_the_bytes_that_the_topic_takes() {
    let requests = |arguments: &[&str]| {
        let sns = ScriptedSns::start(|_, _| Fate::Confirmed);
        run(&sns, arguments).exit(0);
        sns.requests()
    };
    let by_number = requests(&[]);
    assert_eq!(by_number.iter().map(Vec::len).max(), Some(10));

    let by_bytes = requests(&["--max-publish-bytes", "1000"]);
    let bytes =
        |entries: &Vec<_>| entries.iter().map(|entry: &weir_tests::Entry| entry.bytes).sum();
    let largest: usize = by_bytes.iter().map(bytes).max().expect("requests");
    assert!((600..=1000).contains(&largest), "{largest} bytes");
    assert_eq!(by_bytes.iter().map(Vec::len).sum::<usize>(), flagged().len());
}

#[test]
fn a_message_that_the_topic_does_not_take_fails_that_record_alone() {
    let long = format!(r#"{{"ANOMALY_SCORE":2,"note":"{}"}}"#, "x".repeat(2000));
    let input = format!("{{\"ANOMALY_SCORE\":2}}\n{long}\n");
    let sns = ScriptedSns::start(|_, _| Fate::Confirmed);
    let mut command = run_at(sns.url(), &["--max-publish-bytes", "1000"]);
    let output = weir::run_with_input(&mut command, &input).exit(1);
    assert_eq!(sns.requests().concat().len(), 1);
    assert!(output.stderr.contains("failed: standard input:2: not published"), "{}", output.stderr);
    assert!(output.stderr.contains("the topic takes 1000"), "{}", output.stderr);
}

#[test]
fn where_nothing_listens_the_flagged_records_fail_and_the_others_do_not() {
    let mut command = run_at("http://127.0.0.1:1", &[]);
    let output = weir::run(command.arg(example("vital-signs.json"))).exit(1);
    let expected: Vec<_> = flagged().into_iter().map(|record| record.id).collect();
    assert_eq!(failed(&output), expected);
}

#[test]
fn of_a_broken_envelope_nothing_is_published() {
    let event = example_text("vital-signs.json");
    let id = flagged()[0].id.clone();
    let other = flagged()[1].id.clone();
    let broken = [
        event.trim_end().trim_end_matches('}').to_owned(),
        event.replacen("\"recordId\"", "\"recordid\"", 1),
        event.replacen("\"data\"", "\"Data\"", 1),
        event.replace(&other, &id),
    ];
    for event in broken {
        let sns = ScriptedSns::start(|_, _| Fate::Confirmed);
        let mut command = run_at(sns.url(), &["--contract", "analytics-output"]);
        let output = weir::run_with_input(&mut command, &event).exit(1);
        assert!(output.stderr.contains("error: standard input:1: "), "{}", output.stderr);
        assert_eq!((output.stdout.as_str(), sns.requests().len()), ("", 0));
    }
}

#[test]
fn requests_that_fail_for_the_moment_are_made_again() {
    let moments = [
        (400, "Throttling"),
        (400, "ThrottledException"),
        (429, "Throttled"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (408, "RequestTimeout"),
        (400, "KMSThrottling"),
        (200, "of no sense"),
    ];
    for (status, code) in moments {
        let sns = ScriptedSns::start(move |number, _| match number {
            0..2 => Fate::Refused { status, code },
            _ => Fate::Confirmed,
        });
        assert_eq!(failed(&run(&sns, &[]).exit(0)), Vec::<String>::new(), "{status} {code}");
    }
}

#[test]
fn requests_that_are_refused_are_made_once_and_the_records_come_again() {
    let reasons = [
        (403, "AuthorizationError"),
        (404, "NotFound"),
        (403, "InvalidClientTokenId"),
        (400, "KMSDisabled"),
    ];
    for (status, code) in reasons {
        let sns = ScriptedSns::start(move |_, _| Fate::Refused { status, code });
        // No record is to blame, so none is sent to the dead letters.
        let letters = NamedTempFile::new().expect("a temporary file");
        let path = letters.path().to_str().expect("UTF-8");
        let output = run(&sns, &["--dead-letter", path]).exit(1);
        assert_eq!(fs::read_to_string(path).expect("the letters"), "", "{code}");
        assert_eq!(failed(&output).len(), flagged().len(), "{code}");
        assert_eq!(sns.requests().concat().len(), flagged().len(), "{code}: sent once");
    }
}

#[test]
fn of_a_request_that_is_not_valid_the_entry_to_blame_is_found() {
    let wrong = flagged()[4].clone();
    let message = wrong.payload.clone();
    let sns = ScriptedSns::start(move |_, entry| match entry.message == message {
        true => Fate::Refused { status: 400, code: "InvalidParameter" },
        false => Fate::Confirmed,
    });
    let output = run(&sns, &[]).exit(1);
    assert_eq!(failed(&output), [wrong.id]);
}

#[test]
fn a_service_that_is_away_is_left_alone_by_the_events_that_follow() {
    let sns = ScriptedSns::start(|_, _| Fate::Refused { status: 503, code: "ServiceUnavailable" });
    let mut command = run_at(sns.url(), &["--log", "warn"]);
    let event = example("vital-signs.json");
    let output = weir::run(command.args(std::iter::repeat_n(event, 40))).exit(1);
    assert_eq!(answers_of_events(&output.stdout), 40);
    assert!(output.stderr.contains("the service is away"), "{}", output.stderr);
    // Each event has three requests to make, and each of these eight attempts.
    let requests = sns.requests().len();
    assert!(requests < 120, "{requests} requests for 40 events");
}

#[test]
fn a_burst_of_failures_is_no_service_that_is_away() {
    let sns = ScriptedSns::start(|number, _| match number < 8 {
        true => Fate::Refused { status: 503, code: "ServiceUnavailable" },
        false => Fate::Confirmed,
    });
    let mut command = run_at(sns.url(), &[]);
    let flagged = "{\"ANOMALY_SCORE\":9}\n".repeat(500);
    let output = weir::run_with_input(&mut command, &flagged).exit(0);
    assert!(output.stderr.contains("0 failed, 500 published"), "{}", output.stderr);
}

#[test]
fn a_service_that_is_away_for_a_short_time_loses_nothing() {
    let begin = OnceLock::new();
    let sns = ScriptedSns::start(move |_, _| {
        match begin.get_or_init(Instant::now).elapsed() < Duration::from_millis(1500) {
            true => Fate::Refused { status: 400, code: "Throttling" },
            false => Fate::Confirmed,
        }
    });
    let mut command = run_at(sns.url(), &[]);
    let flagged = "{\"ANOMALY_SCORE\":9}\n".repeat(500);
    let output = weir::run_with_input(&mut command, &flagged).exit(0);
    assert!(output.stderr.contains("0 failed, 500 published"), "{}", output.stderr);
}

fn answers_of_events(stdout: &str) -> usize {
    stdout.lines().map(|line| assert_eq!(answers(line).len(), 500)).count()
}

#[test]
fn so_many_requests_are_under_way_at_once_and_no_more() {
    let under_way = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let seen = Arc::clone(&under_way);
    let sns = ScriptedSns::start(move |_, _| {
        let (now, most) = &*seen;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(2));
        now.fetch_sub(1, Ordering::SeqCst);
        Fate::Confirmed
    });
    let input = "{\"ANOMALY_SCORE\":2}\n".repeat(500);
    weir::run_with_input(&mut run_at(sns.url(), &[]), &input).exit(0);
    let most = under_way.1.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most} at once");
    assert_eq!(sns.requests().len(), 50);
}
