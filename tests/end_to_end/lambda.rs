//! As a function of AWS Lambda, behind its Runtime API.

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use weir_tests::event::records;
use weir_tests::sns::{Delivery, Notification, Topic};
use weir_tests::sqs::Queue;
use weir_tests::weir::weir;
use weir_tests::{Fate, Moto, Process, RuntimeApi, ScriptedSns, TimedRuntime};

use crate::answer::answers;
use crate::example_text;

/// Starts the function, with the settings that the environment of a function holds.
fn start(mut command: Command, api: &RuntimeApi, moto: &Moto, topic: &str) -> Process {
    Process::start(
        command
            .envs(api.environment())
            .env("AWS_ENDPOINT_URL", moto.url())
            .env("SNS_TOPIC_ARN", topic)
            .env("ANOMALY_THRESHOLD_SCORE", "1.5"),
    )
}

#[test]
fn a_function_answers_events_and_publishes() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Enveloped);
    let api = RuntimeApi::start();
    let _function = start(weir(["lambda"]), &api, &moto, topic.arn());

    let event = example_text("vital-signs.json");
    let response = api.invoke(&event).expect("a response");

    let records = records(&event);
    let answers = answers(&response);
    assert_eq!(answers.len(), records.len());
    for (answer, record) in answers.iter().zip(&records) {
        assert_eq!((answer.record_id.as_str(), answer.result.as_str()), (record.id.as_str(), "Ok"));
    }
    let mut messages: Vec<String> = queue
        .receive_all()
        .iter()
        .map(|message| Notification::parse(&message.body).message)
        .collect();
    let mut expected: Vec<String> = records
        .into_iter()
        .filter(|record| record.score >= 1.5)
        .map(|record| record.payload)
        .collect();
    messages.sort();
    expected.sort();
    assert_eq!(messages, expected);
}

#[test]
fn an_event_that_is_none_is_an_error_and_the_function_goes_on() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let api = RuntimeApi::start();
    let _function = start(weir(["lambda"]), &api, &moto, topic.arn());

    let error = api.invoke(r#"{"invocationId":"x"}"#).expect_err("not an event");
    assert!(!error.error_message.is_empty());
    let response = api.invoke(&example_text("vital-signs-firehose.json")).expect("a response");
    assert_eq!(answers(&response).len(), 500);
}

#[test]
fn a_document_is_no_record_unless_the_contract_says_so() {
    let sns = ScriptedSns::start(|number, _| match number {
        0 => Fate::Confirmed,
        _ => Fate::Refused { status: 403, code: "AuthorizationError" },
    });
    let start = |api: &RuntimeApi, contract| {
        Process::start(
            weir(["lambda"])
                .envs(api.environment())
                .env("AWS_ENDPOINT_URL", sns.url())
                .env("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts")
                .env("WEIR_UPPER", "1.5")
                .env("WEIR_CONTRACT", contract),
        )
    };
    let document = "{\n\"ANOMALY_SCORE\":\n2}";
    let api = RuntimeApi::start();
    let _function = start(&api, "");
    for event in [document, "[\n{\"ANOMALY_SCORE\":2}\n]", "null"] {
        let error = api.invoke(event).expect_err(event).error_message;
        assert!(error.contains("no envelope") && error.contains("WEIR_CONTRACT"), "{error}");
    }
    assert_eq!(sns.requests().len(), 0);

    let api = RuntimeApi::start();
    let _function = start(&api, "ndjson");
    let answer = api.invoke(document).expect("an answer");
    let flagged = r#"{"record":"line:1","verdict":"flag","score":2.0,"crossed":"upper"}"#;
    assert_eq!(answer, flagged);
    let error = api.invoke(document).expect_err("the topic refuses it").error_message;
    assert!(error.starts_with("the record failed: "), "{error}");
}

#[test]
fn a_function_that_writes_dead_letters_to_a_file_says_where_they_go() {
    let folder = TempDir::new().expect("a temporary folder");
    let runtime = TimedRuntime::start();
    let function = Process::start(
        weir(["lambda"])
            .envs(runtime.environment())
            .env("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts")
            .env("WEIR_UPPER", "1.5")
            .env("WEIR_DEAD_LETTER", folder.path().join("letters")),
    );
    runtime.invoke(r#"{"Records":[]}"#, Duration::from_secs(60)).expect("an answer");
    let log = function.output();
    assert!(log.contains("dead letters in a file are gone with the Lambda function"), "{log}");
}

#[test]
fn without_arguments_the_binary_is_a_function_where_it_finds_itself_as_one() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let api = RuntimeApi::start();
    let _function = start(weir([""; 0]), &api, &moto, topic.arn());

    let response = api.invoke(&example_text("vital-signs.json")).expect("a response");
    assert_eq!(answers(&response).len(), 500);
}

#[test]
fn a_topic_that_never_answers_leaves_time_to_answer() {
    let sns = ScriptedSns::start(|_, _| {
        loop {
            thread::park();
        }
    });
    let runtime = TimedRuntime::start();
    let mut function = Process::start(
        weir(["lambda"])
            .envs(runtime.environment())
            .env("AWS_ENDPOINT_URL", sns.url())
            .env("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts")
            .env("WEIR_UPPER", "1.5"),
    );
    let event = example_text("vital-signs.json");
    let response = runtime.invoke(&event, Duration::from_secs(4)).expect("an answer in time");
    let failed: Vec<String> = answers(&response)
        .into_iter()
        .filter(|answer| answer.result == "DeliveryFailed")
        .map(|answer| answer.record_id)
        .collect();
    let flagged = records(&event).into_iter().filter(|record| record.score >= 1.5);
    assert_eq!(failed, flagged.map(|record| record.id).collect::<Vec<_>>());
    assert!(function.is_running());
}

#[test]
fn a_function_that_is_told_to_end_answers_what_it_has_taken() {
    let runtime = TimedRuntime::start();
    let (seen, wait) = mpsc::channel();
    let sns = ScriptedSns::start(move |number, _| {
        if number == 0 {
            seen.send(()).expect("the test");
            thread::sleep(Duration::from_millis(200));
        }
        Fate::Confirmed
    });
    let function = Process::start(
        weir(["lambda"])
            .envs(runtime.environment())
            .env("AWS_ENDPOINT_URL", sns.url())
            .env("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts")
            .env("WEIR_UPPER", "1.5"),
    );
    let response = thread::scope(|scope| {
        let event = example_text("vital-signs-firehose.json");
        let runtime = &runtime;
        let invoked = scope.spawn(move || runtime.invoke(&event, Duration::from_secs(60)));
        wait.recv().expect("a request");
        let told = Command::new("kill").args(["-TERM", &function.id().to_string()]).status();
        assert!(told.expect("kill").success());
        invoked.join().expect("the invocation")
    });
    assert_eq!(answers(&response.expect("an answer")).len(), 500);
}
