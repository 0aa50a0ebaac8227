//! What is counted and logged, and what is not.

use std::net::TcpListener;

use weir_tests::sns::Topic;
use weir_tests::stream_service::{Conversation, Record, Service};
use weir_tests::weir::{self, weir};
use weir_tests::{Moto, Process, RuntimeApi};

use crate::example_text;

const SECRET: &str = "planted-secret-7f3a";

fn records() -> Vec<Record> {
    let payloads = [
        format!("{{\"ANOMALY_SCORE\":2,\"s\":\"{SECRET}\"}}"),
        format!("{{\"ANOMALY_SCORE\":1,\"s\":\"{SECRET}\"}}"),
        format!("{{\"ANOMALY_SCORE\":\"{SECRET}\"}}"),
        format!("{{\"{SECRET}"),
    ];
    let record = |(number, payload)| Record { number, payload };
    payloads.into_iter().enumerate().map(record).collect()
}

#[test]
fn prometheus_reads_what_became_of_records() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.expect("a free port").to_string();
    let mut command =
        weir(["run", "--upper", "1.5", "--alerts", "/dev/null", "--metrics", &address]);
    let mut run = Conversation::start(&mut command);
    run.send(&Service::Firehose.event(&records()));
    run.answer().expect("an answer");
    let text = ureq::get(format!("http://{address}/metrics"))
        .call()
        .and_then(|mut answer| answer.body_mut().read_to_string())
        .expect("the metrics");
    for line in [
        "weir_records_total{verdict=\"flag\"} 1",
        "weir_records_total{verdict=\"pass\"} 1",
        "weir_records_total{verdict=\"fail\"} 2",
        "weir_failed_records_total{kind=\"permanent\",cause=\"record\"} 2",
        "weir_published_total{result=\"confirmed\"} 1",
        "weir_events_total{contract=\"firehose\"} 1",
        "weir_classify_seconds_count 1",
        "weir_publish_seconds_count 1",
        "weir_instances_recycled_total 0",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in:\n{text}");
    }
    let rule = "\nweir_rule_info{rule=\"threshold\",version=\"0.1.0\",digest=\"sha256:";
    assert!(text.contains(rule), "{rule} in:\n{text}");
    assert!(!text.contains(SECRET));
}

#[test]
fn payloads_and_credentials_are_not_logged() {
    let mut command = weir(["run", "--upper", "1.5", "--log", "debug", "--publish-timeout", "1s"]);
    command.args(["--topic", "arn:aws:sns:us-east-1:123456789012:alerts"]);
    command.env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_SESSION_TOKEN", SECRET);
    let event = Service::Sqs.event(&records());
    let output = weir::run_with_input(&mut command, &event).exit(1);
    assert!(output.stderr.contains("sending again"), "it is logged: {}", output.stderr);
    assert!(!output.stderr.contains(SECRET), "{}", output.stderr);
    assert!(!output.stdout.contains(SECRET), "the answer of this contract holds no payload");
}

#[test]
fn a_function_logs_json_and_metrics_without_payloads() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let api = RuntimeApi::start();
    let mut function = Process::start(
        weir(["lambda"])
            .envs(api.environment())
            .env("AWS_ENDPOINT_URL", moto.url())
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("SNS_TOPIC_ARN", topic.arn())
            .env("WEIR_UPPER", "1.5"),
    );
    api.invoke(&Service::Kinesis.event(&records())).expect("an answer");
    api.invoke(&example_text("vital-signs.json")).expect("an answer");
    let lines = function.until_output(|output| {
        let lines: Option<Vec<serde_json::Value>> =
            output.lines().map(|line| serde_json::from_str(line).ok()).collect();
        let metrics = output.matches("CloudWatchMetrics").count() > 1;
        lines.filter(|_| metrics)
    });
    let lines = lines.expect("a function that goes on");
    let published = lines.iter().filter_map(|line| line["weir_published_total"].as_u64());
    assert!(published.sum::<u64>() >= 22, "{lines:?}");
    let failed: Vec<_> =
        lines.iter().filter(|line| line["fields"]["message"] == "record failed").collect();
    assert_eq!(failed.len(), 2, "{lines:?}");
    assert!(!function.output().contains(SECRET));
}
