//! What a rule has learnt outlives the process that learnt it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use weir_tests::sns::{Delivery, Notification, Topic};
use weir_tests::sqs::Queue;
use weir_tests::stream_service::{Conversation, Record, Service};
use weir_tests::weir::{self, weir};
use weir_tests::{Moto, Process, RuntimeApi, rule, states};

/// A rule that flags every record with the number of those it has learnt. Its state is as large as
/// its settings say.
const COUNTER: &str = r#"
use weir_guest::{Flag, Record, Rule, Settings, SettingsError, Verdict};

struct Counter {
    learnt: u64,
    bytes: usize,
}

impl Rule for Counter {
    const NAME: &str = "counter";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SETTINGS_SCHEMA: &str = r"{}";
    const KEEPS_STATE: bool = true;

    fn open(mut settings: Settings<'_>) -> Result<Self, SettingsError> {
        let bytes = settings.number("bytes")?.unwrap_or(8.0) as usize;
        settings.finish()?;
        Ok(Self { learnt: 0, bytes })
    }

    fn classify(&mut self, record: &Record<'_>) -> Verdict {
        self.learnt += 1;
        self.replay(record)
    }

    fn replay(&mut self, _record: &Record<'_>) -> Verdict {
        let message = Some(self.learnt.to_string());
        Verdict::Flag(Flag { score: Some(self.learnt as f64), message, ..Flag::default() })
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        out.extend(self.learnt.to_le_bytes());
        out.resize(self.bytes, 7);
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        let (learnt, rest) = snapshot.split_first_chunk().ok_or("too short")?;
        if snapshot.len() != self.bytes || rest.iter().any(|byte| *byte != 7) {
            return Err("not a state of this rule".to_owned());
        }
        self.learnt = u64::from_le_bytes(*learnt);
        Ok(())
    }
}

weir_guest::export!(Counter);
"#;

fn counter() -> &'static Path {
    static RULE: OnceLock<PathBuf> = OnceLock::new();
    RULE.get_or_init(|| rule::build("counter", COUNTER))
}

/// A run of the rule with its state at a place.
fn run(place: &str) -> Command {
    let mut command = weir(["run", "--state", place, "--rule"]);
    command.arg(counter());
    command
}

fn records(numbers: impl IntoIterator<Item = usize>) -> Vec<Record> {
    let record = |number| Record { number, payload: "{}".to_owned() };
    numbers.into_iter().map(record).collect()
}

fn terminate(process: u32) {
    let told = Command::new("kill").args(["-TERM", &process.to_string()]).status();
    assert!(told.expect("kill").success());
}

/// A run that is given events of one shard.
struct Shard {
    run: Conversation,
    alerts: PathBuf,
    _folder: TempDir,
}

impl Shard {
    fn start(mut command: Command) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let alerts = folder.path().join("alerts.ndjson");
        let run = Conversation::start(command.arg("--alerts").arg(&alerts));
        Self { run, alerts, _folder: folder }
    }

    /// Sends records. Answers with their scores.
    fn send(&mut self, numbers: impl IntoIterator<Item = usize>) -> Vec<f64> {
        let before = self.scores().len();
        let records = records(numbers);
        self.run.send(&Service::Kinesis.event(&records));
        let answer = self.run.answer().expect("an answer");
        assert!(Service::Kinesis.failed(&records, &answer).is_empty());
        self.scores().split_off(before)
    }

    fn scores(&self) -> Vec<f64> {
        let text = fs::read_to_string(&self.alerts).unwrap_or_default();
        let alerts = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        alerts.map(|alert| alert["score"].as_f64().expect("a score")).collect()
    }

    fn terminate(mut self) {
        terminate(self.run.id());
        assert_eq!(self.run.code(), Some(143));
    }
}

/// A directory, a bucket and a table.
struct Places {
    moto: Moto,
    folder: TempDir,
}

impl Places {
    fn new() -> Self {
        let places = Self { moto: Moto::start(), folder: TempDir::new().expect("a folder") };
        states::create_bucket(&places.moto, "states");
        states::create_table(&places.moto, "states");
        places
    }

