use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Output, Stdio};
use std::thread;

use super::artifact::{Artifact, Key};
use super::{Code, NotCompiled};
use crate::codegen;
use crate::digest::{Digest, Digested};
use crate::engine::Engine;

/// Compiles rules in processes of their own, which may take no more time and memory than rules of their size
/// do: there are components of a few kilobytes on which a compiler works for hours, takes all memory or
/// overflows its stack. In the host's own process, that is the end of the host.
///
/// What a process may take: 30 s of processor time and 20 s more for each MiB of the component, and 256 MiB
/// of memory, 8 MiB more for each core and 64 times the component's size. The largest rules known, an
/// interpreter with its libraries, take a tenth of that. Where the system is no Unix, there is no such limit,
/// but the process is one of its own.
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

    /// What a program does that was started by a compiler: takes the component on standard input, and
    /// answers on standard output. `bounds` are the arguments behind [`COMMAND`](Self::COMMAND).
    ///
    /// On a Unix it lowers what the process may take from then on: call it on the main thread, whose stack is
    /// the largest, do nothing before, and end with what it returns.
    pub fn serve(bounds: impl IntoIterator<Item = String>) -> ExitCode {
        match Bounds::parse(bounds).and_then(compile) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // As it is: the host says of which component.
                let _ = write!(io::stderr(), "{error:#}");
                ExitCode::from(INVALID)
            }
        }
    }

    pub(super) fn compile(
        &self,
        engine: &Engine,
        component: Digested<'_>,
    ) -> Result<Code, NotCompiled> {
        let bounds = self.is_bounded.then(|| Bounds::of(component.bytes().len()));
        let of_the_host = |error: &dyn std::error::Error| {
            NotCompiled::Host(format!("{}: {error}", self.program.display()))
        };
        let output = self.run(component.bytes(), bounds).map_err(|error| of_the_host(&error))?;
        if !output.status.success() {
            return Err(failure(&output, bounds));
        }
        let key = Key::new(&engine.wasmtime, component.digest());
        let artifact = Artifact::check(output.stdout, &key).map_err(|error| of_the_host(&error))?;
        Ok(super::load(engine, &artifact)?)
    }

    /// Has a process compile a component.
    fn run(&self, component: &[u8], bounds: Option<Bounds>) -> io::Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg(Self::COMMAND);
        if let Some(Bounds { seconds, bytes }) = bounds {
            command.args([seconds, bytes].map(|bound| bound.to_string()));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let written = process.stdin.take().map_or(Ok(()), |mut input| input.write_all(component));
        let output = process.wait_with_output()?;
        // A process that ended early says why by itself.
        match written {
            Err(error) if output.status.success() => Err(error),
            _ => Ok(output),
        }
    }
}

/// Compiles the component on standard input, to standard output.
fn compile(bounds: Option<Bounds>) -> wasmtime::Result<()> {
    if let Some(bounds) = bounds {
        bounds.apply()?;
    }
    let mut component = Vec::new();
    io::stdin().read_to_end(&mut component)?;
    // Native code does not depend on what an engine has beyond these settings.
    let engine = wasmtime::Engine::new(&codegen::config(None)?)?;
    let code = Code::compile(&engine, &component)?.serialize()?;
    let artifact = Artifact::new(&Key::new(&engine, Digest::of(&component)), &code);
    let mut output = io::stdout().lock();
    output.write_all(&artifact.into_bytes())?;
    Ok(output.flush()?)
}

/// What compiling may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
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

    /// Reads them as they were written; there may be none.
    fn parse(arguments: impl IntoIterator<Item = String>) -> wasmtime::Result<Option<Self>> {
        let bounds: Result<Vec<u64>, _> =
            arguments.into_iter().map(|argument| argument.parse()).collect();
        match bounds?[..] {
            [] => Ok(None),
            [seconds, bytes] => Ok(Some(Self { seconds, bytes })),
            _ => wasmtime::bail!("expected seconds and bytes, or nothing"),
        }
    }

    /// Sets them for this process, which ends without a dump if it comes to that.
    fn apply(self) -> io::Result<()> {
        #[cfg(unix)]
        {
            use rustix::process::{Resource, Rlimit, setrlimit};

            let limit = |limit, most| Rlimit { current: Some(limit), maximum: Some(most) };
            setrlimit(Resource::Core, limit(0, 0))?;
            // It is told first, and killed if it goes on.
            setrlimit(Resource::Cpu, limit(self.seconds, self.seconds + 5))?;
            setrlimit(Resource::Data, limit(self.bytes, self.bytes))?;
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
        _ => NotCompiled::Host(format!("it was ended: {}", output.status)),
    }
}

/// The exit code if a component is no valid one.
const INVALID: u8 = 1;

/// How a process came to an end that did not compile.
enum End {
    /// By what it compiled.
    Failed,
    /// By its own bound.
    OutOfTime,
    /// By somebody else.
    Killed,
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
        let _ = status;
        Self::Failed
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
        assert!(matches!(said(1 << 8, "no component\n"), Invalid(why) if why == "no component"));
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
