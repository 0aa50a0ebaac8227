//! Builds the rivals' guests, as Weir builds its rules: the same compiler flags, the same profile.

#[allow(dead_code, reason = "the guests are core modules: what makes a component is not needed")]
#[path = "../host/src/compile.rs"]
mod compile;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let folder = |name| PathBuf::from(env::var_os(name).expect("cargo sets it"));
    let (here, out) = (folder("CARGO_MANIFEST_DIR"), folder("OUT_DIR"));
    for source in
        ["build.rs", "Cargo.lock", "guests", "../json", "../guest/sdk", "../host/src/compile.rs"]
    {
        println!("cargo::rerun-if-changed={source}");
    }
    let lock = fs::read_to_string(here.join("Cargo.lock")).expect("cargo has written it");

    for (rival, package) in [("extism", "extism"), ("fluvio", "fluvio-smartengine")] {
        let feature = format!("CARGO_FEATURE_{}", rival.to_uppercase());
        if env::var_os(feature).is_none() {
            continue;
        }
        let version = locked_version(&lock, package);
        println!("cargo::rustc-env={}_VERSION={version}", rival.to_uppercase());
        if let Err(error) = build(&here.join("guests").join(rival), &out, rival) {
            println!("cargo::error=the guest for {rival} cannot be built: {error}");
        }
    }
}

/// Leaves `{name}.wasm` in the folder `out`.
fn build(guest: &Path, out: &Path, name: &str) -> Result<(), compile::CompileError> {
    let [module] = compile::core_modules(guest, [None], Some(&out.join("guests")))?;
    fs::copy(module, out.join(name).with_extension("wasm")).expect("OUT_DIR can be written");
    Ok(())
}

/// The version of a package that there is one version of.
fn locked_version<'a>(lock: &'a str, package: &str) -> &'a str {
    let name = format!("name = \"{package}\"\nversion = \"");
    let (_, after) = lock.split_once(&name).expect("the package is locked");
    after.split('"').next().expect("a split has a first part")
}
