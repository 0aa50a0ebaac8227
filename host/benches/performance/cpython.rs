//! The function that Weir replaces, as Python runs it: a process beside this one, that takes its
//! turns when it is asked to.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::turns::Contestant;

const SCRIPT: &str = include_str!("handler.py");

/// A Python with an event to work on.
#[derive(Debug)]
pub(crate) struct CPython {
    /// Its name and version.
    pub(crate) name: String,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl CPython {
    /// Starts it, on the cores that this thread runs on.
    ///
    /// # Errors
    ///
    /// If there is no Python here.
    pub(crate) fn start(threshold: f64, event: &[u8]) -> io::Result<Self> {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cpython-event.json");
        fs::write(&file, event)?;
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT, &threshold.to_string()])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take().expect("its input is a pipe");
        let answers = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut python = Self { name: String::new(), child, requests, answers };
        // Once it has said its name, it has read the event.
        python.name = python.line()?;
        Ok(python)
    }

    /// What the function answers the event with.
    pub(crate) fn answer(&mut self) -> String {
        self.ask("answer")
    }

    /// A contestant that runs the function alone, on an event that is parsed already.
    pub(crate) fn handler(&mut self) -> Contestant<'_> {
        self.contestant("handler")
    }

    /// A contestant that runs the function with what surrounds it: JSON in, JSON out.
    pub(crate) fn invoke(&mut self) -> Contestant<'_> {
        self.contestant("invoke")
    }

    fn contestant(&mut self, turn: &'static str) -> Contestant<'_> {
        Box::new(move || self.ask(turn).parse().expect("Python answers with a number"))
    }

    fn ask(&mut self, request: &str) -> String {
        let asked = writeln!(self.requests, "{request}").and_then(|()| self.line());
        asked.expect("Python answers")
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(io::Error::other("python3 ended")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for CPython {
    fn drop(&mut self) {
        // It holds nothing that it would have to finish.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
