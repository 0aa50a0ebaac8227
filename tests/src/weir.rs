//! The binary `weir`, as a user has it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use crate::target;

/// What a run of a command left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// What it printed.
    pub stdout: String,
    /// What it said about it.
    pub stderr: String,
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
}

impl Output {
    /// What it printed, if it went well.
    ///
    /// # Panics
    ///
    /// If the exit code is not 0.
    pub fn success(self) -> String {
        self.exit(0).stdout
    }

    /// Itself, if the exit code is `code`.
    ///
    /// # Panics
    ///
    /// If it is another.
    pub fn exit(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code, with this on stderr:\n{}", self.stderr);
        self
    }
}

/// The command `weir` with these arguments, in an environment that holds nothing but what a run
/// needs: what is set where the tests run does not reach it.
pub fn weir(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .env("HOME", home())
        // Nothing is kept from one test to the next.
        .env("WEIR_CACHE", "off")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        // Whatever a test forgets: nothing listens here, and nothing leaves this machine.
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        // No credentials are looked for outside this process.
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Gives `command` what the Rust compiler needs of the environment, and a target directory for the
/// rules it builds that stays, so that what they share is compiled once.
///
/// # Panics
///
/// If there is no home to look for the toolchain in.
pub fn with_compiler(command: &mut Command) -> &mut Command {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a home folder"));
    for (name, default) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
        let folder = std::env::var_os(name).map_or_else(|| home.join(default), PathBuf::from);
        command.env(name, folder);
    }
    command
        .env("PATH", std::env::var_os("PATH").expect("the compiler is found by it"))
        .env("CARGO_TARGET_DIR", target::directory().join("test-rules"))
}

/// Runs `command` to its end with nothing to read.
///
/// # Panics
///
/// If it does not start, or prints anything but UTF-8.
pub fn run(command: &mut Command) -> Output {
    run_with_input(command, "")
}

/// Runs `command` to its end with `input` to read.
///
/// # Panics
///
/// If it does not start, or prints anything but UTF-8.
pub fn run_with_input(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    let output = thread::scope(|scope| {
        scope.spawn(move || {
            // A command that ends without reading it all closes the pipe: its right.
            let _ = stdin.write_all(input.as_bytes());
        });
        child.wait_with_output().expect("the output of a child process")
    });
    Output {
        stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        code: output.status.code(),
    }
}

/// The path of the binary, built with the profile of the tests.
///
/// `cargo test` builds no binary of another package, so the first call asks cargo for it; that is
/// a matter of moments if nothing changed.
///
/// # Panics
///
/// If it does not build, with what the compiler said.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let build = escargot::CargoBuild::new()
            .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
            .package("weir")
            .bin("weir")
            .target_dir(target::directory())
            .args(["--profile", &target::profile()]);
        match build.run() {
            Ok(run) => run.path().to_owned(),
            Err(error) => panic!("the binary does not build: {error}"),
        }
    })
}

/// An empty home, so that no file of whoever runs the tests is read or written.
fn home() -> PathBuf {
    let home = target::directory().join("test-home");
    fs::create_dir_all(&home).expect("a folder below the cargo target directory");
    home
}
