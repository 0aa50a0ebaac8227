//! Rules that are changed while the host runs.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir_tests::sns::Topic;
use weir_tests::weir::{self, weir};
use weir_tests::{Fault, Moto, Process, Registry, RuleServer, RuntimeApi, rule};

use crate::answer::answers;
use crate::{example_text, root};

/// The signal for a process whose processor time is over. Source: `signal(7)`.
const SIGXCPU: i32 = 24;

/// The signal that ends a process at once.
const SIGKILL: i32 = 9;

/// A rule that says the same of every record, unless it is marked. It takes no settings but those of
/// its version.
fn rule_that(name: &str, says: &str, of_marked: &str, setting: &str) -> PathBuf {
    let source = r#"
use weir_guest::{Flag, Record, Rule, Settings, SettingsError, Verdict};

struct Test;

impl Rule for Test {
    const NAME: &str = "NAME";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SETTINGS_SCHEMA: &str = "{}";

    fn open(mut settings: Settings<'_>) -> Result<Self, SettingsError> {
        settings.number("SETTING")?;
        settings.finish()?;
        Ok(Self)
    }

    fn classify(&mut self, record: &Record<'_>) -> Verdict {
        let _flag = Verdict::Flag(Flag::default());
        match record.payload().contains(&b'!') {
            true => MARKED,
            false => SAYS,
        }
    }
}

weir_guest::export!(Test);
"#;
    let source = source
        .replace("\"NAME\"", &format!("{name:?}"))
        .replace("\"SETTING\"", &format!("{setting:?}"));
    rule::build(name, &source.replace("MARKED", of_marked).replace("SAYS", says))
}

fn built(rule: &'static OnceLock<PathBuf>, build: impl FnOnce() -> PathBuf) -> &'static Path {
    rule.get_or_init(build)
}

/// Passes everything.
fn passing() -> &'static Path {
    static RULE: OnceLock<PathBuf> = OnceLock::new();
    built(&RULE, || rule_that("live-passing", "Verdict::Pass", "Verdict::Pass", "above"))
}

/// Drops everything.
fn dropping() -> &'static Path {
    static RULE: OnceLock<PathBuf> = OnceLock::new();
    built(&RULE, || rule_that("live-dropping", "Verdict::Drop", "Verdict::Drop", "above"))
}

/// Passes everything, and traps on what is marked.
fn trapping() -> &'static Path {
    static RULE: OnceLock<PathBuf> = OnceLock::new();
    built(&RULE, || rule_that("live-trapping", "Verdict::Pass", "panic!()", "above"))
}

/// Takes other settings.
fn unsettled() -> &'static Path {
    static RULE: OnceLock<PathBuf> = OnceLock::new();
    built(&RULE, || rule_that("live-unsettled", "Verdict::Drop", "Verdict::Drop", "below"))
}

/// A host that follows a file of records, with a rule whose file can be replaced.
struct Host {
    folder: TempDir,
    process: Process,
    records: usize,
}

impl Host {
    fn start(rule: &Path, arguments: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::copy(rule, folder.path().join("rule.wasm")).expect("the rule");
        Self::of_source("rule.wasm", arguments, folder)
    }

    fn of_source(rule: &str, arguments: &[&str], folder: TempDir) -> Self {
        File::create(folder.path().join("records.ndjson")).expect("a file");
        let mut command = weir(["run", "--follow", "records.ndjson", "--contract", "ndjson"]);
        command.args(["--rule", rule, "--rule-poll", "50ms", "--settings", "{\"above\":1}"]);
        command.args(["--alerts", "/dev/null"]).args(arguments).current_dir(folder.path());
        let process = Process::start(&mut command);
        Self { folder, process, records: 0 }
    }

    /// Puts other bytes in the place of the rule, as one does who does not want half a file read.
    fn replace(&self, component: &[u8]) {
        let new = self.folder.path().join("rule.new");
        fs::write(&new, component).expect("a file");
        fs::rename(new, self.folder.path().join("rule.wasm")).expect("the rule's file");
    }

    fn replace_by(&self, rule: &Path) {
        self.replace(&fs::read(rule).expect("a rule"));
    }

