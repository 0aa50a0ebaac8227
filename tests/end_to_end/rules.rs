//! The life of a rule: begun, built, tested, signed, verified, and refused where it is to be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use wasm_encoder::{ComponentSection, CustomSection};
use weir_tests::rule::asking_for_wasi;
use weir_tests::weir::{self, Output, weir, with_compiler};

use crate::root;

/// A folder with the crate `pulse`, as `weir new` makes it, and the rule built from it.
fn author() -> &'static Path {
    static AUTHOR: OnceLock<TempDir> = OnceLock::new();
    let folder = AUTHOR.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        let sdk = root().join("guest/sdk");
        let mut new = weir(["new", "pulse", "--sdk"]);
        weir::run(new.arg(sdk).current_dir(folder.path())).success();
        build(folder.path(), "pulse", "pulse.wasm").success();
        folder
    });
    folder.path()
}

/// Builds a crate in `folder`. Those of tests have names of their own: one target directory serves all.
fn build(folder: &Path, name: &str, output: &str) -> Output {
    let mut build = weir(["build", name, "--output", output]);
    weir::run(with_compiler(build.current_dir(folder)))
}

/// A folder of a test's own, with the rule in it.
fn with_rule() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::copy(author().join("pulse.wasm"), folder.path().join("pulse.wasm")).expect("the rule");
    folder
}

fn weir_in(folder: &TempDir, arguments: &[&str]) -> Output {
    weir::run(weir(arguments).current_dir(folder.path()))
}

/// Runs a program of OpenSSH's. It is part of the system: on Debian, of openssh-client.
fn ssh_keygen(folder: &TempDir, arguments: &[&str], input: &[u8]) -> Output {
    let file = folder.path().join("input");
    fs::write(&file, input).expect("an input");
    let output = Command::new("ssh-keygen")
        .args(arguments)
        .current_dir(folder.path())
        .stdin(fs::File::open(file).expect("an input"))
        .output()
        .expect("ssh-keygen, of the package openssh-client");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Output { stdout: text(output.stdout), stderr: text(output.stderr), code: output.status.code() }
}

/// Makes a key of a kind, and allows it to sign: `key`, `key.pub`, `allowed_signers`.
fn make_key(folder: &TempDir, kind: &[&str], passphrase: &str) {
    let mut arguments = vec!["-q", "-N", passphrase, "-f", "key"];
    arguments.extend(kind);
    ssh_keygen(folder, &arguments, b"").success();
    // Not all keys can be read, and it is said of which.
    fs::copy(folder.path().join("pulse.wasm"), folder.path().join("other.wasm")).expect("a rule");
    while weir_in(folder, &["sign", "--key", "key", "other.wasm"]).stderr.contains("1 in 256") {
        fs::remove_file(folder.path().join("key")).expect("the key");
        ssh_keygen(folder, &arguments, b"").success();
    }
    let public = fs::read_to_string(folder.path().join("key.pub")).expect("the public key");
    allow(folder, "", &public);
}

fn allow(folder: &TempDir, options: &str, public: &str) {
    let line = format!("ada@example.org {options} {public}");
    fs::write(folder.path().join("allowed_signers"), line).expect("the signers");
}

fn verify(folder: &TempDir) -> Output {
    weir_in(folder, &["verify", "pulse.wasm", "--signers", "allowed_signers"])
}

const ED25519: &[&str] = &["-t", "ed25519"];

#[test]
fn a_new_rule_compiles_and_passes_its_tests_as_it_is() {
    let crate_folder = author().join("pulse");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--quiet"]).current_dir(&crate_folder);
    weir::run(with_compiler(&mut cargo)).success();

    let tested = weir::run(weir(["test", "pulse.wasm"]).current_dir(author())).success();
    assert_eq!(tested, "bounds  pass  4 records\n4 records in 1 case, 0 differences\n");
    let inspected = weir::run(weir(["inspect", "pulse.wasm"]).current_dir(author())).success();
    assert!(inspected.contains("imports      none\n"), "{inspected}");
    assert!(inspected.contains("golden       4 records\n"), "{inspected}");

    let mut again = weir(["new", "pulse"]);
    let again = weir::run(again.current_dir(author())).exit(2);
    assert!(again.stderr.contains("there already"), "{}", again.stderr);
}