    /// Runs at each of the places.
    fn each(&self, test: impl Fn(&dyn Fn() -> Command)) {
        let directory = self.folder.path().join("states");
        let directory = directory.to_str().expect("UTF-8");
        for place in [directory, "s3://states/of/rules", "dynamodb://states"] {
            println!("{place}");
            test(&|| {
                let mut command = run(place);
                // Only at the end, however long the test takes.
                command.args(["--state-every", "1h"]);
                // By name, which a bucket could go before; there is no such host then.
                let url = self.moto.url().replace("127.0.0.1", "localhost");
                command.env("AWS_ENDPOINT_URL", url);
                command
            });
        }
    }
}

fn scores(answers: &str) -> Vec<f64> {
    let line = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["score"].as_f64();
    answers.lines().map(|answer| line(answer).expect("a score")).collect()
}

#[test]
fn a_shard_goes_on_after_a_restart_and_what_comes_again_is_not_learnt() {
    Places::new().each(|run| {
        let mut first = Shard::start(run());
        assert_eq!(first.send(0..3), [1.0, 2.0, 3.0]);
        assert_eq!(first.send(1..5), [3.0, 3.0, 4.0, 5.0]);
        first.terminate();

        let mut second = Shard::start(run());
        assert_eq!(second.send(3..7), [5.0, 5.0, 6.0, 7.0]);
    });
}

#[test]
fn two_processes_do_not_overwrite_each_other() {
    Places::new().each(|run| {
        let mut first = Shard::start(run());
        assert_eq!(first.send(0..1), [1.0]);
        let mut second = Shard::start(run());
        assert_eq!(second.send(0..5), [1.0, 2.0, 3.0, 4.0, 5.0]);
        second.terminate();
        assert_eq!(first.send(1..2), [2.0]);
        first.terminate();

        let mut third = Shard::start(run());
        assert_eq!(third.send(4..6), [5.0, 6.0], "as the second left it");
    });
}

#[test]
fn a_large_state_is_stored_in_parts_and_may_shrink() {
    let places = Places::new();
    let run = |bytes: usize| {
        let mut command = run("dynamodb://states");
        command.args(["--settings", &format!("{{\"bytes\":{bytes}}}")]);
        command.env("AWS_ENDPOINT_URL", places.moto.url());
        command
    };
    for (bytes, scores) in [(900_000, [1.0, 2.0]), (900_000, [2.0, 3.0])] {
        let mut shard = Shard::start(run(bytes));
        let first = scores[0] as usize;
        assert_eq!(shard.send(first - 1..first + 1), scores);
        shard.terminate();
    }
    // Of other settings: the large one is set aside, and a small one takes its place.
    for (end, scores) in [(12, &[1.0, 2.0][..]), (13, &[2.0, 2.0, 3.0])] {
        let mut shard = Shard::start(run(8));
        assert_eq!(shard.send(10..end), scores);
        shard.terminate();
    }
}

#[test]
fn a_file_that_was_read_in_part_is_learnt_once() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("records.ndjson");
    const LINES: usize = 20_000;
    fs::write(&file, "{}\n".repeat(LINES)).expect("a file");
    let states = folder.path().join("states");
    let run = || {
        let mut command = run(states.to_str().expect("UTF-8"));
        command.args(["--state-every", "1", "--alerts", "/dev/null"]).arg(&file);
        command
    };
    let killed = run().stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut killed = killed.expect("weir");
    let answers = BufReader::new(killed.stdout.take().expect("a pipe"));
    assert!(answers.lines().take(3_000).all(|line| line.is_ok()));
    // Nobody reads on, so it waits in the middle of the file; what is due is saved all the same.
    let is_state = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "state"))
    };
    while !fs::read_dir(&states).expect("a directory").any(is_state) {
        assert!(killed.try_wait().expect("a process").is_none(), "it ended early");
        thread::sleep(Duration::from_millis(10));
    }
    killed.kill().expect("a process");
    killed.wait().expect("its end");

    let scores = scores(&weir::run(&mut run()).success());
    // As many as the state has learnt is what it answers again; but of what was under way, what it did then.
    let learnt = scores[0] as usize;
    let replayed = scores.iter().take_while(|score| **score == scores[0]).count();
    assert!((replayed..LINES).contains(&learnt), "it was saved in the middle: {learnt}");
    let numbers = (replayed + 1..=LINES).map(|number| number as f64);
    assert!(scores[replayed..].iter().copied().eq(numbers), "each once, and in order");

    // All of it comes again, and one line more.
    fs::write(&file, "{}\n".repeat(LINES + 1)).expect("a file");
    let scores = self::scores(&weir::run(&mut run()).success());
    assert_eq!(scores[0], LINES as f64);
    assert_eq!(scores.last(), Some(&(LINES as f64 + 1.0)));
}