    /// Appends a record, and answers with what is said of it.
    fn say(&mut self, record: &str) -> String {
        let records = self.folder.path().join("records.ndjson");
        let file = File::options().append(true).open(records);
        file.and_then(|mut file| writeln!(file, "\"{record}\"")).expect("a record");
        self.records += 1;
        let answer = format!("{{\"record\":\"records.ndjson:{}\",", self.records);
        self.until(&answer)
    }

    /// Waits for a line that holds this, and answers with it.
    fn until(&mut self, part: &str) -> String {
        let line = |output: &str| {
            let whole = output.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            whole.into_iter().find(|line| line.contains(part)).map(str::to_owned)
        };
        self.process
            .until_output(line)
            .unwrap_or_else(|| panic!("it ended without {part:?}:\n{}", self.process.output()))
    }

    /// Waits until so many lines hold this.
    fn until_lines(&mut self, part: &str, count: usize) {
        let all = |output: &str| (output.matches(part).count() >= count).then_some(());
        assert!(self.process.until_output(all).is_some(), "{}", self.process.output());
    }

    /// How many lines hold this.
    fn lines(&self, part: &str) -> usize {
        self.process.output().lines().filter(|line| line.contains(part)).count()
    }

    /// Ends it, and checks that each record was answered once.
    fn end(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        self.until(" records: ");
        assert_eq!(self.lines("{\"record\":"), self.records, "{}", self.process.output());
    }
}

#[test]
fn what_is_new_at_the_source_takes_over_and_what_is_bad_does_not() {
    let mut host = Host::start(passing(), &[]);
    assert!(host.say("a").contains("\"pass\""));
    host.replace_by(dropping());
    host.until("rule switched");
    assert!(host.say("b").contains("\"drop\""));

    let whole = fs::read(passing()).expect("a rule");
    host.replace(&whole[..whole.len() / 2]);
    let line = host.until("refused, component");
    assert!(line.contains("the rule that serves goes on"), "{line}");
    assert!(host.say("c").contains("\"drop\""));

    host.replace_by(unsettled());
    let line = host.until("refused, settings");
    assert!(line.contains("above"), "{line}");
    assert!(host.say("d").contains("\"drop\""));

    fs::remove_file(host.folder.path().join("rule.wasm")).expect("the rule's file");
    host.until("not found");
    assert!(host.say("e").contains("\"drop\""));
    host.replace_by(dropping());
    host.until("rule can be fetched again");
    assert_eq!(host.lines("not found"), 1, "it is said once");
    assert_eq!(host.lines("refused, "), 2, "{}", host.process.output());
    host.end();
}

#[test]
fn a_registry_is_looked_at_and_while_it_fails_the_old_rule_serves() {
    let registry = Registry::start();
    let push = |rule: &Path| {
        let tag = registry.source("rules/live:1");
        weir::run(weir(["push"]).arg(rule).arg(tag)).success();
    };
    push(passing());
    let proxy = RuleServer::before(&registry);
    let source = format!("oci://{}/rules/live:1", proxy.address());
    let folder = TempDir::new().expect("a temporary folder");
    let mut host = Host::of_source(&source, &["--rule-timeout", "1s"], folder);
    assert!(host.say("a").contains("\"pass\""));
    push(dropping());
    host.until("rule switched");
    assert!(host.say("b").contains("\"drop\""));

    for (fault, requests, said) in [
        (Fault::Status(500), "/manifests/", "status 500"),
        (Fault::Forge, "/blobs/", "damaged or forged"),
        (Fault::Stall, "/manifests/", "not fetched within 1s"),
    ] {
        proxy.fault(fault, requests, usize::MAX);
        push(unsettled());
        let line = host.until(said);
        assert!(line.contains("the rule that serves goes on"), "{line}");
        assert!(host.say("c").contains("\"drop\""));
    }
    host.end();
}

#[test]
fn half_an_answer_does_not_keep_the_whole_away() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("served.wasm");
    fs::copy(passing(), &file).expect("the rule");
    let server = RuleServer::folder(folder.path());
    let source = format!("http://{}/served.wasm", server.address());
    let mut host = Host::of_source(&source, &[], folder);
    assert!(host.say("a").contains("\"pass\""));
    // The second half has to come although the server says that nothing has changed since the first.
    server.fault(Fault::Half, "/served.wasm ", 3);
    fs::copy(dropping(), &file).expect("the next rule");
    host.until("rule switched");
    assert!(host.say("b").contains("\"drop\""));
    assert_eq!(host.lines("refused, component"), 1, "{}", host.process.output());
    host.end();
}

