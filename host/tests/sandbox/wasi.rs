//! A rule that is granted WASI learns nothing by it, reaches nothing, and waits for nothing.

use weir::{Engine, Fault, Grant, LimitExceeded, Limits, LoadError, Rule, Verdict};

use crate::guest::{Answer, FLAG, Guest, LISTS, batch};

/// Interfaces of WASI 0.2, as far as the probes below call them.
const WIT: &str = r"
package weir:probes;

package wasi:io@0.2.0 {
    interface poll {
        resource pollable { block: func(); ready: func() -> bool; }
        poll: func(all: list<borrow<pollable>>) -> list<u32>;
    }
    interface error { resource error { to-debug-string: func() -> string; } }
    interface streams {
        use error.{error};
        use poll.{pollable};
        variant stream-error { last-operation-failed(error), closed }
        resource input-stream {
            blocking-read: func(most: u64) -> result<list<u8>, stream-error>;
        }
        resource output-stream {
            check-write: func() -> result<u64, stream-error>;
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
    }
}

package wasi:clocks@0.2.0 {
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
    }
    interface wall-clock {
        record datetime { seconds: u64, nanoseconds: u32 }
        now: func() -> datetime;
    }
}

package wasi:random@0.2.0 {
    interface random {
        get-random-bytes: func(length: u64) -> list<u8>;
        get-random-u64: func() -> u64;
    }
}

package wasi:filesystem@0.2.0 {
    interface types { resource descriptor; }
    interface preopens {
        use types.{descriptor};
        get-directories: func() -> list<tuple<descriptor, string>>;
    }
}

package wasi:sockets@0.2.0 {
    interface tcp-create-socket {
        enum family { ipv4, ipv6 }
        enum error-code { unknown, access-denied, not-supported }
        resource tcp-socket;
        create-tcp-socket: func(family: family) -> result<tcp-socket, error-code>;
    }
}

package wasi:cli@0.2.0 {
    interface environment {
        get-environment: func() -> list<tuple<string, string>>;
        get-arguments: func() -> list<string>;
        initial-cwd: func() -> option<string>;
    }
    interface stdin {
        use wasi:io/streams@0.2.0.{input-stream};
        get-stdin: func() -> input-stream;
    }
    interface stdout {
        use wasi:io/streams@0.2.0.{output-stream};
        get-stdout: func() -> output-stream;
    }
    interface exit { exit: func(status: result); }
}

world importing {
    import wasi:clocks/monotonic-clock@0.2.0;
    import wasi:clocks/wall-clock@0.2.0;
    import wasi:random/random@0.2.0;
    import wasi:filesystem/preopens@0.2.0;
    import wasi:sockets/tcp-create-socket@0.2.0;
    import wasi:cli/environment@0.2.0;
    import wasi:cli/stdin@0.2.0;
    import wasi:cli/stdout@0.2.0;
    import wasi:cli/exit@0.2.0;
    import wasi:io/streams@0.2.0;
    import wasi:io/poll@0.2.0;
    include weir:filter/filter@0.2.0;
}
";

/// The same, as the module imports them. The signatures are the canonical ABI's.
const IMPORTS: &str = r#"
(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
    (func $timer (param i64) (result i32)))