/// What is stored of how far a rule has learnt in a file.
fn position(states: &Path) -> String {
    let entry =
        fs::read_dir(states).expect("a directory").map(|entry| entry.expect("a file").path());
    let state = entry.into_iter().find(|path| path.extension().is_some_and(|end| end == "state"));
    let state = fs::read(state.expect("a state")).expect("a state");
    let header = state.split(|&byte| byte == b'\n').nth(1).expect("a header");
    let header: Value = serde_json::from_slice(header).expect("JSON");
    header["position"].as_str().expect("a position").to_owned()
}

#[test]
fn a_line_that_was_read_in_half_is_learnt_when_it_is_whole() {
    let folder = TempDir::new().expect("a temporary folder");
    let (file, states) = (folder.path().join("records.ndjson"), folder.path().join("states"));
    let run = |text: &str| {
        fs::write(&file, text).expect("a file");
        let mut command =
            weir(["run", "--rule", "forest", "--alerts", "/dev/null", "--upper", "9"]);
        command.arg("--state").arg(&states).arg(&file);
        weir::run(&mut command)
    };
    run("{\"a\":1}\n{\"a\":2}\n{\"a\":").exit(1);
    assert_eq!(position(&states), "2");
    run("{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n").exit(0);
    assert_eq!(position(&states), "3");
}

#[test]
fn a_file_is_told_from_another_whatever_its_first_line_is() {
    let folder = TempDir::new().expect("a temporary folder");
    let (file, states) = (folder.path().join("records.ndjson"), folder.path().join("states"));
    let mut learnt = 0;
    for first in ["", "\n", "half a line\n"] {
        for record in ["{}", "[]"] {
            fs::write(&file, format!("{first}{record}\n{record}\n")).expect("a file");
            let mut command = run(states.to_str().expect("UTF-8"));
            let output = weir::run(command.args(["--alerts", "/dev/null"]).arg(&file));
            assert_eq!(
                scores(&output.stdout),
                [learnt + 1, learnt + 2].map(f64::from),
                "{first:?}"
            );
            learnt += 2;
        }
    }
}

#[test]
fn a_damaged_state_is_refused_loudly_and_kept() {
    let folder = TempDir::new().expect("a temporary folder");
    let states = folder.path().join("states");
    let go = || weir::run_with_input(&mut run(states.to_str().expect("UTF-8")), "{}\n{}\n");
    let files = |ending: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(&states).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let ends = |path: &PathBuf| path.to_string_lossy().contains(ending);
        paths.filter(ends).collect()
    };
    assert_eq!(scores(&go().success()), [1.0, 2.0]);
    let [state] = &files(".state")[..] else { panic!("one state") };
    let mut damaged = fs::read(state).expect("a state");
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(state, &damaged).expect("a file");

    let output = go();
    assert!(output.stderr.contains("the stored state is refused"), "{}", output.stderr);
    assert!(output.stderr.contains("checksum"), "{}", output.stderr);
    assert_eq!(scores(&output.success()), [1.0, 2.0]);
    let [aside] = &files(".refused-")[..] else { panic!("one that was set aside") };
    assert_eq!(fs::read(aside).expect("a file"), damaged);
    assert_eq!(scores(&go().success()), [3.0, 4.0]);
}

