//! What a rule author does: write a crate, build it, look at it, run it.

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use weir_tests::weir::{self, binary, weir, with_compiler};

use crate::root;

/// The lines of the first block in this language, of what the README says about writing a rule.
fn block(language: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let opening = format!("```{language}\n");
    let (_, section) = readme.split_once("## Write a rule\n").expect("the section");
    let (_, rest) = section.split_once(&opening).expect("such a block");
    let (block, _) = rest.split_once("```").expect("the end of the block");
    block.to_owned()
}

#[test]
fn the_rule_of_the_readme_does_what_the_readme_says() {
    let author = TempDir::new().expect("a temporary folder");
    let sdk = root().join("guest/sdk");
    let manifest = block("toml").replace("../weir/guest/sdk", sdk.to_str().expect("UTF-8"));
    fs::create_dir(author.path().join("src")).expect("a folder");
    fs::write(author.path().join("src/lib.rs"), block("rust")).expect("the rule's source");
    fs::write(author.path().join("Cargo.toml"), manifest).expect("the rule's manifest");
    fs::copy(root().join("rust-toolchain.toml"), author.path().join("rust-toolchain.toml"))
        .expect("the toolchain with the wasm target");

    let mut build = weir(["build", "--output", "fever.wasm"]);
    let built = weir::run(with_compiler(build.current_dir(author.path()))).success();
    assert!(built.starts_with("fever.wasm: fever 1.0.0, "), "{built}");

    let cache = author.path().join("cache");
    let of_author = |arguments: &[&str]| {
        let mut command = weir(arguments);
        weir::run(command.current_dir(author.path()).env("WEIR_CACHE", &cache)).success()
    };
    let inspected = of_author(&["inspect", "fever.wasm"]);
    assert!(inspected.contains("imports      none\n"), "{inspected}");
    assert!(inspected.contains("called       directly\n"), "{inspected}");
    for origin in ["cached", "packaged"] {
        let inspected = of_author(&["inspect", "fever.wasm"]);
        assert!(inspected.contains(&format!("native code  {origin}\n")), "{inspected}");
        of_author(&["precompile", "fever.wasm"]);
    }

    // The last block holds the command and, below it, what it prints.
    let console = block("console");
    let (command, printed) = console
        .split_once("$ echo")
        .expect("a command to run")
        .1
        .split_once('\n')
        .expect("what it prints");
    let programs = binary().parent().expect("the folder of the binary");
    let output = Command::new("sh")
        .args(["-c", &format!("echo{command}")])
        .current_dir(author.path())
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
        .output()
        .expect("a shell");
    assert_eq!(String::from_utf8(output.stdout).expect("UTF-8"), printed);
}

#[test]
fn the_examples_of_the_help_build_when_pasted() {
    let help = weir::run(&mut weir(["build", "--help"])).success();
    let (_, examples) = help.split_once("Examples:\n").expect("examples in the help");
    for example in examples.lines().filter_map(|line| line.trim().strip_prefix("weir ")) {
        let mut pasted = weir(example.split(' '));
        weir::run(with_compiler(pasted.current_dir(root()))).success();
    }
}

#[test]
fn of_a_workspace_one_crate_is_to_be_named() {
    let author = TempDir::new().expect("a temporary folder");
    let build = || {
        let mut build = weir(["build"]);
        weir::run(with_compiler(build.current_dir(author.path()))).exit(1).stderr
    };
    let stderr = build();
    assert!(stderr.contains("no Cargo.toml"), "{stderr}");
    let manifest = "[workspace]\nmembers = [\"fever\", \"pulse\"]\n";
    fs::write(author.path().join("Cargo.toml"), manifest).expect("a manifest");
    let stderr = build();
    assert!(stderr.contains("no [package]") && stderr.contains("fever, pulse"), "{stderr}");
}