#[test]
fn openssh_takes_what_weir_signs_and_the_other_way_round() {
    for kind in [ED25519, &["-t", "ecdsa", "-b", "256"], &["-t", "ecdsa", "-b", "384"]] {
        let folder = with_rule();
        make_key(&folder, kind, "");
        let rule = fs::read(folder.path().join("pulse.wasm")).expect("the rule");
        weir_in(&folder, &["sign", "--key", "key", "pulse.wasm"]).success();
        let check = ["-Y", "verify", "-n", "weir", "-f", "allowed_signers", "-s", "pulse.wasm.sig"];
        let check = [&check[..], &["-I", "ada@example.org"]].concat();
        ssh_keygen(&folder, &check, &rule).success();
        verify(&folder).success();

        fs::remove_file(folder.path().join("pulse.wasm.sig")).expect("the signature");
        ssh_keygen(&folder, &["-Y", "sign", "-n", "weir", "-f", "key", "pulse.wasm"], b"")
            .success();
        let verified = verify(&folder).success();
        assert!(verified.contains("signature  ada@example.org (SHA256:"), "{verified}");
    }
}

#[test]
fn what_no_signer_signed_is_refused() {
    let folder = with_rule();
    make_key(&folder, ED25519, "");
    let refused = |says: &str| {
        let error = verify(&folder).exit(1).stderr;
        assert!(error.starts_with("error: rule pulse.wasm: refused, signature: "), "{error}");
        assert!(error.contains(says) && error.lines().count() == 1, "{says} in {error}");
    };
    refused("weir sign");

    ssh_keygen(&folder, &["-Y", "sign", "-n", "file", "-f", "key", "pulse.wasm"], b"").success();
    refused("-n weir");

    weir_in(&folder, &["sign", "--key", "key", "pulse.wasm"]).success();
    let public = fs::read_to_string(folder.path().join("key.pub")).expect("the public key");
    allow(&folder, "valid-before=\"20200101Z\"", &public);
    refused("may not sign after 20200101Z");

    allow(&folder, "", &public);
    let signature = folder.path().join("pulse.wasm.sig");
    let whole = fs::read(&signature).expect("the signature");
    fs::write(&signature, &whole[..whole.len() / 2]).expect("a signature cut short");
    refused("damaged");

    fs::write(&signature, &whole).expect("the signature");
    let rule = folder.path().join("pulse.wasm");
    let mut bytes = fs::read(&rule).expect("the rule");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(&rule, bytes).expect("another rule");
    refused("does not match");

    fs::remove_file(folder.path().join("key")).expect("the key");
    make_key(&folder, ED25519, "");
    refused("not among the signers");
}

#[test]
fn a_key_that_cannot_sign_here_is_told_what_can() {
    let folder = with_rule();
    make_key(&folder, ED25519, "a passphrase");
    let error = weir_in(&folder, &["sign", "--key", "key", "pulse.wasm"]).exit(2).stderr;
    assert!(error.contains("ssh-keygen -Y sign -n weir"), "{error}");

    let folder = with_rule();
    make_key(&folder, &["-t", "ecdsa", "-b", "521"], "");
    let error = weir_in(&folder, &["sign", "--key", "key", "pulse.wasm"]).exit(2).stderr;
    assert!(error.contains("ed25519 or ecdsa (P-256, P-384)"), "{error}");

    let folder = with_rule();
    make_key(&folder, &["-t", "rsa"], "");
    let error = weir_in(&folder, &["sign", "--key", "key", "pulse.wasm"]).exit(2).stderr;
    assert!(error.contains("ed25519") && !error.contains("ssh-keygen"), "{error}");
    let error = verify(&folder).exit(2).stderr;
    assert!(error.contains("allowed_signers: line 1: ") && error.contains("rsa"), "{error}");
}

