use std::io;
use std::process::ExitCode;
#[cfg(target_os = "linux")]
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{self, Path, PathBuf},
};

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
    #[cfg(target_os = "linux")]
    let program = running("/proc/self/exe".as_ref())?;
    #[cfg(not(target_os = "linux"))]
    let program = std::env::current_exe()?;
    Ok(Compiler::new(program))
}

/// The program of this process: `link`, which stays this one if its file is replaced, or the path that it was
/// started by where `/proc` is missing.
#[cfg(target_os = "linux")]
fn running(link: &Path) -> io::Result<PathBuf> {
    if link.exists() {
        return Ok(link.to_owned());
    }
    path::absolute(OsStr::from_bytes(rustix::param::linux_execfn().to_bytes()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn without_proc_this_program_is_found_by_its_path() {
        let program = running("/no-proc/self/exe".as_ref()).expect("a path");
        assert_eq!(program.canonicalize().ok(), std::env::current_exe().ok());
    }
}
