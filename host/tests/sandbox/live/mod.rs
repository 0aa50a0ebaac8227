//! Rules that change while the host runs.

mod hand_over;
mod probation;
mod shadow;
mod swap;

use std::io;
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use weir::contract::Contract;
use weir::live::{LiveRule, UpdatePolicy};
use weir::publish::{AlertFormat, AlertWriter};
use weir::{Engine, Filter, Limits, Pipeline, Request, Response, Rule};

use crate::guest::{Answer, FAIL, Guest, LISTS, OUTCOME, PASS};

/// What marks a record on which some rules do wrong.
const MARK: char = '!';

/// A host with a rule that can change.
struct Host {
    engine: Engine,
    pipeline: Pipeline<AlertWriter<io::Sink>>,
    runtime: Runtime,
}

impl Host {
    fn start(guest: &Guest, policy: UpdatePolicy) -> Self {
        Self::with_limits(guest, policy, Limits::default())
    }

    fn with_limits(guest: &Guest, policy: UpdatePolicy, limits: Limits) -> Self {
        watch_log();
        let engine = Engine::new(limits).expect("an engine");
        let rule = LiveRule::new(open(&engine, guest), policy);
        let pipeline = Pipeline::new(rule, AlertWriter::new(AlertFormat::Ndjson, io::sink()))
            .contract(Contract::Ndjson);
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        Self { engine, pipeline, runtime }
    }

    fn rule(&self) -> &LiveRule {
        self.pipeline.rule()
    }

    fn open(&self, guest: &Guest) -> Filter {
        open(&self.engine, guest)
    }

    /// Processes records, each `x` or the mark.
    fn process(&self, records: &str) -> Response {
        let body: String = records.chars().map(|record| format!("\"{record}\"\n")).collect();
        let _runtime = self.runtime.enter();
        let request = Request { body: body.as_bytes(), ..Request::default() };
        self.pipeline.process_blocking(request).expect("an answer")
    }
}

fn open(engine: &Engine, guest: &Guest) -> Filter {
    let rule = Rule::load(engine, &guest.component()).expect("a rule");
    rule.open("{}").expect("an opened rule")
}

/// A policy under which a candidate is compared on so many records.
fn comparing(promote_after: u64) -> UpdatePolicy {
    UpdatePolicy { promote_after, ..UpdatePolicy::default() }
}

/// A rule that lets all records of any batch pass.
fn passing(name: &'static str) -> Guest {
    Guest {
        classify: format!("(i32.store (i32.const {}) (local.get 4))", OUTCOME + 4),
        name,
        ..Guest::default()
    }
}

/// One that drops all.
fn dropping(name: &'static str) -> Guest {
    let guest = passing(name);
    let drop = format!("(memory.fill (i32.const {LISTS}) (i32.const 2) (local.get 4))");
    Guest { classify: guest.classify + &drop, ..guest }
}

/// One that fails the first record of every batch.
fn failing(name: &'static str) -> Guest {
    let guest = passing(name);
    let count =
        format!("(i32.store (i32.const {}) (i32.ne (local.get 4) (i32.const 0)))", OUTCOME + 20);
    let answer = Answer { verdicts: vec![FAIL, PASS], failed: vec![0], ..Answer::default() };
    Guest { classify: guest.classify + &count, answer, ..guest }
}

/// What a rule does besides, when a batch holds the mark.
fn on_mark(guest: Guest, action: &str) -> Guest {
    let mark = u32::from(MARK);
    let search = format!(
        "(local $i i32)
         (block $done (loop $next
             (br_if $done (i32.ge_u (local.get $i) (local.get 2)))
             (if (i32.eq (i32.load8_u (i32.add (local.get 1) (local.get $i))) (i32.const {mark}))
                 (then {action}))
             (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br $next)))"
    );
    Guest { classify: search + &guest.classify, ..guest }
}

/// A rule that takes more memory with each batch, and keeps it.
fn leaking(name: &'static str) -> Guest {
    let guest = passing(name);
    let leak = "(drop (memory.grow (i32.const 64)))";
    Guest { classify: guest.classify + leak, keeps_state: true, ..guest }
}

const TRAP: &str = "(unreachable)";

const LOOP: &str = "(loop $forever (br $forever))";

/// Waits for something that another thread does.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let given_up = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < given_up, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What was logged of the rule with this name: only that, as the tests run at once.
fn logged(name: &str) -> Vec<String> {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let log = String::from_utf8_lossy(&log);
    let of_rule = format!("rule=\"{name}\"");
    log.lines().filter(|line| line.contains(&of_rule)).map(str::to_owned).collect()
}

/// Checks that these lines were logged of a rule, in this order, and no others; each is given by
/// what it holds.
fn assert_logged(name: &str, expected: &[&str]) {
    eventually("the last line", || logged(name).len() >= expected.len());
    let lines = logged(name);
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, part) in lines.iter().zip(expected) {
        assert!(line.contains(part) && line.contains("digest=sha256:"), "{part} in {lines:#?}");
    }
}

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Rules change on threads of their own, so it takes a subscriber for all.
fn watch_log() {
    struct Log;

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            LOG.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    static SET: Once = Once::new();
    SET.call_once(|| {
        tracing_subscriber::fmt().with_writer(|| Log).with_ansi(false).with_target(false).init();
    });
}
