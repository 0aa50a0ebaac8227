//! Nothing is lost, whatever happens between Weir and SNS, and whenever Weir itself is killed.
//!
//! Every run is drawn from a seed, which a failure names. `WEIR_FAULT_SEEDS=7` runs the seed 7 alone,
//! `WEIR_FAULT_SEEDS=0..200` runs two hundred.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use weir_tests::random::Random;
use weir_tests::sns::{Delivery, Topic};
use weir_tests::sqs::Queue;
use weir_tests::stream_service::{Conversation, Record, Service};
use weir_tests::weir::{self, weir};
use weir_tests::{FaultProxy, Moto};

/// How many records a stream has.
const RECORDS: usize = 10_000;

/// How many records an event has.
const BATCH: usize = 500;

/// How many streams of a service are driven at once: most of the time, they wait.
const AT_ONCE: u64 = 4;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("WEIR_FAULT_SEEDS") else { return 0..20 };
    let number = |text: &str| text.parse().expect("WEIR_FAULT_SEEDS is N or N..M");
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ordinary,
    Flagged,
    /// Nobody can read it.
    Bad,
}

fn kind(seed: u64, record: usize) -> Kind {
    match Random::new(seed ^ (record as u64) << 20).between(0, 1000) {
        0..10 => Kind::Flagged,
        10..12 => Kind::Bad,
        _ => Kind::Ordinary,
    }
}

fn stream(seed: u64, records: usize) -> Vec<Record> {
    let payload = |number| match kind(seed, number) {
        Kind::Ordinary => format!("{{\"number\":{number},\"ANOMALY_SCORE\":0.7}}"),
        Kind::Flagged => format!("{{\"number\":{number},\"ANOMALY_SCORE\":2.5}}"),
        Kind::Bad => format!("{{\"number\":{number},\"ANOMALY_SCORE\":}}"),
    };
    (0..records).map(|number| Record { number, payload: payload(number) }).collect()
}

fn all(seed: u64, records: usize, wanted: Kind) -> BTreeSet<usize> {
    (0..records).filter(|&number| kind(seed, number) == wanted).collect()
}

/// The records that reached the subscriber, as often as they did.
fn received(queue: &Queue<'_>) -> Vec<usize> {
    #[derive(Deserialize)]
    struct Payload {
        number: usize,
    }
    let messages = queue.receive_all();
    let payload = |body: &str| serde_json::from_str(body).expect("a payload as it was published");
    messages.iter().map(|message| payload(&message.body)).map(|Payload { number }| number).collect()
}

/// The records that are among the dead letters.
fn dead_letters(path: &Path, service: Service, records: usize) -> BTreeSet<usize> {
    #[derive(Deserialize)]
    struct Letter {
        record: String,
    }
    let text = std::fs::read_to_string(path).expect("the file of dead letters");
    // Of a process that was killed, the last line may be cut short: it confirmed nothing.
    let letters = text.lines().filter_map(|line| serde_json::from_str::<Letter>(line).ok());
    let ids: BTreeSet<String> = letters.map(|letter| letter.record).collect();
    (0..records).filter(|&number| ids.contains(&service.id(number))).collect()
}

fn command(url: &str, topic: &Topic<'_>, letters: &Path, ordering: &str) -> Command {
    let mut command = weir(["run", "--upper", "1.5", "--publish-timeout", "2s", "--log", "off"]);
    command.args(["--topic", topic.arn(), "--ordering", ordering, "--dead-letter"]).arg(letters);
    command.env("AWS_ENDPOINT_URL", url);
    command
}

