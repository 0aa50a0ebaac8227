//! What a user of the library alone depends on.

use std::process::Command;

use crate::root;

/// The crates that `weir` is built of, with these features.
fn dependencies(features: &str) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--package", "weir", "--edges", "normal,build", "--prefix", "none"])
        .args(["--no-default-features", "--features", features])
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn the_library_alone_needs_neither_the_aws_sdk_nor_the_command_line() {
    let alone = dependencies("");
    assert!(alone.iter().any(|name| name == "wasmtime"), "{alone:?}");
    for unneeded in [
        "aws-config",
        "aws-sdk-s3",
        "aws-sdk-sns",
        "clap",
        "lambda_runtime",
        "oci-client",
        "reqwest",
        "toml",
    ] {
        let is_unneeded = |name: &String| name == unneeded;
        assert!(!alone.iter().any(is_unneeded), "{unneeded} is in the library");
        let all = dependencies("default");
        assert!(all.iter().any(is_unneeded), "{unneeded} is what the binary has");
    }
}
