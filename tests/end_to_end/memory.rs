//! A run takes the memory of a batch, however many there are.

use std::fs;
use std::io::{BufRead, BufReader, pipe};
use std::process::{Command, Stdio};

use weir_tests::weir::weir;

/// The peak of the resident memory, in KiB, of a run on so many events of 500 records.
///
/// It is read when every event is answered and the input not yet at its end: then the process
/// still exists, and has nothing more to do. (What `wait4` tells of a process that ended includes
/// the memory of the one that started it.)
fn peak_kib(events: usize) -> u64 {
    let (input, kept_open) = pipe().expect("a pipe");
    let mut generator = Command::new(env!("CARGO_BIN_EXE_generate-events"))
        .args(["--events", &events.to_string(), "--records", "500"])
        .stdout(kept_open.try_clone().expect("another end of the pipe"))
        .spawn()
        .expect("the generator starts");
    let mut child = weir(["run", "--upper", "1.5", "-"])
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("weir starts");
    let mut responses = BufReader::new(child.stdout.take().expect("a pipe was asked for"));
    let mut response = Vec::new();
    for event in 0..events {
        response.clear();
        let length = responses.read_until(b'\n', &mut response).expect("a response");
        assert!(length > 0, "the run ended after {event} of {events} events");
    }

    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))
        .expect("the status of a process that runs");
    drop(kept_open);
    assert!(generator.wait().expect("the generator ends").success());
    assert!(child.wait().expect("weir ends").success());
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok())
        .expect("a peak in the status")
}

#[test]
fn ten_times_the_events_take_no_more_memory() {
    let few = peak_kib(200);
    let many = peak_kib(2000);
    assert!(many * 10 <= few * 11, "{few} KiB for 200 events, but {many} KiB for 2,000");
}
