//! Builds the default rule as a component and compiles it for the target, for the feature
//! `default-rule` to embed both.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "default-rule")]
    if let Err(error) = default_rule::build() {
        println!("cargo::error=the default rule cannot be built: {error}");
    }
}

#[cfg(feature = "default-rule")]
#[path = "src/compile.rs"]
mod compile;

#[cfg(feature = "default-rule")]
#[path = "src/codegen.rs"]
mod codegen;

#[cfg(feature = "default-rule")]
mod default_rule {
    use std::env;
    use std::fs;
    use std::path::PathBuf;

    use crate::codegen;
    use crate::compile::{self, CompileError};

    /// Leaves `OUT_DIR/threshold.wasm`, and its native code as `OUT_DIR/threshold.cwasm`.
    pub(crate) fn build() -> Result<(), CompileError> {
        let folder = |name| PathBuf::from(env::var_os(name).expect("cargo sets it"));
        let (host, out) = (folder("CARGO_MANIFEST_DIR"), folder("OUT_DIR"));
        let workspace = host.parent().expect("the host is a member of the workspace");
        for source in [
            "wit",
            "json",
            "guest/sdk",
            "guest/threshold",
            "host/src/codegen.rs",
            "host/src/compile.rs",
            "Cargo.lock",
        ] {
            println!("cargo::rerun-if-changed={}", workspace.join(source).display());
        }

        // With a target directory of its own: the inner cargo would wait forever for the outer one.
        let rule = workspace.join("guest/threshold");
        let component = compile::component(&rule, Some(&out.join("guest")))?;
        let target = env::var("TARGET").expect("cargo sets it");
        // Without, the rule is compiled whenever it is loaded.
        let native = native_code(&component, &target).unwrap_or_else(|error| {
            println!("cargo::warning=no native code of the default rule for {target}: {error:#}");
            println!("cargo::warning=the feature `cross` builds it on x86-64 and arm64 alike");
            Vec::new()
        });
        let write = |name, bytes| fs::write(out.join(name), bytes).expect("OUT_DIR can be written");
        write("threshold.wasm", component);
        write("threshold.cwasm", native);
        Ok(())
    }

    fn native_code(component: &[u8], target: &str) -> wasmtime::Result<Vec<u8>> {
        let engine = wasmtime::Engine::new(&codegen::config(Some(target))?)?;
        engine.precompile_component(component)
    }
}
