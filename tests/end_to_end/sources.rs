//! Where rules come from: files, directories, an OCI registry, HTTPS, S3, and what goes wrong there.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use weir_tests::s3::Bucket;
use weir_tests::weir::{self, Output, weir};
use weir_tests::{Fault, Moto, PASSWORD, Registry, RuleServer, USER};

/// A record that the threshold rule flags, with these settings.
const RECORD: &str = "{\"ANOMALY_SCORE\":2}\n";

/// The component of the threshold rule, as the binary has it.
fn component() -> &'static [u8] {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(|| {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("threshold.wasm");
        weir::run(weir(["pull", "threshold", "--output"]).arg(&file)).success();
        fs::read(file).expect("the component")
    })
}

/// The same rule in other bytes: with a section that says nothing.
fn other_component(note: u8) -> Vec<u8> {
    // The id of a custom section, the size of what follows, the size of its name, the name, a byte.
    [component(), &[0, 6, 4, b'n', b'o', b't', b'e', note]].concat()
}

/// Runs the rule of a source on a record.
fn run(source: &str, set_up: impl FnOnce(&mut Command)) -> Output {
    let mut command = weir(["run", "--upper", "1.5", "--log", "debug", "--rule", source]);
    set_up(&mut command);
    weir::run_with_input(&mut command, RECORD)
}

/// Runs the rule of a source, which is to work, and answers with the digest in the log.
fn digest(source: &str, set_up: impl FnOnce(&mut Command)) -> String {
    let output = run(source, set_up).exit(0);
    assert!(output.stdout.contains("\"verdict\":\"flag\""), "{}", output.stdout);
    let (_, rest) = output.stderr.split_once("digest=").expect("the digest is logged");
    rest.split_whitespace().next().expect("a digest").to_owned()
}

/// The digest of a component, as `weir inspect` has it.
fn digest_of(component: &[u8]) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("rule.wasm");
    fs::write(&file, component).expect("a file");
    let report = weir::run(weir(["inspect"]).arg(&file)).success();
    let line = report.lines().find_map(|line| line.strip_prefix("digest"));
    line.expect("the digest").trim().to_owned()
}

/// Pushes a component, with a signature if there is one. Answers with its address by digest.
fn push(component: &[u8], signature: Option<&[u8]>, to: &str) -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("rule.wasm");
    fs::write(&file, component).expect("a file");
    if let Some(signature) = signature {
        fs::write(folder.path().join("rule.wasm.sig"), signature).expect("a file");
    }
    let pushed = weir::run(weir(["push"]).arg(&file).arg(to)).success();
    pushed.trim().to_owned()
}

#[test]
fn what_is_pushed_is_what_runs_and_what_is_pulled() {
    let registry = Registry::start();
    let tag = registry.source("rules/threshold:1.0.0");
    let signature = b"untrusted comment: any bytes\n\x00\xff";
    let pushed = push(component(), Some(signature), &tag);
    assert!(pushed.starts_with(&registry.source("rules/threshold@sha256:")), "{pushed}");
    assert_eq!(push(component(), Some(signature), &tag), pushed, "pushed again, nothing changes");

    let expected = digest_of(component());
    for source in [&tag, &pushed, &format!("{tag}#{expected}")] {
        assert_eq!(digest(source, |_| {}), expected, "{source}");
    }
    let folder = TempDir::new().expect("a temporary folder");
    weir::run(weir(["pull", &tag]).current_dir(folder.path())).success();
    let pulled = |name| fs::read(folder.path().join(name)).expect("a file");
    assert_eq!(pulled("threshold.wasm"), component());
    assert_eq!(pulled("threshold.wasm.sig"), signature);

    // Without a signature, that of the rule before goes.
    let other = push(&other_component(1), None, &tag);
    assert_ne!(other, pushed);
    weir::run(weir(["pull", &tag]).current_dir(folder.path())).success();
    assert_eq!(pulled("threshold.wasm"), other_component(1));
    assert!(!folder.path().join("threshold.wasm.sig").exists());
    // The tag moved, the digest did not.
    assert_eq!(digest(&tag, |_| {}), digest_of(&other_component(1)));
    assert_eq!(digest(&pushed, |_| {}), expected);
}

