mod process;

use std::env;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output};
use std::thread;
use std::time::Duration;

use process::Most;

/// Compiles rules in processes of their own, which may take no more time and memory than rules of their size
/// do: there are components of a few kilobytes on which a compiler works for hours, takes all memory or
/// overflows its stack. In the host's own process, that is the end of the host.
///
/// What a process may take: 30 s of processor time and 20 s more for each MiB of the component, and 256 MiB
/// of memory, 8 MiB more for each core and 64 times the component's size. The largest rules known, an
/// interpreter with its libraries, take a tenth of that time and half of that memory. Where the system is no
/// Unix, there is no such limit, but the process is one of its own. One that has not ended after ten times
/// its processor time is ended anywhere, and so is one that writes more than it may have in memory.
///
/// It is told nothing of the environment but where the system's libraries are, and on a Unix it ends with
/// the host.
///
/// A program can be its own compiler:
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use weir::{Compiler, Engine, Limits};
///
/// fn main() -> ExitCode {
///     let mut arguments = std::env::args().skip(1);
///     if arguments.next().as_deref() == Some(Compiler::COMMAND) {
///         return Compiler::serve(arguments);
///     }
///     let engine = Engine::new(Limits::default()).expect("an engine");
///     let engine = engine.compiling_with(Compiler::new(std::env::current_exe().expect("a path")));
///     // …
/// #   ExitCode::SUCCESS
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    program: PathBuf,
    is_bounded: bool,
}

impl Compiler {
    /// The first argument that its processes are started with; what follows is for [`serve`](Self::serve).
    pub const COMMAND: &str = "compile";

    /// Has `program` compile: the `weir` command of this version, or any that [serves](Self::serve).
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), is_bounded: true }
    }

    /// Has it take whatever it needs.
    #[must_use]
    pub fn unbounded(self) -> Self {
        Self { is_bounded: false, ..self }
    }

    /// Has a process compile a component, and answers with what it wrote.
    pub(crate) fn compile(&self, component: &[u8]) -> Result<Vec<u8>, NotCompiled> {
        let bounds = self.is_bounded.then(|| Bounds::of(component.len()));
        let output = self.run(component, bounds).map_err(|error| self.is_none(error))?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(failure(&output, bounds)),
        }
    }

    /// Its program does not compile.
    pub(crate) fn is_none(&self, why: impl fmt::Display) -> NotCompiled {
        NotCompiled::Host(format!("{}: {why}", self.program.display()))
    }

    fn run(&self, component: &[u8], bounds: Option<Bounds>) -> io::Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg(Self::COMMAND);
        if let Some(Bounds { seconds, bytes }) = bounds {
            command.args([seconds, bytes].map(|bound| bound.to_string()));
        }
        let kept = KEPT.iter().filter_map(|name| Some((name, env::var_os(name)?)));
        command.env_clear().envs(kept);
        process::run(&mut command, component.to_vec(), bounds.map(Bounds::most))
    }
}

/// What a system may need to start a program. The rest may be secret, and what is compiled is not trusted.
const KEPT: [&str; 3] = ["DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "SystemRoot"];

/// What compiling may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Of processor time.
    seconds: u64,
    /// Of memory.
    bytes: u64,
}

impl Bounds {
    /// For a component of so many bytes.
    fn of(component: usize) -> Self {
        let component = component as u64;
        let cores = thread::available_parallelism().map_or(1, usize::from) as u64;
        Self {
            seconds: 30 + component.saturating_mul(20) / MIB,
            bytes: component.saturating_mul(64).saturating_add((256 + 8 * cores) * MIB),
        }
    }

    /// What a process may take that keeps to them, on a machine with much else to do.
    fn most(self) -> Most {
        let time = Duration::from_secs(self.seconds).saturating_mul(10);
        Most { time, bytes: self.bytes }
    }

    /// Reads them as they were written; there may be none.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = String>,
    ) -> wasmtime::Result<Option<Self>> {
        let bounds: Result<Vec<u64>, _> =
            arguments.into_iter().map(|argument| argument.parse()).collect();
        match bounds?[..] {
            [] => Ok(None),
            [seconds, bytes] => Ok(Some(Self { seconds, bytes })),
            _ => wasmtime::bail!("expected seconds and bytes, or nothing"),
        }
    }

    /// Sets them for this process, which ends without a dump if it comes to that.
    pub(crate) fn apply(self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

            let lower = |resource, limit: u64, most: u64| {
                // It may have been lowered before, and cannot be raised.
                let allowed = getrlimit(resource).maximum.unwrap_or(u64::MAX);
                let (limit, most) = (limit.min(allowed), most.min(allowed));
                setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(most) })
            };
            lower(Resource::Core, 0, 0)?;
            // It is told first, and killed if it goes on.
            lower(Resource::Cpu, self.seconds, self.seconds.saturating_add(5))?;
            lower(Resource::Data, self.bytes, self.bytes)?;
        }
        Ok(())
    }
}