#[test]
fn what_is_refused_before_it_is_read_whole_is_refused_as_any_other() {
    let folder = with_rule();
    let digest = format!("sha256:{}", "0".repeat(64));
    for (arguments, says) in [
        (["--rule-digest", &digest], "refused, digest: expected the component sha256:000"),
        (["--max-rule-mib", "0"], "refused, size: the component is larger than 0 bytes"),
    ] {
        let verify = [&["verify", "pulse.wasm"], &arguments[..]].concat();
        let error = weir_in(&folder, &verify).exit(1).stderr;
        assert!(error.starts_with(&format!("error: rule pulse.wasm: {says}")), "{error}");
    }
    weir_in(&folder, &["verify", "nosuch.wasm"]).exit(2);
    weir_in(&folder, &["verify", "pulse.wasm", "--demand-golden=false"]).success();
}

#[test]
fn a_rule_with_a_grant_is_tested_signed_and_verified_like_any_other() {
    let folder = with_rule();
    let rule = folder.path().join("pulse.wasm");
    let mut component = asking_for_wasi(&fs::read(&rule).expect("the rule"));
    let golden = fs::read_to_string(author().join("pulse/golden/bounds.json")).expect("a case");
    let golden = format!("{{\"bounds\": {golden}}}");
    CustomSection { name: "weir:golden-records".into(), data: golden.as_bytes().into() }
        .append_to_component(&mut component);
    fs::write(&rule, component).expect("a rule");
    make_key(&folder, ED25519, "");
    for (command, imports) in [
        (&["test"][..], ""),
        (&["sign", "--key", "key"], ""),
        (&["verify", "--signers", "allowed_signers"], "imports    wasi:cli/environment@0.2.0\n"),
        (&["inspect"], "imports      wasi:cli/environment@0.2.0\n"),
    ] {
        let command = [command, &["pulse.wasm"]].concat();
        let refused = weir_in(&folder, &command);
        assert_eq!(refused.code, Some(1), "{command:?}");
        assert!(refused.stderr.contains("inert-wasi"), "{command:?}: {}", refused.stderr);

        let granted = weir_in(&folder, &[&command[..], &["--grant", "inert-wasi"]].concat());
        assert!(granted.success().contains(imports), "{command:?}");
        let mut granted = weir(&command);
        granted.current_dir(folder.path()).env("WEIR_GRANT", "inert-wasi");
        weir::run(&mut granted).success();
    }
}

#[test]
fn no_rule_is_taken_that_is_larger_than_allowed() {
    let folder = with_rule();
    make_key(&folder, ED25519, "");
    for command in [
        &["inspect", "pulse.wasm"][..],
        &["test", "pulse.wasm"],
        &["sign", "--key", "key", "pulse.wasm"],
        &["precompile", "pulse.wasm"],
        &["pull", "./pulse.wasm", "--output", "pulled.wasm"],
    ] {
        let mut by_environment = weir(command);
        by_environment.current_dir(folder.path()).env("WEIR_MAX_RULE_MIB", "0");
        let error = weir::run(&mut by_environment).exit(2).stderr;
        assert!(error.contains("larger than 0 bytes"), "{command:?}: {error}");
        by_environment.args(["--max-rule-mib", "1"]);
        weir::run(&mut by_environment).success();
    }
}

#[test]
fn native_code_does_not_take_the_place_of_its_rule() {
    let folder = with_rule();
    let component = fs::read(folder.path().join("pulse.wasm")).expect("the rule");
    let rule = folder.path().join("pulse.cwasm");
    fs::write(&rule, &component).expect("a rule");
    let error = weir_in(&folder, &["precompile", "pulse.cwasm"]).exit(2).stderr;
    assert!(error.contains("--output"), "{error}");
    assert!(fs::read(&rule).expect("the rule") == component, "it is as it was");
    weir_in(&folder, &["precompile", "pulse.cwasm", "--output", "native.cwasm"]).success();
}