#[test]
fn what_is_no_rule_is_not_pushed() {
    let registry = Registry::start();
    let folder = TempDir::new().expect("a temporary folder");
    let truncated = folder.path().join("truncated.wasm");
    fs::write(&truncated, &component()[..component().len() / 2]).expect("a file");
    let to = registry.source("rules/threshold:1");
    let refused = weir::run(weir(["push"]).arg(truncated).arg(&to)).exit(1);
    assert!(refused.stderr.contains("was refused"), "{}", refused.stderr);
    let missing = run(&to, |_| {}).exit(2);
    assert!(missing.stderr.contains("not found"), "{}", missing.stderr);
}

#[test]
fn a_registry_that_asks_for_a_password_is_given_dockers_and_nobody_else_sees_it() {
    let registry = Registry::with_password();
    let to = registry.source("rules/threshold:1");
    let folder = TempDir::new().expect("a temporary folder");
    let log_in = |password: &str| {
        let auth = base64_simd::STANDARD.encode_to_string(format!("{USER}:{password}"));
        let configuration =
            format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{auth}\"}}}}}}", registry.address());
        fs::write(folder.path().join("config.json"), configuration).expect("a configuration");
    };
    let logged_in = |command: &mut Command| {
        command.env("DOCKER_CONFIG", folder.path());
    };

    let file = folder.path().join("rule.wasm");
    fs::write(&file, component()).expect("a file");
    let push = |set_up: &dyn Fn(&mut Command)| {
        let mut command = weir(["push"]);
        command.arg(&file).arg(&to);
        set_up(&mut command);
        weir::run(&mut command)
    };
    log_in("wrong password");
    for refused in [push(&|_| {}), push(&logged_in), run(&to, logged_in), run(&to, |_| {})] {
        let refused = refused.exit(2);
        assert!(refused.stderr.contains("docker login"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("wrong password"), "{}", refused.stderr);
    }
    log_in(PASSWORD);
    push(&logged_in).success();
    let output = run(&to, logged_in).exit(0);
    assert!(output.stdout.contains("\"verdict\":\"flag\""), "{}", output.stdout);
    assert!(!output.stderr.contains(PASSWORD), "{}", output.stderr);
}

#[test]
fn what_a_registry_does_wrong_for_a_while_is_waited_for() {
    let registry = Registry::start();
    push(component(), None, &registry.source("rules/threshold:1"));
    for fault in [Fault::Status(500), Fault::Status(429), Fault::Cut] {
        for requests in ["/manifests/", "/blobs/"] {
            let proxy = RuleServer::before(&registry);
            proxy.fault(fault, requests, 2);
            let source = format!("oci://{}/rules/threshold:1", proxy.address());
            let output = run(&source, |_| {});
            assert_eq!(output.code, Some(0), "{fault:?} at {requests}: {}", output.stderr);
        }
    }
}

#[test]
fn what_a_registry_does_wrong_for_good_is_said() {
    let registry = Registry::start();
    push(component(), None, &registry.source("rules/threshold:1"));
    for (fault, requests, code, said) in [
        (Fault::Status(500), "/manifests/", 1, "status 500"),
        (Fault::Status(503), "/blobs/", 1, "status 503"),
        (Fault::Stall, "/manifests/", 1, "not fetched within 1s"),
        (Fault::Stall, "/blobs/", 1, "not fetched within 1s"),
        (Fault::Cut, "/blobs/", 1, "the answer ended early"),
        (Fault::Forge, "GET /v2/rules/threshold/manifests/", 2, "damaged or forged"),
        (Fault::Forge, "/blobs/", 2, "damaged or forged"),
        (Fault::Endless, "/blobs/", 2, "damaged or forged"),
        (Fault::Endless, "/manifests/", 2, "its manifest is larger than 4194304 bytes"),
        (Fault::Redirect("http://rules.example.com/"), "/manifests/", 2, "use https://"),
        (Fault::Redirect("http://rules.example.com/"), "/blobs/", 2, "use https://"),
        (Fault::Status(404), "/blobs/", 2, "not found"),
    ] {
        let proxy = RuleServer::before(&registry);
        proxy.fault(fault, requests, usize::MAX);
        let source = format!("oci://{}/rules/threshold:1", proxy.address());
        let output = run(&source, |command| {
            command.env("WEIR_RULE_TIMEOUT", if code == 1 { "1s" } else { "30s" });
        });
        assert_eq!(output.code, Some(code), "{fault:?} at {requests}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{fault:?} at {requests}: {}", output.stderr);
        assert!(output.stderr.contains(&source), "names its source: {}", output.stderr);
    }
}

