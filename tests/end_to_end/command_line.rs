//! The command line, as a user meets it.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use tempfile::TempDir;
use weir_tests::sns::{Delivery, Topic};
use weir_tests::sqs::Queue;
use weir_tests::weir::{self, Output, binary, weir};
use weir_tests::{Moto, Process, RuntimeApi};

use crate::answer::answers;
use crate::{example, example_text, root};

/// Scores on, above and below bounds of 1.5 and 0.4.
const SCORES: &str = "\
{\"ANOMALY_SCORE\":1.5}
{\"ANOMALY_SCORE\":1.6}
{\"ANOMALY_SCORE\":0.9}
{\"ANOMALY_SCORE\":0.4}
{\"ANOMALY_SCORE\":0.3}
{\"ANOMALY_SCORE\":0}
";

/// The verdicts for [`SCORES`], with these settings of the environment and these arguments.
fn verdicts(environment: &[(&str, &str)], arguments: &[&str]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Answer {
        verdict: String,
    }
    let mut command = weir(["run"]);
    command.args(arguments).envs(environment.iter().copied());
    weir::run_with_input(&mut command, SCORES)
        .success()
        .lines()
        .map(|line| serde_json::from_str(line).expect("an answer"))
        .map(|Answer { verdict }| verdict)
        .collect()
}

/// The examples that a help text gives, one a line where no backslash continues it.
fn examples(help: &str) -> Vec<String> {
    let (_, examples) = help.split_once("Examples:\n").expect("examples in the help");
    examples
        .replace("\\\n", " ")
        .lines()
        .map_while(|line| line.strip_prefix("  "))
        .map(|line| line.trim().to_owned())
        .collect()
}

fn help(command: &str) -> String {
    weir::run(&mut weir([command, "--help"])).success()
}

/// A shell that knows `weir`, in a folder that has the sample inputs.
fn shell(script: &str, folder: &TempDir) -> Command {
    let samples = folder.path().join("examples");
    if !samples.exists() {
        symlink(root().join("examples"), samples).expect("a link to the sample inputs");
    }
    let programs = binary().parent().expect("the folder of the binary");
    // The environment is that of any run of the binary.
    let mut command = Command::new("sh");
    command.args(["-c", script]).env_clear().current_dir(folder.path());
    for (name, value) in weir([""; 0]).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("PATH", format!("{}:/usr/bin:/bin", programs.display()));
    command
}

#[test]
fn every_command_has_a_help() {
    let overview = weir::run(&mut weir(["--help"])).success();
    for command in [
        "run",
        "score",
        "diff",
        "record",
        "replay",
        "inspect",
        "new",
        "build",
        "test",
        "sign",
        "verify",
        "precompile",
        "push",
        "pull",
        "lambda",
    ] {
        assert!(overview.contains(&format!("\n  {command} ")), "{command} in:\n{overview}");
        assert!(help(command).contains(&format!("Usage: weir {command}")));
    }
}

#[test]
fn the_examples_of_the_help_run_when_pasted() {
    let overview = weir::run(&mut weir(["--help"])).success();
    let folder = TempDir::new().expect("a temporary folder");
    let pages = [overview, help("run"), help("score"), help("inspect")];
    for example in pages.iter().flat_map(|page| examples(page)) {
        let output = weir::run(&mut shell(&example, &folder));
        // What cannot be processed in one of the samples is the point of that sample.
        let bad = example.contains("bad-records") && !example.contains("--dead-letter");
        let code = i32::from(bad);
        assert_eq!(output.code, Some(code), "{example}\n{}", output.stderr);
        assert!(!output.stdout.is_empty(), "{example} prints something");
    }
}

#[test]
fn the_lambda_examples_of_the_help_serve_when_pasted() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alarms");
    let folder = TempDir::new().expect("a temporary folder");
    let file = format!("topic = \"{}\"\nupper = 1.5\n", topic.arn());
    fs::write(folder.path().join("weir.toml"), file).expect("a configuration file");

    for example in examples(&help("lambda")) {
        let api = RuntimeApi::start();
        // Replaces the shell, so that it is the function that ends with this test.
        let mut command = shell(&format!("exec env {example}"), &folder);
        let _function =
            Process::start(command.envs(api.environment()).env("AWS_ENDPOINT_URL", moto.url()));
        let response = api.invoke(&example_text("vital-signs.json")).expect(&example);
        assert_eq!(answers(&response).len(), 500, "{example}");

        let outside = weir::run(&mut shell(&example, &folder));
        assert_eq!(outside.code, Some(2), "{example}\n{}", outside.stderr);
        assert!(outside.stderr.contains("not inside Lambda: AWS_LAMBDA_RUNTIME_API"), "{example}");
    }
}

#[test]
fn wrong_calls_are_told_apart_from_failures() {
    let code = |arguments: &[&str]| {
        let Output { code, stderr, .. } = weir::run(weir(arguments).current_dir(root()));
        assert!(!stderr.is_empty(), "{arguments:?} is explained");
        code
    };
    let usage = Some(2);
    assert_eq!(code(&[]), usage);
    assert_eq!(code(&["flow"]), usage);
    assert_eq!(code(&["run", "--uper", "1.5"]), usage);
    assert_eq!(code(&["run", "--upper", "high"]), usage);
    assert_eq!(code(&["run", "--upper", "1.5", "--contract", "smoke-signals"]), usage);
    assert_eq!(code(&["run", "--settings", "{\"upper\":\"high\"}"]), usage);
    assert_eq!(code(&["run", "--upper", "1.5", "--config", "missing.toml"]), usage);
    assert_eq!(code(&["run", "--upper", "1.5", "--rule", "missing.wasm"]), usage);
    assert_eq!(code(&["run", "--upper", "1.5", "--rule", "README.md"]), usage);
    assert_eq!(code(&["run", "--upper", "1.5", "missing.json"]), Some(1));
    assert_eq!(code(&["run", "--upper", "1.5", "examples/bad-records.json"]), Some(1));
    assert_eq!(code(&["run", "--upper", "1.5", "examples/vital-signs.json"]), Some(0));
}

#[test]
fn what_is_refused_is_quoted_without_a_password() {
    let folder = TempDir::new().expect("a temporary folder");
    let address = "https://ada:secret@rules.example.com/fever.wasm?signature=secret";
    let file = format!("upper = 1.5\nrule = {address:?}\n");
    fs::write(folder.path().join("weir.toml"), file).expect("a file");
    let mut by_environment = weir(["run"]);
    by_environment.env("WEIR_RULE", address);
    let by_flag = weir(["run", "--rule", address]);
    let by_file = weir(["run", "--config", "weir.toml"]);
    let by_argument = weir(["inspect", address]);
    for mut command in [by_environment, by_flag, by_file, by_argument] {
        let Output { stderr, .. } = weir::run(command.current_dir(folder.path())).exit(2);
        assert!(stderr.contains("https://…@rules.example.com/fever.wasm?…"), "{stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
}

#[test]
fn a_reader_that_is_gone_is_an_error_and_no_panic() {
    let folder = TempDir::new().expect("a temporary folder");
    let pull = ["pull", "threshold", "--output", "rule.wasm"];
    weir::run(weir(pull).current_dir(folder.path())).success();
    let record = ["record", "--upper", "1.5", "--record", "traffic", "--record-sample", "1"];
    weir::run_with_input(weir(record).current_dir(folder.path()), SCORES).success();

    for arguments in [
        &["inspect"][..],
        &["verify", "threshold", "--settings", "{\"upper\":1.5}"],
        &pull,
        &["precompile", "rule.wasm"],
        &["replay", "traffic"],
    ] {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut command = weir(arguments);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(writer);
        let output = command.output().expect("weir");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("cannot write to standard output"), "{arguments:?}: {stderr}");
        let is_written = arguments.iter().any(|argument| argument.starts_with("rule."));
        assert_eq!(stderr.contains(" is written"), is_written, "{arguments:?}: {stderr}");
    }
}

#[test]
fn settings_that_are_no_object_are_said_to_be_none() {
    let folder = TempDir::new().expect("a temporary folder");
    let error = |arguments: &[&str]| {
        let mut run = weir(["run"]);
        weir::run(run.args(arguments).current_dir(folder.path())).exit(2).stderr
    };
    for settings in ["[]", "null", "1.5"] {
        let stderr = error(&["--settings", settings]);
        assert!(stderr.contains("expected a JSON object, or a file that holds one"), "{stderr}");
    }
    fs::write(folder.path().join("list.json"), "[1]").expect("a file");
    let stderr = error(&["--settings", "list.json"]);
    assert!(stderr.contains("list.json: expected a JSON object, found [1]"), "{stderr}");
    for (option, expected) in [("settings", "a table of settings"), ("state-every", "a number")] {
        fs::write(folder.path().join("weir.toml"), format!("{option} = [1]\n")).expect("a file");
        let stderr = error(&["--config", "weir.toml"]);
        assert!(stderr.contains(&format!("expected {expected}")), "{stderr}");
    }
}

#[test]
fn a_folder_of_a_rule_that_is_missing_is_said_to_be() {
    let mut build = weir(["build", "nosuch"]);
    let output = weir::run(build.current_dir(root())).exit(1);
    assert_eq!(output.stderr, "error: nosuch: there is no such folder\n");
}

#[test]
fn a_missing_bound_is_asked_for() {
    let output = weir::run_with_input(&mut weir(["run"]), SCORES).exit(2);
    assert!(output.stderr.contains("/upper"), "{}", output.stderr);
    assert_eq!(output.stdout, "");
}

#[test]
fn a_file_that_is_missing_does_not_keep_the_others_from_being_read() {
    let output =
        weir::run(weir(["run", "--upper", "1.5", "missing.json"]).arg(example("vital-signs.json")));
    assert!(output.stderr.contains("missing.json"), "{}", output.stderr);
    assert_eq!(answers(&output.exit(1).stdout).len(), 500);
}

#[test]
fn inspect_shows_that_the_default_rule_imports_nothing() {
    let report = weir::run(&mut weir(["inspect"])).success();
    let line = |name: &str| {
        let line = report.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in:\n{report}")).trim().to_owned()
    };
    assert_eq!(line("name "), "threshold");
    assert_eq!(line("version "), env!("CARGO_PKG_VERSION"));
    assert_eq!(line("native code "), "embedded");
    assert_eq!(line("called "), "directly");
    assert_eq!(line("imports "), "none");
    assert_eq!(line("exports "), "weir:filter/rule@0.2.0");
    assert_eq!(line("keeps state "), "no");
}

#[test]
fn rules_that_are_embedded_go_by_their_names() {
    let inspect = |rule: &str| weir::run(&mut weir(["inspect", rule])).success();
    assert_eq!(inspect("threshold"), weir::run(&mut weir(["inspect"])).success());
    let forest = inspect("forest");
    for line in
        ["name         forest", "native code  embedded", "imports      none", "keeps state  yes"]
    {
        assert!(forest.contains(line), "{line} in:\n{forest}");
    }
    let input = r#"{"pulse":80}"#;
    let command = ["run", "--rule", "forest", "--upper", "1.5", "--annotate"];
    let answer = weir::run_with_input(&mut weir(command), input).success();
    let expected = r#""payload":{"pulse":80,"ANOMALY_SCORE":0,"anomaly":false}"#;
    assert!(answer.contains(expected), "{answer}");
    let missing = weir::run_with_input(&mut weir(["run", "--rule", "./forest"]), input).exit(2);
    assert!(missing.stderr.contains("rule ./forest"), "{}", missing.stderr);
}

#[test]
fn standard_input_is_read_like_a_file() {
    for input in ["vital-signs.json", "vital-signs-firehose.json"] {
        let file = weir::run(weir(["run", "--upper", "1.5"]).arg(example(input))).success();
        let text = example_text(input);
        for arguments in [vec!["run", "--upper", "1.5"], vec!["run", "--upper", "1.5", "-"]] {
            assert_eq!(weir::run_with_input(&mut weir(arguments), &text).success(), file);
        }
    }
}

#[test]
fn input_that_is_compressed_is_inflated() {
    let folder = TempDir::new().expect("a temporary folder");
    let text = example_text("vital-signs.ndjson");
    let plain = folder.path().join("vitals");
    fs::write(&plain, &text).expect("a file");
    let answers = || weir::run(weir(["run", "--upper", "1.5"]).arg(&plain));
    let expected = answers().success();

    let compressed = gzip(text.as_bytes());
    fs::write(&plain, &compressed).expect("a file");
    assert_eq!(answers().success(), expected);

    // Whatever is whole before the damage is answered.
    fs::write(&plain, &compressed[..compressed.len() / 2]).expect("a file");
    let damaged = answers().exit(1);
    assert!(damaged.stdout.lines().count() > 10, "{}", damaged.stdout);
    assert!(expected.starts_with(&damaged.stdout), "{}", damaged.stdout);
    assert!(damaged.stderr.contains("vitals: "), "{}", damaged.stderr);
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn files_are_answered_in_their_order() {
    let one = |input| weir::run(weir(["run", "--upper", "1.5"]).arg(example(input))).success();
    let (first, second) = ("vital-signs-firehose.json", "vital-signs.json");
    let mut both = weir(["run", "--upper", "1.5"]);
    both.args([example(first), example(second)]);
    assert_eq!(weir::run(&mut both).success(), one(first) + &one(second));
}

#[test]
fn the_names_of_the_original_work() {
    let (pass, flag) = ("pass", "flag");
    assert_eq!(
        verdicts(&[("ANOMALY_THRESHOLD_SCORE", "1.5")], &[]),
        [flag, flag, pass, pass, pass, pass]
    );
    assert_eq!(
        verdicts(&[("UPPER_THRESHOLD", "1.5"), ("LOWER_THRESHOLD", "0.4")], &[]),
        [pass, flag, pass, pass, flag, pass]
    );
    assert_eq!(
        verdicts(&[("UPPER_THRESHOLD", "2")], &["--upper", "1.5"]),
        [flag, flag, pass, pass, pass, pass]
    );
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("weir.toml");
    fs::write(&path, "upper = 1.5\nlower = 0.4\n").expect("a configuration file");
    let file = ["--config", path.to_str().expect("a path of UTF-8")];
    let (pass, flag) = ("pass", "flag");

    assert_eq!(verdicts(&[], &file), [flag, flag, pass, flag, flag, pass]);
    let environment = [("WEIR_UPPER", "1.6")];
    assert_eq!(verdicts(&environment, &file), [pass, flag, pass, flag, flag, pass]);
    let flags = [file[0], file[1], "--upper", "9", "--exclusive"];
    assert_eq!(verdicts(&environment, &flags), [pass, pass, pass, pass, flag, pass]);
    assert_eq!(verdicts(&[("WEIR_CONFIG", file[1])], &[]), [flag, flag, pass, flag, flag, pass]);
}

#[test]
fn the_topic_of_the_environment_is_published_to_unless_the_run_is_dry() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Raw);
    let environment = [("SNS_TOPIC_ARN", topic.arn()), ("AWS_ENDPOINT_URL", moto.url())];

    verdicts(&environment, &["--upper", "1.6", "--dry-run"]);
    assert_eq!(queue.receive_all().len(), 0);
    verdicts(&environment, &["--upper", "1.6"]);
    let bodies: Vec<String> = queue.receive_all().into_iter().map(|message| message.body).collect();
    assert_eq!(bodies, ["{\"ANOMALY_SCORE\":1.6}"]);
}

#[test]
fn alerts_of_a_dry_run_go_to_a_file_but_not_beside_a_topic() {
    let folder = TempDir::new().expect("a temporary folder");
    let alerts = folder.path().join("alerts.ndjson");
    let run = |more: &[&str]| {
        let mut command = weir(["run", "--upper", "1.5", "--alerts"]);
        command.arg(&alerts).args(more);
        weir::run_with_input(&mut command, SCORES)
    };
    run(&[]).success();
    assert_eq!(lines(&alerts), 2);
    let topic = ["--topic", "arn:aws:sns:us-east-1:123456789012:alerts"];
    run(&topic).exit(2);
    run(&[topic[0], topic[1], "--dry-run"]).success();
    assert_eq!(lines(&alerts), 2);
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).expect("a file that was written").lines().count()
}

#[test]
fn progress_is_for_terminals() {
    let mut piped = weir(["run", "--upper", "1.5", "--alerts", "/dev/null"]);
    let piped = weir::run(piped.arg(example("vital-signs.json")));
    assert_eq!(piped.stderr.lines().count(), 1, "the summary alone:\n{}", piped.stderr);

    // The same on a terminal that Python provides.
    let command = weir(["run", "--upper", "1.5", "--alerts", "/dev/null"]);
    let mut terminal = Command::new("python3");
    terminal.args(["-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))"]);
    terminal.arg(command.get_program()).args(command.get_args()).arg(example("vital-signs.json"));
    let shown = weir::run(terminal.env("TERM", "xterm")).stdout;
    assert!(shown.contains("500 records, 21 flagged, 0 failed"), "{shown}");
    assert!(shown.contains("500 records: 479 passed, 21 flagged, 0 failed, "), "{shown}");
}

#[test]
fn a_folder_in_place_of_a_file_is_named_once() {
    let mut command = weir(["run", "--upper", "1.5", "examples"]);
    let output = weir::run(command.current_dir(root())).exit(1);
    let errors: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("error")).collect();
    assert!(matches!(errors[..], [error] if error.contains("examples")), "{errors:?}");
}