const MIB: u64 = 1 << 20;

/// Why a process did not compile what it was given.
fn failure(output: &Output, bounds: Option<Bounds>) -> NotCompiled {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim_end();
    if output.status.code() == Some(INVALID.into()) {
        return NotCompiled::Invalid(said.to_owned());
    }
    let last = said.lines().next_back().unwrap_or_default();
    match (End::of(output.status), bounds) {
        (End::OutOfTime, Some(Bounds { seconds, .. })) => {
            NotCompiled::Costly(format!("over {seconds} s of processor time"))
        }
        (End::Failed, Some(Bounds { bytes, .. })) if said.contains("memory allocation") => {
            NotCompiled::Costly(format!("over {} MiB of memory", bytes / MIB))
        }
        (End::Failed, _) => NotCompiled::Failed(format!("{}: {last}", output.status)),
        (End::Gone, _) => NotCompiled::Host(format!("{}: {last}", output.status)),
        _ => NotCompiled::Host(format!("it was ended: {}", output.status)),
    }
}

/// Why there is no native code of a component.
#[derive(Debug)]
pub(crate) enum NotCompiled {
    /// It is no valid component.
    Invalid(String),
    /// Compiling it takes more than the compiler may take.
    Costly(String),
    /// The compiler fails on it.
    Failed(String),
    /// The compiler was not started, or was ended: that is not the component's fault.
    Host(String),
}

impl From<wasmtime::Error> for NotCompiled {
    fn from(error: wasmtime::Error) -> Self {
        Self::Invalid(format!("{error:#}"))
    }
}

/// The exit code if a component is no valid one: that of `sysexits.h` for input that is wrong, which is no
/// other program's by chance.
pub(crate) const INVALID: u8 = 65;

/// The exit code of Rust's after a panic.
const PANICKED: i32 = 101;

/// How a process came to an end that did not compile.
enum End {
    /// By what it compiled.
    Failed,
    /// By its own bound.
    OutOfTime,
    /// By somebody else.
    Killed,
    /// By itself, before it compiled: it lacks something, or is no compiler.
    Gone,
}

impl End {
    fn of(status: ExitStatus) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt;

            use rustix::process::Signal;

            let is = |signal: Signal| status.signal() == Some(signal.as_raw());
            if is(Signal::XCPU) {
                return Self::OutOfTime;
            }
            if [Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP].into_iter().any(is) {
                return Self::Killed;
            }
        }
        match status.code() {
            Some(code) if code != PANICKED => Self::Gone,
            _ => Self::Failed,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    /// What a process says that ended with this status, as `wait(2)` has it.
    fn said(status: i32, stderr: &str) -> NotCompiled {
        let status = ExitStatus::from_raw(status);
        let output = Output { status, stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() };
        failure(&output, Some(Bounds { seconds: 30, bytes: 256 * MIB }))
    }

    #[test]
    fn what_ended_the_compiler_is_told() {
        use NotCompiled::{Costly, Failed, Host, Invalid};
        use rustix::process::Signal;

        let no_memory = "memory allocation of 8 bytes failed\nno backtrace\n";
        let invalid = i32::from(INVALID) << 8;
        assert!(matches!(said(invalid, "no component\n"), Invalid(why) if why == "no component"));
        for other in [1, 127] {
            let Host(why) = said(other << 8, "a library is missing\n") else {
                panic!("nobody compiled it");
            };
            assert!(why.ends_with("a library is missing"), "{why}");
        }
        assert!(matches!(said(Signal::XCPU.as_raw(), ""), Costly(what) if what.contains("30 s")));
        assert!(
            matches!(said(Signal::ABORT.as_raw(), no_memory), Costly(what) if what.contains("256 MiB"))
        );
        let Failed(how) = said(Signal::ABORT.as_raw(), "\nthread main\nstack overflow\n") else {
            panic!("the component's fault");
        };
        assert!(how.ends_with("stack overflow"), "{how}");
        assert!(matches!(said(101 << 8, "a panic"), Failed(_)));
        assert!(matches!(said(Signal::KILL.as_raw(), ""), Host(_)));
        assert!(matches!(said(Signal::TERM.as_raw(), ""), Host(_)));
    }

    #[test]
    fn what_it_may_take_grows_with_the_component() {
        let (small, large) = (Bounds::of(31_787), Bounds::of(18 << 20));
        assert_eq!((small.seconds, large.seconds), (30, 390));
        assert!((256 * MIB..1 << 40).contains(&small.bytes));
        assert_eq!(large.bytes - Bounds::of(0).bytes, 18 * 64 * MIB);
        assert!(Bounds::of(usize::MAX).bytes > large.bytes);
    }
}
