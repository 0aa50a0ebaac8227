//! Flagged records reach the subscribers of a topic, and every record is answered.

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use weir_tests::Moto;
use weir_tests::event::{Record, decode, records};
use weir_tests::sns::{Delivery, Notification, Topic};
use weir_tests::sqs::Queue;
use weir_tests::weir::{self, weir};

use crate::answer::answers;
use crate::{example, example_text};

const UPPER: f64 = 1.5;
const LOWER: f64 = 0.4;
/// A topic of the account that moto serves, but not one that was created.
const NO_TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:missing";

/// Whether the bounds that [`run`] sets flag a record.
fn flagged(record: &Record) -> bool {
    record.score >= UPPER || (record.score <= LOWER && record.score != 0.0)
}

/// `weir run` on a sample input, publishing to `topic`.
fn run(moto: &Moto, topic: &str, input: &str) -> Command {
    let mut command = weir(["run", "--topic", topic]);
    command
        .args(["--upper", &UPPER.to_string(), "--lower", &LOWER.to_string()])
        .arg(example(input))
        .env("AWS_ENDPOINT_URL", moto.url());
    command
}

/// Takes what the topic sent to the queue, ordered as the records are in their event.
fn notifications(queue: &Queue<'_>) -> Vec<Notification> {
    let mut notifications: Vec<Notification> =
        queue.receive_all().iter().map(|message| Notification::parse(&message.body)).collect();
    // The sample inputs number their records in ascending order.
    notifications.sort_by(|a, b| a.attribute("record_id").cmp(b.attribute("record_id")));
    notifications
}

/// Compares what arrived with the flagged records, one by one.
fn assert_published(notifications: &[Notification], records: &[Record], topic: &Topic<'_>) {
    let expected: Vec<&Record> = records.iter().filter(|record| flagged(record)).collect();
    assert!(expected.len() > 10, "the sample has more than one batch to publish");
    assert_eq!(notifications.len(), expected.len(), "each flagged record arrives once");
    for (notification, record) in notifications.iter().zip(expected) {
        assert_eq!(notification.attribute("record_id"), record.id);
        assert_eq!(notification.message, record.payload);
        assert_eq!(notification.subject.as_deref(), Some("Sent from Kinesis Analytics"));
        assert_eq!(notification.attribute("score").parse(), Ok(record.score));
        assert_eq!(notification.message_attributes["score"].r#type, "Number");
        assert_eq!(notification.attribute("rule"), "threshold");
        assert_eq!(notification.attribute("rule_version"), env!("CARGO_PKG_VERSION"));
        assert!(notification.attribute("rule_digest").starts_with("sha256:"));
        assert_eq!(notification.topic_arn, topic.arn());
    }
}

#[test]
fn flagged_records_of_an_analytics_event_arrive() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Enveloped);

    let output = weir::run(&mut run(&moto, topic.arn(), "vital-signs.json"));

    let records = records(&example_text("vital-signs.json"));
    let answers = answers(&output.success());
    assert_eq!(answers.len(), records.len());
    for (answer, record) in answers.iter().zip(&records) {
        assert_eq!((answer.record_id.as_str(), answer.result.as_str()), (record.id.as_str(), "Ok"));
        assert_eq!(answer.data, None);
    }
    assert_published(&notifications(&queue), &records, &topic);
}

#[test]
fn flagged_records_of_a_firehose_event_arrive() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Enveloped);

    let output = weir::run(&mut run(&moto, topic.arn(), "vital-signs-firehose.json"));

    let records = records(&example_text("vital-signs-firehose.json"));
    let answers = answers(&output.success());
    assert_eq!(answers.len(), records.len());
    for (answer, record) in answers.iter().zip(&records) {
        assert_eq!((answer.record_id.as_str(), answer.result.as_str()), (record.id.as_str(), "Ok"));
        assert_eq!(answer.data.as_deref().map(decode).as_ref(), Some(&record.payload));
    }
    assert_published(&notifications(&queue), &records, &topic);
}

#[test]
fn a_raw_subscription_gets_the_payload_alone() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Raw);

    weir::run(&mut run(&moto, topic.arn(), "vital-signs.json")).success();

    let mut arrived: Vec<(String, String)> = queue
        .receive_all()
        .into_iter()
        .map(|message| (message.message_attributes["record_id"].string_value.clone(), message.body))
        .collect();
    arrived.sort();
    let expected: Vec<(String, String)> = records(&example_text("vital-signs.json"))
        .into_iter()
        .filter(flagged)
        .map(|record| (record.id, record.payload))
        .collect();
    assert_eq!(arrived, expected);
}

#[test]
fn records_that_cannot_be_published_are_failed_back() {
    let moto = Moto::start();
    for (input, failed) in
        [("vital-signs.json", "DeliveryFailed"), ("vital-signs-firehose.json", "ProcessingFailed")]
    {
        let output = weir::run(&mut run(&moto, NO_TOPIC, input)).exit(1);

        let answers = answers(&output.stdout);
        let records = records(&example_text(input));
        assert_eq!(answers.len(), records.len());
        for (answer, record) in answers.iter().zip(&records) {
            let result = if flagged(record) { failed } else { "Ok" };
            assert_eq!(
                (answer.record_id.as_str(), answer.result.as_str()),
                (record.id.as_str(), result)
            );
        }
        assert!(output.stderr.contains(NO_TOPIC), "the topic is named:\n{}", output.stderr);
    }
}

#[test]
fn bad_records_do_not_keep_good_ones_from_arriving() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Enveloped);

    let output = weir::run(&mut run(&moto, topic.arn(), "bad-records.json")).exit(1);

    let results: Vec<String> =
        answers(&output.stdout).into_iter().map(|answer| answer.result).collect();
    let (ok, failed) = ("Ok", "DeliveryFailed");
    assert_eq!(
        results,
        [ok, failed, failed, ok, failed, failed, ok, failed, failed, ok, failed, ok]
    );
    let scores: Vec<String> = notifications(&queue)
        .iter()
        .map(|notification| notification.attribute("score").to_owned())
        .collect();
    assert_eq!(scores, ["2.5", "0.2"]);
}

#[test]
fn a_profile_says_where_to_publish_and_as_whom() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Raw);
    let home = TempDir::new().expect("a home");
    let folder = home.path().join(".aws");
    fs::create_dir(&folder).expect("a folder");
    let config = format!("[profile weir]\nregion = us-east-1\nendpoint_url = {}\n", moto.url());
    fs::write(folder.join("config"), config).expect("a configuration of the AWS SDKs");
    let credentials = "[weir]\naws_access_key_id = test\naws_secret_access_key = test\n";
    fs::write(folder.join("credentials"), credentials).expect("credentials");

    let mut command = weir(["run", "--topic", topic.arn(), "--upper", "1.5"]);
    command.arg(example("vital-signs.json")).env("HOME", home.path()).env("AWS_PROFILE", "weir");
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"]
    {
        command.env_remove(variable);
    }
    weir::run(&mut command).success();
    let flagged = records(&example_text("vital-signs.json"));
    let flagged = flagged.iter().filter(|record| record.score >= UPPER).count();
    assert_eq!(queue.receive_all().len(), flagged);
}

/// As in a function, whose environment always names one.
#[test]
fn a_topic_is_reached_in_its_own_region_whatever_the_environment_says() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Raw);
    let mut command = run(&moto, topic.arn(), "vital-signs.json");
    weir::run(command.env("AWS_REGION", "eu-central-1")).success();
    assert!(!queue.receive_all().is_empty());
}