/// A folder with the rule in it.
fn folder_with_rule() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("fever.wasm"), component()).expect("a file");
    folder
}

#[test]
fn a_server_is_trusted_if_its_authority_is() {
    let (folder, authorities) = (folder_with_rule(), TempDir::new().expect("a temporary folder"));
    let authority = authorities.path().join("authority.pem");
    let server = RuleServer::folder_with_tls(folder.path(), &authority);
    let source = format!("https://localhost:{}/fever.wasm?token=secret", server.port());
    let trusting = |command: &mut Command| {
        command.env("SSL_CERT_FILE", &authority);
    };
    let untrusted = run(&source, |_| {}).exit(2);
    assert!(untrusted.stderr.contains("SSL_CERT_FILE"), "{}", untrusted.stderr);
    let output = run(&source, trusting).exit(0);
    for output in [untrusted, output] {
        assert!(!output.stderr.contains("secret"), "{}", output.stderr);
    }
    let missing = run(&source.replace("fever", "pulse"), trusting).exit(2);
    assert!(missing.stderr.contains("not found"), "{}", missing.stderr);
    let pinned = run(&format!("{source}#{}", digest_of(&other_component(1))), trusting).exit(2);
    assert!(pinned.stderr.contains(&digest_of(component())), "{}", pinned.stderr);
}

#[test]
fn without_tls_no_rule_comes_from_another_machine() {
    let folder = folder_with_rule();
    let server = RuleServer::folder(folder.path());
    run(&format!("http://{}/fever.wasm", server.address()), |_| {}).exit(0);
    let refused = run("http://rules.example.com/fever.wasm", |_| {}).exit(2);
    assert!(refused.stderr.contains("https://"), "{}", refused.stderr);
    server.fault(Fault::Redirect("http://rules.example.com/fever.wasm"), "/fever.wasm ", 1);
    let redirected = run(&format!("http://{}/fever.wasm", server.address()), |_| {}).exit(2);
    assert!(redirected.stderr.contains("rules.example.com would come"), "{}", redirected.stderr);
    let refused = run("https://ada:sesame@localhost/fever.wasm", |_| {}).exit(2);
    assert!(refused.stderr.contains("password"), "{}", refused.stderr);
}

#[test]
fn what_a_server_does_wrong_is_waited_for_and_said() {
    let folder = folder_with_rule();
    let server = RuleServer::folder(folder.path());
    let source = format!("http://{}/fever.wasm", server.address());
    for fault in [Fault::Status(503), Fault::Cut] {
        server.fault(fault, "/fever.wasm ", 2);
        run(&source, |_| {}).exit(0);
        let statuses: Vec<u16> = server.requests().iter().map(|(_, status)| *status).collect();
        assert_eq!(statuses.len(), 3, "two in vain, and the component: {statuses:?}");
    }
    let pinned = format!("{source}#{}", digest_of(component()));
    for (fault, code, said) in [
        (Fault::Stall, 1, "not fetched within 1s"),
        (Fault::Endless, 2, "larger than"),
        (Fault::Status(401), 2, "access denied"),
        (Fault::Forge, 2, "expected the component"),
    ] {
        server.fault(fault, "/fever.wasm ", usize::MAX);
        let output = run(&pinned, |command| {
            command.env("WEIR_RULE_TIMEOUT", if code == 1 { "1s" } else { "60s" });
        });
        assert_eq!(output.code, Some(code), "{fault:?}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{fault:?}: {}", output.stderr);
    }
}

#[test]
fn what_stands_in_the_place_of_a_signature_matters_to_who_demands_one() {
    let folder = folder_with_rule();
    let signers = folder.path().join("signers");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    fs::write(&signers, format!("ada {key}\n")).expect("a file");
    let server = RuleServer::folder(folder.path());
    let source = format!("http://{}/fever.wasm", server.address());
    for (fault, said) in
        [(Fault::Status(405), "fever.wasm.sig: the server"), (Fault::Endless, "its signature is")]
    {
        // As a server that has one page for whatever it does not know.
        fs::write(folder.path().join("fever.wasm.sig"), [b' '; 4096]).expect("a file");
        server.fault(fault, "/fever.wasm.sig ", usize::MAX);
        run(&source, |_| {}).exit(0);
        let output = run(&source, |command| {
            command.env("WEIR_SIGNERS", &signers);
        });
        assert!(output.exit(2).stderr.contains(said), "{fault:?}");
    }
}

