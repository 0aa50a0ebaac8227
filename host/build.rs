//! Builds the default rule as a component, for the feature `default-rule` to embed.

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
mod default_rule {
    use std::env;
    use std::fs;
    use std::path::PathBuf;

    use crate::compile::{self, CompileError};

    /// Leaves `OUT_DIR/threshold.wasm`.
    pub(crate) fn build() -> Result<(), CompileError> {
        let folder = |name| PathBuf::from(env::var_os(name).expect("cargo sets it"));
        let (host, out) = (folder("CARGO_MANIFEST_DIR"), folder("OUT_DIR"));
        let workspace = host.parent().expect("the host is a member of the workspace");
        for source in
            ["wit", "json", "guest/sdk", "guest/threshold", "host/src/compile.rs", "Cargo.lock"]
        {
            println!("cargo::rerun-if-changed={}", workspace.join(source).display());
        }

        // With a target directory of its own: the inner cargo would wait forever for the outer one.
        let rule = workspace.join("guest/threshold");
        let component = compile::component(&rule, Some(&out.join("guest")))?;
        fs::write(out.join("threshold.wasm"), component).expect("OUT_DIR can be written");
        Ok(())
    }
}
