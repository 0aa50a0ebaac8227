//! Rules that a test writes itself.

use std::fs;
use std::path::{Path, PathBuf};

use wasm_encoder::{
    Alias, BlockType, CodeSection, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentImportSection, ComponentInstanceSection, ComponentSection,
    ComponentSectionId, ComponentTypeRef, ComponentTypeSection, Function, FunctionSection,
    InstanceType, Module, ModuleSection, PrimitiveValType, RawSection, TypeSection, ValType,
};

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

/// A component that does the same, and imports an interface of WASI that it has no use for.
pub fn asking_for_wasi(component: &[u8]) -> Vec<u8> {
    let interface = "weir:filter/rule@0.2.0";
    let mut types = ComponentTypeSection::new();
    types.instance(&InstanceType::new());
    let mut imports = ComponentImportSection::new();
    imports.import("wasi:cli/environment@0.2.0", ComponentTypeRef::Instance(0));
    let mut instances = ComponentInstanceSection::new();
    let nothing: [(&str, ComponentExportKind, u32); 0] = [];
    instances.instantiate(0, nothing);
    // The first instance is what is imported, the second the rule, the third what the rule exports.
    let mut aliases = ComponentAliasSection::new();
    let kind = ComponentExportKind::Instance;
    aliases.alias(Alias::InstanceExport { instance: 1, kind, name: interface });
    let mut exports = ComponentExportSection::new();
    exports.export(interface, kind, 2, None);
    let mut outer = Component::new();
    outer.section(&types).section(&imports);
    outer.section(&RawSection { id: ComponentSectionId::Component.into(), data: component });
    outer.section(&instances).section(&aliases).section(&exports);
    outer.finish()
}

/// A component of types within types, so deep that the stack of whoever reads it does not suffice: each
/// level takes three bytes.
pub fn nested_deep() -> Vec<u8> {
    // A type that consists of one declaration, which is a type. Source: WebAssembly Component Model,
    // `Binary.md`.
    let (within, innermost) = (b"\x41\x01\x01", b"\x41\x00");
    let types = [b"\x01", &within.repeat(100_000)[..], innermost].concat();
    let mut component = Component::new();
    component.section(&RawSection { id: ComponentSectionId::Type.into(), data: &types });
    component.finish()
}

/// A component of 40 KB which a compiler takes minutes and gigabytes for: `size` variables that are changed
/// within as many loops, one in the other.
pub fn tangled(size: u32) -> Vec<u8> {
    let mut function = Function::new([(size, ValType::I32)]);
    let mut code = function.instructions();
    for _ in 0..size {
        code.loop_(BlockType::Empty);
    }
    for variable in 0..size {
        code.local_get(variable).i32_const(1).i32_add().local_set(variable);
    }
    for _ in 0..size {
        code.i32_const(1).br_if(0).end();
    }
    code.end();
    let (mut types, mut functions, mut bodies) =
        (TypeSection::new(), FunctionSection::new(), CodeSection::new());
    types.ty().function([], []);
    functions.function(0);
    bodies.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&bodies);
    let mut component = Component::new();
    component.section(&ModuleSection(&module));
    component.finish()
}
