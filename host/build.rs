//! Builds Weir's own rules as components and compiles them for the target, for the feature
//! `default-rule` to embed all of it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "default-rule")]
    if let Err(error) = rules::build() {
        println!("cargo::error=the rules to embed cannot be built: {error}");
        // What the inner cargo said is shown only of a script that fails.
        std::process::exit(1);
    }
}

#[cfg(feature = "default-rule")]
#[path = "src/compile.rs"]
mod compile;

#[cfg(feature = "default-rule")]
#[path = "src/codegen.rs"]
mod codegen;

#[cfg(feature = "default-rule")]
#[path = "src/wrapper.rs"]
mod wrapper;

#[cfg(feature = "default-rule")]
mod rules {
    use std::env;
    use std::fs;
    use std::path::PathBuf;

    use crate::codegen;
    use crate::compile::{self, CompileError};
    use crate::wrapper;

    /// The rules by their names, and the packages that they are.
    const RULES: [(&str, &str); 2] = [("threshold", "weir-threshold"), ("forest", "weir-forest")];

    /// Leaves a `.wasm` in `OUT_DIR` for each rule, and its native code as `.cwasm`.
    pub(crate) fn build() -> Result<(), CompileError> {
        let folder = |name| PathBuf::from(env::var_os(name).expect("cargo sets it"));
        let (host, out) = (folder("CARGO_MANIFEST_DIR"), folder("OUT_DIR"));
        let workspace = host.parent().expect("the host is a member of the workspace");
        for source in [
            "wit",
            "json",
            "guest/sdk",
            "guest/threshold",
            "guest/forest/Cargo.toml",
            "guest/forest/src",
            "host/src/codegen.rs",
            "host/src/compile.rs",
            "host/src/wrapper.rs",
            "Cargo.lock",
            "Cargo.toml",
        ] {
            println!("cargo::rerun-if-changed={}", workspace.join(source).display());
        }

        // With a target directory of its own: the inner cargo would wait forever for the outer one.
        let packages = RULES.map(|(_, package)| Some(package));
        let components = compile::components(workspace, packages, Some(&out.join("guest")))?;
        let target = env::var("TARGET").expect("cargo sets it");
        for ((rule, _), component) in RULES.into_iter().zip(components) {
            // Without, the rule is compiled whenever it is loaded.
            let native = native_code(&component, &target).unwrap_or_else(|error| {
                println!(
                    "cargo::warning=no native code of the rule {rule} for {target}: {error:#}"
                );
                println!("cargo::warning=the feature `cross` builds it on x86-64 and arm64 alike");
                Vec::new()
            });
            for (kind, bytes) in [("wasm", component), ("cwasm", native)] {
                let file = out.join(rule).with_extension(kind);
                fs::write(file, bytes).expect("OUT_DIR can be written");
            }
        }
        Ok(())
    }

    fn native_code(component: &[u8], target: &str) -> wasmtime::Result<Vec<u8>> {
        let engine = wasmtime::Engine::new(&codegen::config(Some(target))?)?;
        match wrapper::core_module(component) {
            Some(module) => engine.precompile_module(module),
            None => engine.precompile_component(component),
        }
    }
}
