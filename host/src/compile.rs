//! Turns rules' crates into components. The command line does it for rule authors, the build script
//! for the rules that it embeds.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use wasmparser::{Export, Parser, Payload};
use wit_component::ComponentEncoder;

/// What rules are compiled for: no system below them, so there is nothing they could import.
const TARGET: &str = "wasm32-unknown-unknown";

/// What every host's engine has; a small stack, so that all the memory of a rule lies together at its
/// start, where the host keeps it from one instance to the next; and a heap (256 KiB) that from the
/// beginning is as large as a part of a batch needs with all that a rule makes of it, because growing
/// takes time. No larger: what was written once, the host clears after every instance from then on.
///
/// And no reduction of strength in loops: LLVM computes an address for each access then, where the engine's
/// compiler would have the offset in the instruction.
const RUSTFLAGS: &str = "-C target-feature=+simd128,+bulk-memory -C link-arg=-zstack-size=131072 \
                         -C link-arg=--initial-heap=262144 -C llvm-args=-disable-lsr";

/// How a rule is compiled, whatever its crate's own profile says.
const PROFILE: [&str; 4] = [
    "profile.release.lto=true",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.strip=true",
];

/// That a crate makes no rule, with what its author may have left out.
pub(crate) const NO_RULE: &str = "the crate makes no rule (does it call weir_guest::export!?)";

/// Compiles packages of the workspace that `folder` is in, by their names and all at once, and wraps
/// each as a component. None is the package of `folder` itself. Cargo reports to standard error.
/// Without a target directory of its own it is the workspace's.
pub(crate) fn components<const N: usize>(
    folder: &Path,
    packages: [Option<&str>; N],
    target_dir: Option<&Path>,
) -> Result<[Vec<u8>; N], CompileError> {
    // Else it is the compiler that seems to be missing.
    if !folder.is_dir() {
        return Err(CompileError::NoFolder);
    }
    if !target_is_installed(folder)? {
        return Err(CompileError::TargetMissing);
    }
    let mut components = [const { Vec::new() }; N];
    let modules = core_modules(folder, packages, target_dir)?;
    for (component, module) in components.iter_mut().zip(modules) {
        let module = fs::read(&module).map_err(|error| CompileError::Module(module, error))?;
        *component = ComponentEncoder::default()
            .module(&module)
            .and_then(|encoder| encoder.validate(true).encode())
            .map_err(|error| not_wrapped(&module, &format!("{error:#}")))?;
    }
    Ok(components)
}

/// Why a module cannot be wrapped: `weir_guest::export!` has it export the functions of the contract.
fn not_wrapped(module: &[u8], error: &str) -> CompileError {
    let is_of_rule = |export: Export<'_>| export.name.starts_with("weir:filter/rule@");
    let exports_rule = Parser::new(0).parse_all(module).any(|part| match part {
        Ok(Payload::ExportSection(exports)) => exports.into_iter().flatten().any(is_of_rule),
        _ => false,
    });
    match exports_rule {
        true => CompileError::NotWrapped(error.to_owned()),
        false => CompileError::NoRule(error.to_owned()),
    }
}

fn target_is_installed(folder: &Path) -> Result<bool, CompileError> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .current_dir(folder)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| CompileError::NotStarted(rustc, error))?;
    let folder = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(folder.trim()).exists())
}

/// Runs cargo. Answers with the file that it made of each package.
pub(crate) fn core_modules<const N: usize>(
    folder: &Path,
    packages: [Option<&str>; N],
    target_dir: Option<&Path>,
) -> Result<[PathBuf; N], CompileError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command
        .current_dir(folder)
        .args(["build", "--lib", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        .args(packages.iter().flatten().flat_map(|package| ["--package", package]))
        .env("RUSTFLAGS", RUSTFLAGS)
        .stderr(Stdio::inherit());
    if let Some(target_dir) = target_dir {
        // Also what is not for others to see: elsewhere it may be locked by the outer cargo.
        command.arg("--target-dir").arg(target_dir).env("CARGO_BUILD_BUILD_DIR", target_dir);
    }
    // What is meant for the code around the rule does not fit the rule.
    for variable in [
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_TARGET",
    ] {
        command.env_remove(variable);
    }
    let output = command.output().map_err(|error| CompileError::NotStarted(cargo, error))?;
    if !output.status.success() {
        return Err(CompileError::Failed);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let files: Vec<_> = messages.filter_map(|message: Value| wasm_file(&message)).collect();
    // As cargo has it, who starts where it is told to.
    let of_folder = folder.canonicalize().map(|folder| folder.join("Cargo.toml")).ok();
    let mut modules = [const { PathBuf::new() }; N];
    for (module, package) in modules.iter_mut().zip(packages) {
        let library = package.map(|package| package.replace('-', "_"));
        let is_its = |(manifest, file): &&(PathBuf, PathBuf)| match &library {
            Some(library) => file.file_stem().is_some_and(|stem| stem == library.as_str()),
            None => of_folder.as_ref() == Some(manifest),
        };
        let (_, file) = files.iter().rfind(is_its).ok_or(CompileError::NoModule)?;
        *module = file.clone();
    }
    Ok(modules)
}

/// The wasm file that a message of cargo's names, after the manifest of its package.
fn wasm_file(message: &Value) -> Option<(PathBuf, PathBuf)> {
    let manifest = message.get("manifest_path")?.as_str()?;
    let files = message.get("filenames")?.as_array()?;
    let file = files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm"))?;
    Some((manifest.into(), file.into()))
}

/// Why a crate could not be turned into a component.
#[derive(Debug)]
pub(crate) enum CompileError {
    /// The crate's folder is missing.
    NoFolder,
    /// The compiler has no standard library for wasm.
    TargetMissing,
    /// A program could not be started.
    NotStarted(OsString, io::Error),
    /// Cargo said why.
    Failed,
    /// The crate is no `cdylib`.
    NoModule,
    /// The compiled file cannot be read.
    Module(PathBuf, io::Error),
    /// The compiled file cannot be wrapped.
    NotWrapped(String),
    /// Nor does it export anything of a rule.
    NoRule(String),
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFolder => write!(f, "there is no such folder"),
            Self::TargetMissing => write!(
                f,
                "the Rust target {TARGET} is not installed; where there is a rust-toolchain.toml \
                 that names it, install it with `rustup toolchain install`, or else with `rustup \
                 target add {TARGET}`"
            ),
            Self::NotStarted(program, error) => {
                write!(f, "cannot start {}: {error}", program.display())
            }
            Self::Failed => write!(f, "the rule does not compile"),
            Self::NoModule => write!(
                f,
                "the crate makes no wasm file: its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`"
            ),
            Self::Module(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::NotWrapped(error) => write!(f, "cannot be wrapped as a component: {error}"),
            Self::NoRule(error) => write!(f, "{NO_RULE}: {error}"),
        }
    }
}

impl std::error::Error for CompileError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_missing_is_no_missing_compiler() {
        let error = components(Path::new("nosuch"), [None], None).expect_err("no folder");
        assert!(matches!(error, CompileError::NoFolder), "{error}");
    }
}
