//! Where records go: FIFO topics, dead letters, merged alerts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_tests::sns::{Delivery, Topic};
use weir_tests::sqs::Queue;
use weir_tests::stream_service::{Record, Service};
use weir_tests::weir::{self, weir};
use weir_tests::{Fate, Moto, ScriptedSns};

use crate::example;

fn stream(payloads: &[&str]) -> Vec<Record> {
    let record = |(number, payload): (usize, &&str)| Record { number, payload: (*payload).into() };
    payloads.iter().enumerate().map(record).collect()
}

#[test]
fn a_fifo_topic_gets_groups_in_order_and_ids_that_stay() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alarms.fifo");
    let queue = Queue::create(&moto, "subscriber.fifo");
    topic.subscribe(&queue, Delivery::Raw);
    let payloads: Vec<String> =
        (0..30).map(|n| format!("{{\"ANOMALY_SCORE\":2,\"n\":{n}}}")).collect();
    let payloads: Vec<&str> = payloads.iter().map(String::as_str).collect();
    let event = Service::Kinesis.event(&stream(&payloads));

    let run = |rule_flag: &str| {
        let mut command = weir(["run", "--topic", topic.arn(), "--upper", rule_flag]);
        weir::run_with_input(command.env("AWS_ENDPOINT_URL", moto.url()), &event).success();
        queue.receive_all()
    };
    let mut ids = Vec::new();
    let mut order: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for message in run("1.5") {
        let payload: Value = serde_json::from_str(&message.body).expect("a payload");
        let n = payload["n"].as_u64().expect("its number");
        let group = message.attributes["MessageGroupId"].clone();
        assert_eq!(group, format!("device-{}", n % 7), "the partition key");
        order.entry(group).or_default().push(n);
        ids.push(message.attributes["MessageDeduplicationId"].clone());
    }
    assert!(order.values().all(|numbers| numbers.is_sorted()), "{order:?}");
    assert_eq!((ids.len(), order.len()), (30, 7));
    // The same records, from another run with other settings, are the same to the topic.
    let again = run("1.25");
    assert!(again.iter().all(|m| ids.contains(&m.attributes["MessageDeduplicationId"])));
}

/// Publishes the alerts of events, and answers with the numbers in them in the order in which they came.
/// The first request is answered late: events behind it would overtake what is left of the first.
fn published_numbers(topic: &str, events: &[String]) -> Vec<u64> {
    let sns = ScriptedSns::start(|number, _| {
        if number == 0 {
            thread::sleep(Duration::from_millis(20));
        }
        Fate::Confirmed
    });
    let topic = format!("arn:aws:sns:us-east-1:123456789012:{topic}");
    let mut command = weir(["run", "--topic", &topic, "--upper", "1.5"]);
    weir::run_with_input(command.env("AWS_ENDPOINT_URL", sns.url()), &events.join("\n")).success();
    sns.requests()
        .concat()
        .iter()
        .map(|entry| serde_json::from_str::<Value>(&entry.message).expect("a payload"))
        .filter_map(|payload| payload["n"].as_u64())
        .collect()
}

fn flagged(number: usize) -> String {
    format!("{{\"ANOMALY_SCORE\":2,\"n\":{number}}}")
}

