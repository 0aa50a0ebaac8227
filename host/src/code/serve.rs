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
}

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
