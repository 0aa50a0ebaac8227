use std::io;
use std::process::ExitCode;

use clap::Args;

use crate::compiler::Compiler;

#[derive(Debug, Args)]
pub(super) struct CompileArgs {
    /// What compiling may take
    bounds: Vec<String>,
}

pub(super) fn main(args: CompileArgs) -> ExitCode {
    Compiler::serve(args.bounds)
}

/// This program, as what compiles rules.
pub(super) fn compiler() -> io::Result<Compiler> {
    // It stays this one if its file is replaced while it runs.
    let program = match cfg!(target_os = "linux") {
        true => "/proc/self/exe".into(),
        false => std::env::current_exe()?,
    };
    Ok(Compiler::new(program))
}