#[test]
fn a_store_that_is_away_costs_no_record_and_is_told_once() {
    let event = Service::Kinesis.event(&records(0..1));
    let of_shard = |shard| event.replace("shardId-0", &format!("shardId-{shard}")) + "\n";
    let events: String = (0..4).map(of_shard).collect();
    // Nothing listens there.
    for place in ["s3://states", "dynamodb://states"] {
        let output = weir::run_with_input(run(place).args(["--alerts", "/dev/null"]), &events);
        assert_eq!(output.stdout.lines().count(), 4, "all are answered");
        let told = output.stderr.matches("the store cannot be read").count();
        assert_eq!(told, 1, "{}", output.stderr);
        let lost = "4 states could not be saved";
        assert!(output.exit(1).stderr.contains(lost));
    }
}

#[test]
fn the_rule_knows_which_settings_its_state_depends_on() {
    let folder = TempDir::new().expect("a temporary folder");
    let payload = |number: usize| format!("{{\"pulse\":{}}}", 60 + number * 7 % 40);
    let run = |settings: &str, numbers: std::ops::Range<usize>| {
        let records = numbers.map(|number| Record { number, payload: payload(number) });
        let event = Service::Kinesis.event(&records.collect::<Vec<_>>());
        let mut run = weir(["run", "--rule", "forest", "--log", "info", "--alerts", "/dev/null"]);
        run.args(["--settings", settings, "--state"]).arg(folder.path());
        weir::run_with_input(&mut run, &event).exit(0).stderr
    };
    assert!(run(r#"{"upper":1.5}"#, 0..300).contains("nothing is stored"));
    let log = run(r#"{"upper":2,"annotate":true}"#, 300..310);
    assert!(log.contains("state restored") && log.contains("other_settings=true"), "{log}");
    assert!(log.contains("records=300"), "{log}");
    let log = run(r#"{"upper":2,"seed":1}"#, 310..320);
    assert!(log.contains("taken with seed 0, here it is 1"), "{log}");
}

#[test]
fn a_state_that_comes_ever_so_slowly_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    // Ends with the tests.
    thread::spawn(move || {
        for connection in listener.incoming() {
            thread::spawn(move || {
                let mut connection = connection?;
                let mut request = BufReader::new(connection.try_clone()?).lines();
                request.find(|line| line.as_ref().is_ok_and(String::is_empty));
                let head = "HTTP/1.1 200 OK\r\netag: \"1\"\r\ncontent-length: 1000000\r\n\r\n";
                connection.write_all(head.as_bytes())?;
                // Of a service that is not away, for all that headers and bytes tell.
                loop {
                    connection.write_all(b"w")?;
                    thread::sleep(Duration::from_millis(100));
                }
                #[expect(unreachable_code, reason = "it tells what `?` is for")]
                io::Result::Ok(())
            });
        }
    });
    let mut run = run("s3://states");
    run.env("AWS_ENDPOINT_URL", url).args(["--alerts", "/dev/null"]);
    let output = weir::run_with_input(&mut run, &Service::Kinesis.event(&records(0..1)));
    assert_eq!(output.stdout.lines().count(), 1, "it is answered");
    let output = output.exit(1);
    assert!(output.stderr.contains("the store cannot be read"), "{}", output.stderr);
}

/// An answer of a run whose store is taken away. What it says of it, and its exit code.
fn without_its_store(states: &Path, end: impl FnOnce(&Child)) -> weir::Output {
    let mut command = run(states.to_str().expect("UTF-8"));
    command.args(["--state-every", "1h", "--alerts", "/dev/null"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = command.spawn().expect("weir");
    let mut input = run.stdin.take().expect("a pipe");
    input.write_all(b"{}\n").expect("a run that reads");
    let mut answers = BufReader::new(run.stdout.take().expect("a pipe"));
    answers.read_line(&mut String::new()).expect("an answer");
    fs::remove_dir_all(states).expect("the directory");
    end(&run);
    drop(input);
    let output = run.wait_with_output().expect("its end");
    weir::Output {
        stdout: String::new(),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        code: output.status.code(),
    }
}

#[test]
fn what_cannot_be_saved_at_the_end_is_lost_and_told() {
    let folder = TempDir::new().expect("a temporary folder");
    let states = folder.path().join("states");
    for (is_terminated, code) in [(false, 1), (true, 143)] {
        let end = |run: &Child| {
            if is_terminated {
                terminate(run.id());
            }
        };
        let output = without_its_store(&states, end).exit(code);
        assert!(output.stderr.contains("1 state could not be saved"), "{}", output.stderr);
        assert!(!output.stderr.contains("tried again"), "{}", output.stderr);
    }
}

#[test]
fn a_function_that_ends_tells_what_it_could_not_save() {
    let api = RuntimeApi::start();
    let folder = TempDir::new().expect("a temporary folder");
    let states = folder.path().join("states");
    let mut function = Process::start(
        weir(["lambda", "--state-every", "1h"])
            .envs(api.environment())
            .env("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:alerts")
            .env("WEIR_RULE", counter())
            .env("WEIR_STATE", &states),
    );
    api.invoke(&Service::Kinesis.event(&records(0..1))).expect("an answer");
    fs::remove_dir_all(&states).expect("the directory");
    terminate(function.id());
    let told = function.until_output(|output| {
        output.contains("weir_state_losses_total").then(|| output.to_owned())
    });
    let told = told.expect("the metric");
    assert!(told.contains("the state could not be saved"), "{told}");
    assert!(!told.contains("tried again"), "{told}");
}

#[test]
fn what_was_learnt_is_saved_although_nothing_can_be_answered() {
    let folder = TempDir::new().expect("a temporary folder");
    let (file, states) = (folder.path().join("records.ndjson"), folder.path().join("states"));
    fs::write(&file, "{}\n".repeat(3)).expect("a file");
    let run = || {
        let mut command = run(states.to_str().expect("UTF-8"));
        command.args(["--state-every", "1h", "--alerts", "/dev/null"]).arg(&file);
        command
    };
    let full = File::options().write(true).open("/dev/full").expect("a disk that is full");
    let output = run().stdin(Stdio::null()).stdout(full).output().expect("weir");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write the answer"), "{stderr}");
    let learnt: u32 = position(&states).parse().expect("a number");
    // As many as it had learnt is what it answers again.
    let scores = scores(&weir::run(&mut run()).success());
    assert_eq!((scores[0], scores[2]), (f64::from(learnt), 3.0));
}

#[test]
fn what_is_only_tried_is_not_learnt() {
    let folder = TempDir::new().expect("a temporary folder");
    let states = folder.path().join("states");
    let mut command = run(states.to_str().expect("UTF-8"));
    weir::run_with_input(command.arg("--dry-run"), "{}\n").success();
    assert!(!states.exists());
}

#[test]
fn functions_take_turns_at_a_shard() {
    let moto = Moto::start();
    states::create_bucket(&moto, "states");
    states::create_table(&moto, "states");
    let topic = Topic::create(&moto, "alerts");
    let queue = Queue::create(&moto, "subscriber");
    topic.subscribe(&queue, Delivery::Enveloped);
    for place in ["s3://states", "dynamodb://states"] {
        let start = || {
            let api = RuntimeApi::start();
            let function = Process::start(
                weir(["lambda"])
                    .envs(api.environment())
                    .env("AWS_ENDPOINT_URL", moto.url())
                    .env("SNS_TOPIC_ARN", topic.arn())
                    .env("WEIR_RULE", counter())
                    .env("WEIR_STATE", place),
            );
            (api, function)
        };
        let invoke = |function: &(RuntimeApi, Process), numbers: std::ops::Range<usize>| {
            let event = Service::Kinesis.event(&records(numbers));
            function.0.invoke(&event).expect("an answer");
            let messages = queue.receive_all();
            let message = |body: &str| Notification::parse(body).message.parse().expect("a number");
            let mut scores: Vec<u64> = messages.iter().map(|m| message(&m.body)).collect();
            scores.sort_unstable();
            scores
        };
        let one = start();
        assert_eq!(invoke(&one, 0..2), [1, 2]);
        let two = start();
        assert_eq!(invoke(&two, 2..4), [3, 4], "a cold one goes on");
        assert_eq!(invoke(&one, 3..6), [4, 5, 6], "and a warm one notices");
        // It ends without a word: what was answered is saved.
        drop(one);
        assert_eq!(invoke(&two, 6..7), [7]);
    }
}
