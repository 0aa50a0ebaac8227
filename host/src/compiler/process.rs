//! A program that is given some bytes and answers with some, and may be any program at all: one that
//! reads nothing, never ends, or never stops to write.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// What a process may take before it is ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// From its start to its end.
    pub(super) time: Duration,
    /// To each of its outputs.
    pub(super) bytes: u64,
}

/// How often a process is looked after that has closed its outputs and goes on.
const LOOKED_AFTER: Duration = Duration::from_millis(10);

/// Runs a program: gives it the input, and answers with its outputs and its end. None is as much as it
/// takes.
///
/// # Errors
///
/// If it cannot be started, does not take the input and yet calls it a success, or takes more than it
/// may: then it is ended.
pub(super) fn run(command: &mut Command, input: Vec<u8>, most: Option<Most>) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn()?;
    let answered = answer(&mut process, input, most);
    if answered.is_err() {
        // It may have ended by itself meanwhile.
        let _ = process.kill();
        process.wait()?;
    }
    answered
}

fn answer(process: &mut Child, input: Vec<u8>, most: Option<Most>) -> io::Result<Output> {
    let deadline = most.and_then(|most| Instant::now().checked_add(most.time));
    let within = |missed: Missed| match missed {
        Missed::Deadline => {
            let seconds = most.map_or(0, |most| most.time.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, format!("it did not end within {seconds} s"))
        }
        Missed::Failed(error) => error,
    };
    let bytes = most.map_or(u64::MAX, |most| most.bytes);
    // What waits for a pipe waits on a thread of its own, and is left behind if somebody keeps the pipe open.
    let written = on_thread(process.stdin.take(), move |mut pipe| pipe.write_all(&input))?;
    let stdout = on_thread(process.stdout.take(), move |pipe| read(pipe, bytes))?;
    let stderr = on_thread(process.stderr.take(), move |pipe| read(pipe, bytes))?;
    let stdout = receive(&stdout, deadline).map_err(within)?;
    let stderr = receive(&stderr, deadline).map_err(within)?;
    let status = wait(process, deadline).map_err(within)?;
    match receive(&written, deadline) {
        // A process that ended early says why by itself.
        Err(_) if !status.success() => {}
        written => written.map_err(within)?,
    }
    Ok(Output { status, stdout, stderr })
}

/// What did not come.
enum Missed {
    Deadline,
    Failed(io::Error),
}

/// Works on a pipe, if there is one.
fn on_thread<P: Send + 'static, T: Default + Send + 'static>(
    pipe: Option<P>,
    work: impl FnOnce(P) -> io::Result<T> + Send + 'static,
) -> io::Result<Receiver<io::Result<T>>> {
    let (done, result) = mpsc::sync_channel(1);
    thread::Builder::new().name("compiler's pipe".to_owned()).spawn(move || {
        // Perhaps nobody waits for it any more.
        let _ = done.send(pipe.map_or_else(|| Ok(T::default()), work));
    })?;
    Ok(result)
}

fn read(pipe: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    pipe.take(most.saturating_add(1)).read_to_end(&mut output)?;
    match output.len() as u64 > most {
        true => Err(io::Error::other(format!("it writes more than {most} bytes"))),
        false => Ok(output),
    }
}

fn receive<T>(result: &Receiver<io::Result<T>>, deadline: Option<Instant>) -> Result<T, Missed> {
    let received = match deadline {
        Some(deadline) => result.recv_timeout(deadline.saturating_duration_since(Instant::now())),
        None => result.recv().map_err(RecvTimeoutError::from),
    };
    match received {
        Ok(result) => result.map_err(Missed::Failed),
        Err(RecvTimeoutError::Timeout) => Err(Missed::Deadline),
        Err(RecvTimeoutError::Disconnected) => {
            Err(Missed::Failed(io::Error::other("the thread at its pipe panicked")))
        }
    }
}

fn wait(process: &mut Child, deadline: Option<Instant>) -> Result<ExitStatus, Missed> {
    let Some(deadline) = deadline else { return process.wait().map_err(Missed::Failed) };
    loop {
        // Mostly it has ended when its outputs are closed.
        if let Some(status) = process.try_wait().map_err(Missed::Failed)? {
            return Ok(status);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Missed::Deadline);
        }
        thread::sleep(left.min(LOOKED_AFTER));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const MOST: Most = Most { time: Duration::from_secs(300), bytes: 1 << 20 };

    fn shell(script: &str, input: usize, most: Most) -> io::Result<Output> {
        run(Command::new("sh").args(["-c", script]), vec![b'x'; input], Some(most))
    }

    #[test]
    fn what_a_program_answers_is_read() {
        let output = shell("cat; echo said >&2; exit 3", 1 << 20, MOST).expect("an answer");
        assert_eq!((output.stdout.len(), &*output.stderr), (1 << 20, &b"said\n"[..]));
        assert_eq!(output.status.code(), Some(3));
    }

    #[test]
    fn a_program_that_takes_too_much_is_ended() {
        let brief = Most { time: Duration::from_millis(50), ..MOST };
        for script in
            ["exec sleep 1000", "exec sleep 1000 >&- 2>&-", "cat >/dev/null; sleep 60 & wait"]
        {
            let error = shell(script, 1 << 20, brief).expect_err(script);
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}: {error}");
        }
        for script in ["yes", "yes >&2"] {
            let error = shell(script, 1 << 20, MOST).expect_err(script);
            assert_eq!(error.to_string(), "it writes more than 1048576 bytes");
        }
    }

    #[test]
    fn a_program_that_reads_nothing_says_why() {
        let output = shell("echo no >&2; exit 2", 8 << 20, MOST).expect("an answer");
        assert_eq!(&*output.stderr, b"no\n");
        let error = shell("exit 0", 8 << 20, MOST).expect_err("nothing was read");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