#[test]
fn a_rule_comes_from_s3_with_its_signature() {
    let moto = Moto::start();
    let bucket = Bucket::create(&moto, "rules");
    bucket.put("a/fever.wasm", component());
    bucket.put("a/fever.wasm.sig", b"signature");
    let at_moto = |command: &mut Command| {
        command.env("AWS_ENDPOINT_URL", moto.url());
    };
    assert_eq!(digest("s3://rules/a/fever.wasm", at_moto), digest_of(component()));
    let folder = TempDir::new().expect("a temporary folder");
    let mut pull = weir(["pull", "s3://rules/a/fever.wasm"]);
    at_moto(pull.current_dir(folder.path()));
    weir::run(&mut pull).success();
    assert_eq!(fs::read(folder.path().join("fever.wasm")).expect("a file"), component());
    assert_eq!(fs::read(folder.path().join("fever.wasm.sig")).expect("a file"), b"signature");
    for missing in ["s3://rules/a/pulse.wasm", "s3://no-bucket/fever.wasm"] {
        let output = run(missing, at_moto).exit(2);
        assert!(output.stderr.contains("not found"), "{}", output.stderr);
    }
}

#[test]
fn of_a_directory_the_highest_version_runs() {
    let folder = TempDir::new().expect("a temporary folder");
    let versions = [("1.9.0", 9), ("1.10.0", 10), ("1.10.0-rc.1", 1)];
    for (version, note) in versions {
        let file = folder.path().join(format!("fever-{version}.wasm"));
        fs::write(file, other_component(note)).expect("a file");
    }
    let source = folder.path().to_str().expect("UTF-8");
    assert_eq!(digest(source, |_| {}), digest_of(&other_component(10)));
    // In a configuration file, a path is relative to the file.
    let file = folder.path().join("weir.toml");
    fs::write(&file, format!("rule = '.'\nrule-digest = '{}'\n", digest_of(&other_component(9))))
        .expect("a file");
    let mut command = weir(["run", "--upper", "1.5", "--config"]);
    let output = weir::run_with_input(command.arg(&file), RECORD).exit(2);
    assert!(output.stderr.contains(&digest_of(&other_component(10))), "{}", output.stderr);
    fs::remove_file(folder.path().join("fever-1.10.0.wasm")).expect("a file");
    fs::remove_file(folder.path().join("fever-1.10.0-rc.1.wasm")).expect("a file");
    weir::run_with_input(weir(["run", "--upper", "1.5", "--config"]).arg(&file), RECORD).exit(0);
}

#[test]
fn the_examples_of_push_and_pull_work_when_pasted() {
    let (registry, moto) = (Registry::start(), Moto::start());
    Bucket::create(&moto, "rules").put("fever.wasm", component());
    let (folder, here) = (TempDir::new().expect("a temporary folder"), folder_with_rule());
    fs::create_dir(folder.path().join("rules")).expect("a folder");
    fs::create_dir(here.path().join("rules")).expect("a folder");
    fs::write(folder.path().join("rules/fever.wasm"), component()).expect("a file");
    let authority = here.path().join("authority.pem");
    let server = RuleServer::folder_with_tls(folder.path(), &authority);
    for command in ["push", "pull"] {
        let help = weir::run(&mut weir([command, "--help"])).success();
        let (_, examples) = help.split_once("Examples:\n").expect("examples");
        for example in examples.lines().filter_map(|line| line.trim().strip_prefix("weir ")) {
            let example = example
                .replace("registry.example.com", registry.address())
                .replace("https://example.com", &format!("https://localhost:{}", server.port()));
            let mut pasted = weir(example.split(' '));
            pasted.env("AWS_ENDPOINT_URL", moto.url()).env("SSL_CERT_FILE", &authority);
            weir::run(pasted.current_dir(here.path())).success();
        }
    }
}