/// What a crate depends on may be a rule as well.
#[test]
fn a_rule_that_a_crate_depends_on_is_not_taken_for_its_own() {
    let author = TempDir::new().expect("a temporary folder");
    let sdk = root().join("guest/sdk");
    let mut new = weir(["new", "depended-on", "--sdk"]);
    weir::run(new.arg(sdk).current_dir(author.path())).success();
    fs::create_dir(author.path().join("src")).expect("a folder");
    fs::write(author.path().join("src/lib.rs"), "").expect("a source");
    let manifest = "[package]\nname = \"depends\"\nedition = \"2024\"\n\
                    [dependencies]\ndepended-on = { path = \"depended-on\" }\n";
    fs::write(author.path().join("Cargo.toml"), manifest).expect("a manifest");
    fs::copy(root().join("rust-toolchain.toml"), author.path().join("rust-toolchain.toml"))
        .expect("the toolchain with the wasm target");
    let mut build = weir(["build"]);
    let stderr = weir::run(with_compiler(build.current_dir(author.path()))).exit(1).stderr;
    assert!(stderr.contains("crate-type = [\"cdylib\"]"), "{stderr}");
}

/// A rule that begins with 80 MiB.
const LARGE: &str = r#"
use core::sync::atomic::{AtomicU8, Ordering};

use weir_guest::{Record, Rule, Settings, SettingsError, Verdict};

static TABLE: [AtomicU8; 80 << 20] = [const { AtomicU8::new(0) }; 80 << 20];

struct Large;

impl Rule for Large {
    const NAME: &str = "large";
    const VERSION: &str = "1.0.0";
    const SETTINGS_SCHEMA: &str = "{}";

    fn open(_settings: Settings<'_>) -> Result<Self, SettingsError> {
        Ok(Self)
    }

    fn classify(&mut self, record: &Record<'_>) -> Verdict {
        match TABLE[record.payload().len()].fetch_add(1, Ordering::Relaxed) {
            0 => Verdict::Pass,
            _ => Verdict::Drop,
        }
    }
}

weir_guest::export!(Large);
"#;

#[test]
fn a_rule_that_needs_more_memory_goes_through_all_commands() {
    let author = TempDir::new().expect("a temporary folder");
    let sdk = root().join("guest/sdk");
    let mut new = weir(["new", "large", "--sdk"]);
    weir::run(new.arg(sdk).current_dir(author.path())).success();
    let folder = author.path().join("large");
    fs::write(folder.join("src/lib.rs"), LARGE).expect("a source");
    let case = r#"{"records": [{"text": "any", "verdict": "pass"}]}"#;
    fs::write(folder.join("golden/bounds.json"), case).expect("a case");
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-N", "", "-t", "ed25519", "-f", "key"]).current_dir(&folder);
    weir::run(&mut keygen).success();
    for command in [
        &["build"][..],
        &["test", "large.wasm"],
        &["precompile", "large.wasm"],
        &["inspect", "large.wasm"],
        &["sign", "--key", "key", "large.wasm"],
        &["verify", "large.wasm"],
    ] {
        let mut limited = weir(command);
        let refused = weir::run(with_compiler(limited.current_dir(&folder)));
        assert_eq!(refused.code, Some(1), "{command:?}: {}", refused.stderr);
        let stderr = refused.stderr;
        assert!(stderr.contains("memory limit") && !stderr.contains("export!"), "{stderr}");
        weir::run(limited.args(["--memory-limit-mib", "128"])).success();
    }
}

#[test]
fn a_crate_that_is_no_rule_is_told_what_it_lacks() {
    let author = TempDir::new().expect("a temporary folder");
    fs::create_dir(author.path().join("src")).expect("a folder");
    fs::write(author.path().join("src/lib.rs"), "").expect("a source");
    fs::copy(root().join("rust-toolchain.toml"), author.path().join("rust-toolchain.toml"))
        .expect("the toolchain with the wasm target");
    let manifest = "[package]\nname = \"empty\"\nedition = \"2024\"\n";
    let lacks = |manifest: &str| {
        fs::write(author.path().join("Cargo.toml"), manifest).expect("a manifest");
        let mut build = weir(["build"]);
        weir::run(with_compiler(build.current_dir(author.path()))).exit(1).stderr
    };
    let stderr = lacks(manifest);
    assert!(stderr.contains("crate-type = [\"cdylib\"]"), "{stderr}");
    let stderr = lacks(&format!("{manifest}[lib]\ncrate-type = [\"cdylib\"]\n"));
    assert!(stderr.contains("weir_guest::export!"), "{stderr}");
}