(import "wasi:clocks/wall-clock@0.2.0" "now" (func $date (param i32)))
(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random_bytes (param i64 i32)))
(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
(import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket"
    (func $socket (param i32 i32)))
(import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
(import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
(import "wasi:cli/environment@0.2.0" "initial-cwd" (func $folder (param i32)))
(import "wasi:cli/stdin@0.2.0" "get-stdin" (func $stdin (result i32)))
(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
(import "wasi:io/streams@0.2.0" "[method]input-stream.blocking-read"
    (func $read (param i32 i64 i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.check-write" (func $room (param i32 i32)))
(import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $wait (param i32)))
(import "wasi:io/poll@0.2.0" "[method]pollable.ready" (func $ready (param i32) (result i32)))
(import "wasi:io/poll@0.2.0" "poll" (func $poll (param i32 i32 i32)))
"#;

/// Where the score of the one flag stands: its list comes after the one verdict.
const SCORE: u32 = LISTS + 8 + 16;

/// Where results are returned to, eight bytes and more, which are set before.
const RESULT: u32 = 3072;

/// A rule that flags its record, with what a probe finds as the score.
fn probe(code: &str) -> Guest {
    let classify = format!(
        "(i64.store (i32.const {RESULT}) (i64.const 0x7777777777777777))
         (i64.store (i32.const {RESULT_2}) (i64.const 0x7777777777777777))
         (f64.store (i32.const {SCORE}) {code})",
        RESULT_2 = RESULT + 8
    );
    let answer = Answer { verdicts: vec![FLAG], flagged: vec![(0, 9.0)], ..Answer::default() };
    Guest { imports: Some((IMPORTS, WIT)), classify, answer, ..Guest::default() }
}

fn load(guest: &Guest) -> Result<Rule, LoadError> {
    let engine = Engine::new(Limits::default()).expect("an engine");
    Rule::load(&engine.granting([Grant::InertWasi]), &guest.component())
}

fn find(code: &str) -> Result<f64, Fault> {
    let filter = load(&probe(code)).expect("a rule").open("{}").expect("an opened rule");
    let outcome = filter.classify(&batch(1))?;
    assert_eq!(outcome.verdicts, [Verdict::Flag]);
    Ok(outcome.flagged[0].score.expect("a score"))
}

/// What a function leaves as a number of four bytes, so far behind where it returns to.
fn returned(call: &str, offset: u32) -> f64 {
    let code = format!(
        "(block (result f64) {call} (f64.convert_i32_u (i32.load (i32.const {}))))",
        RESULT + offset
    );
    find(&code.replace("RESULT", &format!("(i32.const {RESULT})"))).expect("no fault")
}

/// What it leaves as one byte.
fn returned_byte(call: &str, offset: u32) -> f64 {
    let code = format!(
        "(block (result f64) {call} (f64.convert_i32_u (i32.load8_u (i32.const {}))))",
        RESULT + offset
    );
    find(&code.replace("RESULT", &format!("(i32.const {RESULT})"))).expect("no fault")
}

#[test]
fn wasi_is_refused_unless_it_is_granted() {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let component = probe("(f64.const 1)").component();
    let error = Rule::load(&engine, &component).expect_err("nothing is granted");
    assert!(matches!(error, LoadError::Imports(_)), "{error}");
    assert!(error.to_string().contains("inert-wasi"), "says what could be done: {error}");
    let rule = Rule::load(&engine.granting([Grant::InertWasi]), &component).expect("a rule");
    let imports = rule.imports();
    assert!(imports.contains(&"wasi:cli/environment@0.2.0".to_owned()), "{imports:?}");
}

#[test]
fn what_is_not_wasi_is_refused_all_the_same() {
    let other = r#"(component (import "weir:filter/lookup@0.2.0" (instance)))"#;
    let component = wat::parse_str(other).expect("valid WAT");
    let engine = Engine::new(Limits::default()).expect("an engine");
    let error = Rule::load(&engine.granting([Grant::InertWasi]), &component);
    let imports = vec!["weir:filter/lookup@0.2.0".to_owned()];
    assert_eq!(error.expect_err("not granted"), LoadError::Imports(imports));
}

#[test]
fn there_are_no_variables_arguments_folders_and_files() {
    for list in ["$environment", "$arguments", "$directories"] {
        assert_eq!(returned(&format!("(call {list} RESULT)"), 4), 0.0, "the length of {list}");
    }
    assert_eq!(returned_byte("(call $folder RESULT)", 0), 0.0, "none");
}

#[test]
fn there_is_no_network() {
    let call = "(call $socket (i32.const 0) RESULT)";
    assert_eq!(returned_byte(call, 0), 1.0, "an error");
    assert_eq!(returned_byte(call, 4), 1.0, "access denied");
}

#[test]
fn to_read_is_to_be_at_the_end_and_what_is_written_goes_nowhere() {
    let call = "(call $read (call $stdin) (i64.const 10) RESULT)";
    assert_eq!(returned_byte(call, 0), 1.0, "an error");
    assert_eq!(returned_byte(call, 4), 1.0, "closed");
    let call = "(call $write (call $stdout) (i32.const 0) (i32.const 4096) RESULT)";
    assert_eq!(returned_byte(call, 0), 0.0, "written");
    let call = "(call $room (call $stdout) RESULT)";
    assert_eq!((returned_byte(call, 0), returned(call, 8)), (0.0, 65536.0));
}

#[test]
fn time_stands_still() {
    let spin = "(local $i i32)
        (loop $more
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 1000000))))";
    let mut guest = probe("(f64.convert_i64_u (call $now))");
    guest.classify = format!("{spin} {}", guest.classify);
    let filter = load(&guest).expect("a rule").open("{}").expect("an opened rule");
    for _ in 0..2 {
        let outcome = filter.classify(&batch(1)).expect("no fault");
        assert_eq!(outcome.flagged[0].score, Some(0.0));
    }
    assert_eq!(returned("(call $date RESULT)", 0), 0.0, "the beginning of 1970");
}

#[test]
fn to_wait_takes_no_time() {
    // Of an hour, which the time limit would end.
    let hour = 3_600_000_000_000u64;
    let timer = format!("(call $timer (i64.const {hour}))");
    assert_eq!(find(&format!("(call $wait {timer}) (f64.const 1)")), Ok(1.0));
    assert_eq!(find(&format!("(f64.convert_i32_u (call $ready {timer}))")), Ok(1.0));
    let poll = format!(
        "(i32.store (i32.const 3000) {timer}) (i32.store (i32.const 3004) {timer})
         (call $poll (i32.const 3000) (i32.const 2) RESULT)"
    );
    assert_eq!(returned(&poll, 4), 2.0, "both are ready");
}

#[test]
fn random_numbers_are_the_same_each_time() {
    let numbers: Vec<_> = (0..2).map(|_| find("(f64.convert_i64_u (call $random))")).collect();
    assert_eq!(numbers[0], numbers[1]);
    assert_ne!(numbers[0], Ok(0.0));
    let both = "(f64.convert_i32_u (i64.eq (call $random) (call $random)))";
    assert_eq!(find(both), Ok(1.0));
    assert_eq!(returned("(call $random_bytes (i64.const 16) RESULT)", 4), 16.0, "as many as asked");
}

#[test]
fn what_would_take_memory_of_the_host_is_limited() {
    let trap = |code: &str| match find(code) {
        Err(Fault::Call(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let call = format!("(call $random_bytes (i64.const 0x100000000) (i32.const {RESULT}))");
    let trapped = trap(&format!("{call} (f64.const 1)"));
    assert!(trapped.contains("random bytes"), "{trapped}");
    let hoard = "(block (loop $more (drop (call $stdout)) (br $more))) (f64.const 1)";
    let trapped = trap(hoard);
    assert!(trapped.contains("resources"), "{trapped}");
    let write = format!(
        "(drop (memory.grow (i32.const 500)))
         (call $write (call $stdout) (i32.const 0) (i32.const 32000000) (i32.const {RESULT}))
         (f64.const 1)"
    );
    let limit = LimitExceeded::Output { maximum: Limits::default().output_bytes };
    assert_eq!(find(&write), Err(Fault::Limit(limit)));
}

#[test]
fn to_exit_is_a_trap() {
    let trapped = find("(call $exit (i32.const 0)) (f64.const 1)");
    assert_eq!(trapped, Err(Fault::Call("it called exit".to_owned())));
}
