//! Builds the default rule as a component, for the feature `default-rule` to embed.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "default-rule")]
    default_rule::build();
}

#[cfg(feature = "default-rule")]
mod default_rule {
    use std::env;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use wit_component::ComponentEncoder;

    const TARGET: &str = "wasm32-unknown-unknown";

    /// Leaves `OUT_DIR/threshold.wasm`.
    pub(crate) fn build() {
        let host = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
        let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
        let workspace = host.parent().expect("the host is a member of the workspace");
        for source in ["wit", "guest/sdk", "guest/threshold", "Cargo.lock"] {
            println!("cargo::rerun-if-changed={}", workspace.join(source).display());
        }

        let module = core_module(workspace, &out.join("guest"));
        let component = ComponentEncoder::default()
            .module(&module)
            .and_then(|encoder| encoder.validate(true).encode())
            .unwrap_or_else(|error| panic!("cannot wrap the rule as a component: {error:#}"));
        fs::write(out.join("threshold.wasm"), component).expect("OUT_DIR can be written");
    }

    /// Compiles the rule. The inner cargo has a target directory of its own: it would wait for the
    /// outer one's lock forever.
    fn core_module(workspace: &Path, target_dir: &Path) -> Vec<u8> {
        let output = Command::new(env::var_os("CARGO").expect("cargo sets it"))
            .current_dir(workspace)
            .args(["build", "--package", "weir-threshold", "--lib", "--release", "--target", TARGET])
            .arg("--target-dir")
            .arg(target_dir)
            .args(["--config", "profile.release.lto=true"])
            .args(["--config", "profile.release.codegen-units=1"])
            .args(["--config", "profile.release.panic=\"abort\""])
            .args(["--config", "profile.release.strip=true"])
            // What is meant for the host's code does not fit the rule's.
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .env_remove("CARGO_BUILD_TARGET")
            .env("RUSTFLAGS", "-C target-feature=+simd128,+bulk-memory")
            .output()
            .expect("cargo can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            if errors.contains("E0463") || errors.contains("target may not be installed") {
                panic!(
                    "the default rule needs the Rust target {TARGET}. Install it with:\n\n    \
                     rustup toolchain install\n\nin the folder of rust-toolchain.toml, or build \
                     without the feature `default-rule`."
                );
            }
            panic!("the default rule does not build:\n{errors}");
        }
        let module = target_dir.join(TARGET).join("release/weir_threshold.wasm");
        fs::read(&module).unwrap_or_else(|error| panic!("{}: {error}", module.display()))
    }
}