#[test]
fn a_rule_that_cannot_be_replaced_keeps_its_signature() {
    let folder = with_rule();
    make_key(&folder, ED25519, "");
    weir_in(&folder, &["sign", "--key", "key", "pulse.wasm"]).success();
    let files = || {
        let read = |name| fs::read(folder.path().join(name)).expect(name);
        (read("pulse.wasm"), read("pulse.wasm.sig"))
    };
    let before = files();
    fs::create_dir(folder.path().join("folder")).expect("a folder");
    fs::write(folder.path().join("folder.sig"), "a signature").expect("a file");
    weir_in(&folder, &["pull", "./pulse.wasm", "--output", "folder"]).exit(1);
    let signature = fs::read_to_string(folder.path().join("folder.sig")).expect("a file");
    assert_eq!(signature, "a signature");
    assert!(files() == before, "both are as they were");

    // As another process may write it just now.
    let part = folder.path().join("pulse.wasm.part");
    fs::write(&part, "a part").expect("a file");
    weir_in(&folder, &["pull", "threshold", "--output", "pulse.wasm"]).success();
    assert!(!folder.path().join("pulse.wasm.sig").exists(), "it is of another rule");
    assert_eq!(fs::read_to_string(part).expect("the part"), "a part");
    let entries = fs::read_dir(folder.path()).expect("the folder");
    let hidden = entries.filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with('.'))
    });
    assert_eq!(hidden.count(), 0, "nothing is left behind");
}

#[test]
fn of_a_directory_one_version_is_to_be_named() {
    let folder = with_rule();
    make_key(&folder, ED25519, "");
    fs::create_dir(folder.path().join("rules")).expect("a folder");
    let rule = folder.path().join("rules/pulse-1.0.0.wasm");
    fs::copy(folder.path().join("pulse.wasm"), rule).expect("a rule");
    for command in [&["sign", "--key", "key"][..], &["precompile"]] {
        for directory in ["rules", "rules/"] {
            let refused = weir_in(&folder, &[command, &[directory]].concat()).exit(2);
            let expected = format!("{directory} is a directory: name the file of one version");
            assert!(refused.stderr.contains(&expected), "{}", refused.stderr);
        }
        weir_in(&folder, &[command, &["rules/pulse-1.0.0.wasm"]].concat()).success();
    }
    let signed = ["verify", "rules", "--signers", "allowed_signers"];
    weir_in(&folder, &signed).success();
    assert_eq!(fs::read_dir(folder.path().join("rules")).expect("a folder").count(), 3);
}

#[test]
fn a_crate_that_exports_no_rule_is_told_so() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut new = weir(["new", "silent-pulse", "--sdk"]);
    weir::run(new.arg(root().join("guest/sdk")).current_dir(folder.path())).success();
    let source = folder.path().join("silent-pulse/src/lib.rs");
    let text = fs::read_to_string(&source).expect("the source");
    let silent: Vec<&str> = text.lines().filter(|line| !line.contains("export!")).collect();
    assert!(silent.len() < text.lines().count());
    for text in [silent.join("\n").as_str(), ""] {
        fs::write(&source, text).expect("a source");
        let stderr = build(folder.path(), "silent-pulse", "silent.wasm").exit(1).stderr;
        let hint = "the crate makes no rule (does it call weir_guest::export!?)";
        assert!(stderr.contains(hint), "{stderr}");
    }
}