#[test]
fn what_opens_a_registry_is_renewed_when_it_has_expired() {
    let registry = Registry::start();
    let push = |rule: &Path| {
        let tag = registry.source("rules/expired:1");
        weir::run(weir(["push"]).arg(rule).arg(tag)).success();
    };
    push(passing());
    let proxy = RuleServer::before(&registry);
    let source = format!("oci://{}/rules/expired:1", proxy.address());
    let folder = TempDir::new().expect("a temporary folder");
    let mut host = Host::of_source(&source, &[], folder);
    assert!(host.say("a").contains("\"pass\""));
    proxy.fault(Fault::Status(401), "/manifests/", 1);
    push(dropping());
    host.until("rule switched");
    assert_eq!(host.lines("access denied"), 0, "{}", host.process.output());
    host.end();
}

#[test]
fn a_function_changes_its_rule_between_two_events() {
    let moto = Moto::start();
    let topic = Topic::create(&moto, "alerts");
    let api = RuntimeApi::start();
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("rule.wasm");
    fs::copy(passing(), &file).expect("the rule");
    let mut function = Process::start(
        weir(["lambda"])
            .envs(api.environment())
            .env("AWS_ENDPOINT_URL", moto.url())
            .env("SNS_TOPIC_ARN", topic.arn())
            .env("WEIR_RULE", &file)
            .env("WEIR_RULE_POLL", "50ms"),
    );
    let event = example_text("vital-signs-firehose.json");
    let all_are = |result: &str| {
        let response = api.invoke(&event).expect("a response");
        let answers = answers(&response);
        assert!(answers.iter().all(|answer| answer.result == result), "{response}");
    };
    all_are("Ok");
    let new = folder.path().join("rule.new");
    fs::copy(dropping(), &new).expect("the next rule");
    fs::rename(new, file).expect("the rule's file");
    let switched = |output: &str| output.contains("rule switched").then_some(());
    assert!(function.until_output(switched).is_some(), "{}", function.output());
    all_are("Dropped");
    let counted = |output: &str| (output.matches("CloudWatchMetrics").count() > 1).then_some(());
    assert!(function.until_output(counted).is_some(), "{}", function.output());
    assert!(!function.output().contains("weir_rule_info"), "each rule would be written for ever");
}

#[test]
fn a_rule_that_traps_gives_its_place_back() {
    let mut host = Host::start(passing(), &[]);
    assert!(host.say("a!").contains("\"pass\""));
    host.replace_by(trapping());
    host.until("rule switched");
    assert!(host.say("b!").contains("\"fail\""));
    let line = host.until("rule rolled back");
    assert!(line.contains("trapped") && line.contains("started anew"), "{line}");
    assert!(host.say("c!").contains("\"pass\""));
    host.end();
}

#[test]
fn a_rule_that_the_compiler_fails_on_ends_the_compiler_alone() {
    let mut host = Host::start(passing(), &[]);
    assert!(host.say("a").contains("\"pass\""));
    host.replace(&rule::nested_deep());
    let line = host.until("refused, component");
    assert!(line.contains("stack overflow"), "{line}");
    assert!(host.say("b").contains("\"pass\""));
    host.replace(&rule::tangled(2000));
    let line = host.until("more than rules of its size do");
    assert!(line.contains("the rule that serves goes on"), "{line}");
    assert!(host.say("c").contains("\"pass\""));
    host.end();
}

#[test]
fn the_compiler_ends_when_its_time_is_over() {
    let component = TempDir::new().expect("a temporary folder");
    let file = component.path().join("tangled.wasm");
    fs::write(&file, rule::tangled(2000)).expect("a component");
    let mut compile = weir(["compile", "1", &u64::MAX.to_string()]);
    let input = File::open(file).expect("a component");
    let ended = compile.stdin(input).output().expect("the compiler").status;
    assert_eq!(ended.signal(), Some(SIGXCPU));
}