/// Drives one stream to its end, and checks what arrived.
fn check(moto: &Moto, service: Service, seed: u64, kills: bool, records: usize) {
    let name = format!("{service:?}-{seed}-{kills}");
    let (topic, queue) = (Topic::create(moto, &name), Queue::create(moto, &name));
    topic.subscribe(&queue, Delivery::Raw);
    let proxy = FaultProxy::start(moto, seed);
    let folder = TempDir::new().expect("a temporary folder");
    let letters = folder.path().join("dead-letters.ndjson");
    let ordering = ["none", "key", "shard"][seed as usize % 3];
    let start = || Conversation::start(&mut command(proxy.url(), &topic, &letters, ordering));

    let mut random = Random::new(seed);
    let mut conversation = start();
    let driven = service.drive(stream(seed, records), BATCH, |event| {
        conversation.send(event);
        if kills && random.between(0, 3) == 0 {
            // At any moment: before it is read, while it is published, after it is answered.
            thread::sleep(Duration::from_micros(random.between(0, 60_000)));
            conversation.kill();
            let answer = conversation.answer();
            conversation = start();
            return answer;
        }
        let answer = conversation.answer();
        assert!(answer.is_some(), "it ended by itself");
        answer
    });

    let arrived: BTreeSet<usize> = received(&queue).into_iter().collect();
    let flagged = all(seed, records, Kind::Flagged);
    let bad = all(seed, records, Kind::Bad);
    let lost: Vec<_> =
        flagged.difference(&arrived).filter(|n| !driven.given_up.contains(n)).collect();
    assert!(lost.is_empty(), "flagged, answered as done and never received: {lost:?}");
    assert!(arrived.is_subset(&flagged), "nothing else was published");
    let letters = dead_letters(&letters, service, records);
    let missing: Vec<_> =
        bad.difference(&letters).filter(|n| !driven.given_up.contains(n)).collect();
    assert!(missing.is_empty(), "bad, and neither failed nor among the dead letters: {missing:?}");
    let ordinary = all(seed, records, Kind::Ordinary);
    assert!(kills || driven.given_up.is_disjoint(&ordinary), "what needed nothing cannot fail");
}

/// Checks every seed, some at once; names the one that failed.
fn check_all(service: Service, kills: bool, seeds: Range<u64>, records: usize) {
    let moto = Moto::start();
    thread::scope(|scope| {
        for share in 0..AT_ONCE {
            let (moto, seeds) = (&moto, seeds.clone());
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % AT_ONCE == share) {
                    let checked = thread::scope(|one| {
                        one.spawn(|| check(moto, service, seed, kills, records)).join()
                    });
                    assert!(
                        checked.is_ok(),
                        "{service:?}: seed {seed} failed; to replay it: WEIR_FAULT_SEEDS={seed} \
                         cargo test --package weir-tests --test end_to_end faults"
                    );
                }
            });
        }
    });
}

#[test]
fn analytics_output_loses_nothing() {
    check_all(Service::AnalyticsOutput, false, seeds(), RECORDS);
}

#[test]
fn analytics_input_loses_nothing() {
    check_all(Service::AnalyticsInput, false, seeds(), RECORDS);
}

#[test]
fn firehose_loses_nothing() {
    check_all(Service::Firehose, false, seeds(), RECORDS);
}

#[test]
fn kinesis_loses_nothing() {
    check_all(Service::Kinesis, false, seeds(), RECORDS);
}

#[test]
fn sqs_loses_nothing() {
    check_all(Service::Sqs, false, seeds(), RECORDS);
}

#[test]
fn what_is_killed_in_the_middle_loses_nothing() {
    for service in Service::ALL {
        let few = seeds().start..seeds().end.min(seeds().start + 4);
        check_all(service, true, few, RECORDS / 2);
    }
}

/// Without an envelope there is no service that sends again: one pass.
#[test]
fn lines_lose_nothing() {
    let moto = Moto::start();
    for seed in seeds() {
        let name = format!("lines-{seed}");
        let (topic, queue) = (Topic::create(&moto, &name), Queue::create(&moto, &name));
        topic.subscribe(&queue, Delivery::Raw);
        let proxy = FaultProxy::start(&moto, seed);
        let folder = TempDir::new().expect("a temporary folder");
        let letters = folder.path().join("dead-letters.ndjson");
        let input: Vec<String> =
            stream(seed, RECORDS).into_iter().map(|record| record.payload).collect();
        let mut command = command(proxy.url(), &topic, &letters, "none");
        let output = weir::run_with_input(command.arg("--contract=ndjson"), &input.join("\n"));

        #[derive(Deserialize)]
        struct Line {
            record: String,
            verdict: String,
            disposal: Option<String>,
        }
        let line = |line| serde_json::from_str::<Line>(line).expect("a verdict");
        let lines: Vec<Line> = output.stdout.lines().map(line).collect();
        assert_eq!(lines.len(), RECORDS, "seed {seed}: one answer a record");
        let arrived: BTreeSet<usize> = received(&queue).into_iter().collect();
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(line.record, format!("standard input:{}", number + 1), "seed {seed}");
            let failed = line.verdict == "fail";
            match kind(seed, number) {
                Kind::Ordinary => assert_eq!(line.verdict, "pass", "seed {seed}: {number}"),
                Kind::Flagged => {
                    assert!(failed || arrived.contains(&number), "seed {seed}: {number} is lost");
                }
                Kind::Bad => {
                    assert!(failed, "seed {seed}: {number}");
                    assert_eq!(line.disposal.as_deref(), Some("dead-letter"), "{number}");
                }
            }
        }
    }
}