#[test]
fn what_is_refused_does_not_run_and_one_line_says_why() {
    let folder = with_rule();
    make_key(&folder, ED25519, "");
    weir_in(&folder, &["sign", "--key", "key", "pulse.wasm"]).success();
    let rule = folder.path().join("pulse.wasm");
    let whole = fs::read(&rule).expect("the rule");
    fs::write(folder.path().join("cut.wasm"), &whole[..whole.len() - 1]).expect("a rule cut short");
    let digest = format!("sha256:{}", "0".repeat(64));
    let cases: [(&[&str], &str); 7] = [
        (&["--rule", "cut.wasm"], "refused, component: "),
        (&["--rule", "cut.wasm", "--signers", "allowed_signers"], "refused, signature: "),
        (&["--rule", "pulse.wasm", "--settings", r#"{"above": "high"}"#], "refused, settings: "),
        (&["--rule", "pulse.wasm", "--settings", r#"{"abov": 1}"#], "refused, settings: "),
        (
            &["--rule", "pulse.wasm", "--rule-digest", &digest],
            "refused, digest: expected the component ",
        ),
        (&["--rule", "pulse.wasm", "--max-rule-mib", "0"], "larger than 0 bytes"),
        (&["--rule", "pulse.wasm", "--signers", "pulse.wasm.sig"], "line 1: "),
    ];
    for (arguments, says) in cases {
        let mut run = weir(["run"]);
        let run = weir::run_with_input(
            run.args(arguments).current_dir(folder.path()),
            "{\"value\": 1}\n",
        );
        let Output { stdout, stderr, .. } = run.exit(2);
        assert_eq!(stdout, "", "nothing is answered");
        assert!(stderr.contains(says) && stderr.lines().count() == 1, "{arguments:?}: {stderr}");
    }
    let signed = ["--rule", "pulse.wasm", "--signers", "allowed_signers", "--demand-golden"];
    let mut run = weir(["run", "--log", "info"]);
    let run = weir::run_with_input(run.args(signed).current_dir(folder.path()), "{\"value\": 1}\n");
    let stderr = run.exit(0).stderr;
    assert!(stderr.contains("digest=sha256:") && stderr.contains("ada@example.org"), "{stderr}");
}

/// A rule as another author may have built it: its first `from` is `to`, of the same length.
fn edited(folder: &TempDir, from: &str, to: &str) {
    let rule = folder.path().join("pulse.wasm");
    let mut bytes = fs::read(&rule).expect("the rule");
    let found = bytes.windows(from.len()).position(|bytes| bytes == from.as_bytes());
    let at = found.expect("it is in the rule");
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    fs::write(rule, bytes).expect("the rule");
}

#[test]
fn a_settings_schema_that_is_none_is_refused_by_every_command() {
    let folder = with_rule();
    make_key(&folder, ED25519, "");
    edited(&folder, "\"number\"", "\"numbre\"");
    for command in [
        &["verify", "pulse.wasm"][..],
        &["test", "pulse.wasm"],
        &["inspect", "pulse.wasm"],
        &["sign", "pulse.wasm", "--key", "key"],
        // Nobody is asked there.
        &["push", "pulse.wasm", "oci://127.0.0.1:9/rules/pulse:1"],
    ] {
        let refused = weir_in(&folder, command).exit(1).stderr;
        let says = "the rule's description is not valid: its settings schema: ";
        assert!(refused.contains(says), "{command:?}: {refused}");
        assert_eq!(refused.lines().count(), 1, "{command:?}: {refused}");
    }
}

#[test]
fn golden_settings_that_no_host_takes_differ() {
    let folder = with_rule();
    edited(&folder, "\"above\"", "\"abuve\"");
    let tested = weir_in(&folder, &["test", "pulse.wasm"]).exit(1).stdout;
    assert!(tested.contains("do not fit the schema") && tested.contains("'above'"), "{tested}");
    let verified = weir_in(&folder, &["verify", "pulse.wasm"]).exit(1).stderr;
    assert!(verified.contains("refused, golden records: case bounds: "), "{verified}");
}

#[test]
fn golden_records_that_fail_are_shown_and_keep_the_rule_from_running() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut new = weir(["new", "wrong-pulse", "--sdk"]);
    weir::run(new.arg(root().join("guest/sdk")).current_dir(folder.path())).success();
    let case = folder.path().join("wrong-pulse/golden/wrong.json");
    let golden = r#"{"settings": {"above": 1},
        "records": [{"payload": {"value": 2}, "verdict": "pass"},
                    {"payload": {"value": 3}, "verdict": "flag", "score": 4}]}"#;
    fs::write(&case, golden).expect("a case");
    build(folder.path(), "wrong-pulse", "pulse.wasm").success();

    let tested = weir_in(&folder, &["test", "pulse.wasm"]).exit(1).stdout;
    let expected = "bounds  pass  4 records
wrong   differs  2 records
  record 1: verdict
    expected  pass
    found     flag
  record 2: score
    expected  4
    found     3
6 records in 2 cases, 2 differences
";
    assert_eq!(tested, expected);
    let refused = weir_in(&folder, &["verify", "pulse.wasm"]).exit(1).stderr;
    let says =
        r#"refused, golden records: case wrong, record 1: expected verdict "pass", found "flag""#;
    assert!(refused.contains(says) && refused.contains("`weir test` shows all"), "{refused}");

    fs::write(&case, "{\"records\": [{}]}").expect("a case");
    let broken = build(folder.path(), "wrong-pulse", "broken.wasm").exit(1).stderr;
    assert!(broken.contains("case wrong: missing field `verdict`"), "{broken}");
    assert!(!PathBuf::from(folder.path()).join("broken.wasm").exists());
}
