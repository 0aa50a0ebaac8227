use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

/// How long a server may take to become ready. A guard against hanging, not an expectation.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in the background. It is killed when this is dropped, also when a test panics.
///
/// It stays in the process group of the test, so that an interrupted test run takes it along. Its
/// output goes to a file, so that it never waits for a reader.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: NamedTempFile,
}

impl Process {
    /// Starts `command` with nothing to read.
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = NamedTempFile::new().expect("a temporary file for a server's output");
        let stdout = log.reopen().expect("a server's output file");
        // A clone shares the position: the two streams do not write over each other.
        let stderr = stdout.try_clone().expect("a server's output file");
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name, child, log }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far, to either stream.
    pub fn output(&self) -> String {
        let bytes = fs::read(self.log.path()).expect("a server's output file");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child process").is_none()
    }

    /// Asks `ready` of the output so far until it has an answer. `None` if the process ends first.
    ///
    /// # Panics
    ///
    /// If it takes longer than a minute.
    pub fn until_output<T>(&mut self, ready: impl Fn(&str) -> Option<T>) -> Option<T> {
        let start = Instant::now();
        loop {
            let running = self.is_running();
            let output = self.output();
            if let Some(answer) = ready(&output) {
                return Some(answer);
            }
            if !running {
                return None;
            }
            assert!(start.elapsed() < PATIENCE, "{} does not get ready:\n{output}", self.name);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
