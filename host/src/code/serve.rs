use std::io::{self, Read, Write};
use std::process::ExitCode;

use super::Code;
use super::artifact::{Artifact, Key};
use crate::codegen;
use crate::compiler::{Bounds, Compiler, INVALID};
use crate::digest::Digest;

impl Compiler {
    /// What a program does that was started by a compiler: takes the component on standard input, and
    /// answers on standard output. `bounds` are the arguments behind [`COMMAND`](Self::COMMAND).
    ///
    /// On a Unix it lowers what the process may take from then on, and ends it if nobody is left to read
    /// standard output: call it on the main thread, whose stack is the largest, do nothing before, and end
    /// with what it returns.
    pub fn serve(bounds: impl IntoIterator<Item = String>) -> ExitCode {
        let (error, code) = match Bounds::parse(bounds).and_then(compile) {
            Ok(Ok(())) => return ExitCode::SUCCESS,
            Ok(Err(invalid)) => (invalid, ExitCode::from(INVALID)),
            Err(error) => (error, ExitCode::FAILURE),
        };
        // As it is: the host says of which component.
        let _ = write!(io::stderr(), "{error:#}");
        code
    }
}

/// Answers with what is wrong with the component, if it is.
fn compile(bounds: Option<Bounds>) -> wasmtime::Result<wasmtime::Result<()>> {
    if let Some(bounds) = bounds {
        bounds.apply()?;
    }
    #[cfg(unix)]
    end_with_the_host();
    let mut component = Vec::new();
    io::stdin().read_to_end(&mut component)?;
    // Native code does not depend on what an engine has beyond these settings.
    let engine = wasmtime::Engine::new(&codegen::config(None)?)?;
    let code = match Code::compile(&engine, &component) {
        Ok(code) => code.serialize()?,
        Err(invalid) => return Ok(Err(invalid)),
    };
    let artifact = Artifact::new(&Key::new(&engine, Digest::of(&component)), &code);
    let mut output = io::stdout().lock();
    output.write_all(&artifact.into_bytes())?;
    Ok(Ok(output.flush()?))
}

/// Ends this process as soon as nobody is left to read what it will write: whatever ended the host, that
/// closes the pipe between them.
#[cfg(unix)]
fn end_with_the_host() {
    use std::thread;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, kill_process};

    /// It waits, and does nothing else. In bytes.
    const STACK: usize = 64 << 10;

    let watch = || {
        let output = io::stdout();
        // That its readers are gone is told to who asks for nothing.
        let mut watched = [PollFd::new(&output, PollFlags::empty())];
        while poll(&mut watched, None) == Err(Errno::INTR) {}
        if watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            // At once, whatever the other thread is at.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    };
    // Without it, this process ends when it has compiled.
    let _ = thread::Builder::new().name("weir-host".to_owned()).stack_size(STACK).spawn(watch);
}
