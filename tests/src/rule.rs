//! Rules that a test writes itself.

use std::fs;
use std::path::{Path, PathBuf};

use wasm_encoder::{ComponentSection, ComponentTypeSection, PrimitiveValType};

use crate::target;
use crate::weir::{self, weir, with_compiler};

/// The component of a rule whose crate has this one source file.
///
/// # Panics
///
/// If it does not build, with what the compiler said.
pub fn build(name: &str, source: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let sdk = root.join("guest/sdk");
    let folder = target::directory().join("test-rule-crates").join(name);
    fs::create_dir_all(folder.join("src")).expect("a folder");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\
         [dependencies]\nweir-guest = {{ path = {sdk:?} }}\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("the rule's manifest");
    fs::write(folder.join("src/lib.rs"), source).expect("the rule's source");
    fs::copy(root.join("rust-toolchain.toml"), folder.join("rust-toolchain.toml"))
        .expect("the toolchain with the wasm target");
    let mut build = weir(["build", "--output", "rule.wasm"]);
    weir::run(with_compiler(build.current_dir(&folder))).success();
    folder.join("rule.wasm")
}

/// A component with a type more, which nothing is of. It does the same, but hosts that know how a rule
/// is wrapped do not know this one.
pub fn wrapped_otherwise(component: &[u8]) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    types.defined_type().primitive(PrimitiveValType::U8);
    let mut component = component.to_vec();
    types.append_to_component(&mut component);
    component
}