#[test]
fn a_fifo_topic_gets_events_in_order() {
    let event = |first: usize| {
        let record = |number| Record { number, payload: flagged(number) };
        let records: Vec<_> = (first..first + 25).map(record).collect();
        Service::AnalyticsOutput.event(&records)
    };
    let numbers = published_numbers("alarms.fifo", &[0, 25, 50, 75].map(event));
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_fifo_queue_keeps_its_order_to_any_topic() {
    let event = |first: usize| {
        let record = |number: usize| {
            json!({
                "messageId": number.to_string(),
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue.fifo",
                "attributes": { "MessageGroupId": "a" },
                "body": flagged(number),
            })
        };
        json!({ "Records": (first..first + 3).map(record).collect::<Vec<_>>() }).to_string()
    };
    let numbers = published_numbers("alarms", &[0, 3, 6, 9].map(event));
    assert_eq!(numbers, (0..12).collect::<Vec<_>>());
}

#[test]
fn dead_letters_reach_their_queue_with_all_that_is_known() {
    let moto = Moto::start();
    let queue = Queue::create(&moto, "dead-letters");
    let event = Service::Kinesis.event(&stream(&["{\"ANOMALY_SCORE\":1}", "{", "[]"]));
    let mut command = weir(["run", "--upper", "1.5", "--dead-letter", queue.url()]);
    let output = weir::run_with_input(command.env("AWS_ENDPOINT_URL", moto.url()), &event);
    let output = output.exit(0);
    assert_eq!(output.stdout, "{\"batchItemFailures\":[]}\n");
    assert!(output.stderr.contains("2 dead-lettered"), "{}", output.stderr);

    let mut letters: Vec<Value> = queue
        .receive_all()
        .iter()
        .map(|message| serde_json::from_str(&message.body).expect("a letter"))
        .collect();
    letters.sort_by_key(|letter| letter["record"].as_str().map(str::to_owned));
    assert_eq!(letters.len(), 2);
    let letter = &letters[0];
    assert_eq!((&letter["record"], &letter["contract"]), (&"9991".into(), &"kinesis".into()));
    assert_eq!((&letter["data"], &letter["encoding"]), (&"ew==".into(), &"base64".into()));
    assert_eq!((&letter["source"], &letter["rule"]), (&"arn:k".into(), &"threshold".into()));
    assert!(letter["reason"].as_str().is_some_and(|reason| reason.contains("JSON")), "{letter}");
}

#[test]
fn a_dead_letter_that_is_not_confirmed_fails_its_record() {
    // Nothing listens where the environment of a test points to.
    let url = "http://127.0.0.1:1/123456789012/dead-letters";
    let mut command = weir(["run", "--upper", "1.5", "--dead-letter", url]);
    let event = Service::Sqs.event(&stream(&["{\"ANOMALY_SCORE\":1}", "{"]));
    let output = weir::run_with_input(&mut command, &event).exit(1);
    let failed = "{\"batchItemFailures\":[{\"itemIdentifier\":\"record-1\"}]}\n";
    assert_eq!(output.stdout, failed);
    assert!(output.stderr.contains("its dead letter: "), "{}", output.stderr);
}

/// To send it again is of no use: whoever runs it is to know.
#[test]
fn a_dead_letter_that_no_queue_takes_blocks_its_shard() {
    let url = "http://127.0.0.1:1/123456789012/dead-letters";
    let mut command = weir(["run", "--upper", "1.5", "--dead-letter", url]);
    let record = format!("{{\"text\":\"{}\"}}", "x".repeat(1 << 20));
    let event = Service::Kinesis.event(&stream(&[&record]));
    let output = weir::run_with_input(&mut command, &event).exit(1);
    assert!(output.stderr.contains("a queue takes 1048576"), "{}", output.stderr);
    assert!(output.stderr.contains("blocks its shard"), "{}", output.stderr);
}

#[test]
fn bad_records_go_to_a_file_or_nowhere_or_fail() {
    let folder = TempDir::new().expect("a temporary folder");
    let letters = folder.path().join("letters.ndjson");
    let run = |arguments: &[&str], code| {
        let mut command = weir(["run", "--upper", "1.5", "--alerts", "/dev/null"]);
        command.args(arguments).arg(example("bad-records.json"));
        weir::run(&mut command).exit(code).stdout
    };
    let failures = |stdout: String| stdout.matches("DeliveryFailed").count();
    let bad = failures(run(&[], 1));
    assert!(bad > 5);
    assert_eq!(failures(run(&["--on-bad-record", "drop"], 0)), 0);
    assert_eq!(failures(run(&["--dead-letter", letters.to_str().expect("UTF-8")], 0)), 0);
    let count = || fs::read_to_string(&letters).expect("the letters").lines().count();
    assert_eq!(count(), bad);
    let dry = ["--dry-run", "--dead-letter", letters.to_str().expect("UTF-8")];
    assert_eq!((failures(run(&dry, 1)), count()), (bad, bad), "a dry run sends none");
}

#[test]
fn dead_letters_have_a_file_of_their_own() {
    let folder = TempDir::new().expect("a temporary folder");
    let answers = folder.path().join("answers");
    for letters in [&answers, Path::new("/dev/stdout"), Path::new("/dev/null")] {
        let mut command = weir(["run", "--upper", "1.5", "--dead-letter"]);
        command.arg(letters).arg(example("bad-records.json"));
        command.stdout(File::create(&answers).expect("a file"));
        let output = command.output().expect("its end");
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = match letters.ends_with("null") {
            true => "/dev/null: it is no regular file",
            false => "standard output or standard error goes there",
        };
        assert!(output.status.code() == Some(2) && said.contains(reason), "{letters:?}: {said}");
        assert_eq!(fs::read_to_string(&answers).expect("the answers"), "");
    }
}

#[test]
fn a_record_that_blocks_its_shard_is_warned_of() {
    let event = Service::Kinesis.event(&stream(&["{"]));
    let run = |policy| {
        let mut command = weir(["run", "--upper", "1.5", "--on-bad-record", policy]);
        weir::run_with_input(&mut command, &event).stderr
    };
    assert!(run("fail").contains("warning: record 9990 blocks its shard"));
    assert!(!run("drop").contains("blocks its shard"));
}

#[test]
fn merged_alerts_are_one_message_and_its_records_share_its_fate() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alarms");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Raw);
    let payloads = ["{\"ANOMALY_SCORE\":2,\"d\":1}"; 20];
    let event = Service::AnalyticsOutput.event(&stream(&payloads));
    let run = |url: &str| {
        let mut command = weir(["run", "--upper", "1.5", "--cooldown", "/d=1h"]);
        command.args(["--topic", topic.arn()]).env("AWS_ENDPOINT_URL", url);
        weir::run_with_input(&mut command, &format!("{event}\n{event}\n"))
    };
    run(moto.url()).exit(0);
    let counts: Vec<u64> = queue
        .receive_all()
        .iter()
        .map(|message| serde_json::from_str::<Value>(&message.body).expect("a message"))
        .map(|message| message["count"].as_u64().unwrap_or(0))
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 39, "one was sent at once: {counts:?}");
    assert!(counts.len() <= 4, "two messages an event at the most: {counts:?}");

    let output = run("http://127.0.0.1:1").exit(1);
    assert_eq!(output.stdout.matches("DeliveryFailed").count(), 40);
}