#[test]
fn the_compiler_ends_when_nobody_is_left_to_read_what_it_writes() {
    let mut compile = weir(["compile"]);
    compile.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut compiler = compile.spawn().expect("the compiler");
    // As long as this is open, it waits for more.
    let input = compiler.stdin.take();
    drop(compiler.stdout.take());
    let given_up = Instant::now() + Duration::from_secs(60);
    let ended = loop {
        match compiler.try_wait().expect("the state of a child process") {
            Some(ended) => break ended,
            None if Instant::now() > given_up => {
                compiler.kill().expect("a process");
                panic!("it goes on");
            }
            None => thread::sleep(Duration::from_millis(10)),
        }
    };
    drop(input);
    assert_eq!(ended.signal(), Some(SIGKILL));
}

#[cfg(target_os = "linux")]
#[test]
fn the_compiler_is_told_no_secrets() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("rule.wasm"), rule::tangled(2000)).expect("a component");
    let mut command = weir(["inspect", "rule.wasm"]);
    let mut host = Process::start(command.current_dir(folder.path()));
    let of_host = host.id();
    let environment = host.until_output(|_| {
        let tasks = fs::read_dir(format!("/proc/{of_host}/task")).ok()?.flatten();
        let children = tasks.map(|task| fs::read_to_string(task.path().join("children")));
        let children: String = children.map_while(Result::ok).collect();
        let of_compiler = PathBuf::from("/proc").join(children.split_whitespace().next()?);
        let arguments = fs::read_to_string(of_compiler.join("cmdline")).ok()?;
        // Until it has begun, it is a copy of the host.
        arguments.contains("\0compile\0").then(|| fs::read_to_string(of_compiler.join("environ")))
    });
    let environment = environment.expect("a compiler").expect("its environment");
    assert!(!environment.contains("AWS_SECRET_ACCESS_KEY"), "{environment}");
}

#[test]
fn a_new_rule_is_compared_before_it_takes_over() {
    let mut host = Host::start(passing(), &["--promote-after", "2", "--rollback-window", "100ms"]);
    assert!(host.say("before").contains("\"pass\""));
    host.replace_by(dropping());
    host.until("rule runs in shadow");
    assert!(host.say("a").contains("\"pass\""));
    let line = host.until("rule refused");
    assert!(line.contains("pass → drop 1"), "{line}");

    host.replace_by(trapping());
    host.until("rule runs in shadow rule=\"live-trapping\"");
    assert!(host.say("b").contains("\"pass\""));
    assert!(host.say("c").contains("\"pass\""));
    host.until("rule promoted");
    host.until("rule proven");
    assert!(host.say("d").contains("\"pass\""));
    host.end();
}

#[test]
fn a_rule_that_the_source_no_longer_holds_is_not_promoted() {
    let mut host = Host::start(passing(), &["--promote-after", "2"]);
    assert!(host.say("before").contains("\"pass\""));
    host.replace_by(trapping());
    host.until("rule runs in shadow");
    host.replace(b"damaged");
    host.until("rule withdrawn: the source holds something else");
    (0..3).for_each(|_| assert!(host.say("after").contains("\"pass\"")));

    host.replace_by(trapping());
    host.until_lines("rule runs in shadow", 2);
    assert_eq!(host.lines("rule promoted"), 0, "{}", host.process.output());
    // It may be on its way back: one that is replaced is gone for a moment.
    fs::remove_file(host.folder.path().join("rule.wasm")).expect("the rule's file");
    host.until("not found");
    (0..2).for_each(|_| assert!(host.say("gone").contains("\"pass\"")));
    host.until("rule promoted");
    host.end();
}

#[test]
fn a_rule_in_shadow_is_compared_and_answers_nobody() {
    let events = root().join("examples/vital-signs.ndjson");
    let run = |shadow: &Path| {
        let mut command = weir(["run", "--contract", "ndjson", "--rule"]);
        command.arg(passing()).arg("--shadow").arg(shadow).arg(&events);
        weir::run(&mut command)
    };
    let (alike, other) = (run(passing()), run(dropping()));
    assert_eq!(alike.stdout, other.stdout);
    assert!(alike.stderr.contains("records compared, 0 differ"), "{}", alike.stderr);
    assert!(other.stderr.contains("pass → drop"), "{}", other.stderr);
}
