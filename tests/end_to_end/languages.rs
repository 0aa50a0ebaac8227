//! Rules in other languages, built as they say themselves: what their toolchains ask for, and that they
//! say the same.

use std::fs;
use std::process::Command;

use tempfile::TempDir;
use weir_tests::weir::{self, Output, weir};
use weir_tests::{node, python};

use crate::root;

/// What a rule is to say of records, one a line.
const RECORDS: &str = "\
{\"temperature\":39.5}
{\"temperature\":38.9}
{\"temperature\":true}
{\"temperature\":NaN}
{\"temperature\":1e400}
[39.5]
{\"temperature\":
";

/// A rule of the examples, built in a folder of its own.
struct Built(TempDir);

impl Built {
    /// Builds the rule of an example by the command that its source names, which begins with the name
    /// of the `compiler` and takes the paths of the repository.
    fn new(example: &str, source: &str, name: &str, mut compiler: Command) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let text = fs::read_to_string(root().join(example).join(source)).expect("a rule");
        // Interpreters leave what they compile beside the source.
        let copy = folder.path().join("source");
        fs::create_dir(&copy).expect("a folder");
        fs::write(copy.join(source), &text).expect("a copy");
        let copy = copy.to_str().expect("a path of UTF-8");
        let arguments = arguments(&text, name);
        // As the documentation has it.
        let documentation = documentation();
        let words: Vec<&str> =
            documentation.split_whitespace().filter(|word| *word != "\\").collect();
        assert!(words.join(" ").contains(&arguments.join(" ")), "{arguments:?}");
        for argument in arguments {
            match argument {
                "wit" => compiler.arg(root().join(argument)),
                _ => compiler.arg(argument.replace(example, copy)),
            };
        }
        let output = compiler.current_dir(folder.path()).output().expect("the compiler starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{compiler:?}: {stderr}");
        Self(folder)
    }

    fn weir(&self, arguments: &[&[&str]]) -> Output {
        let mut command = weir(arguments.concat());
        command
            .current_dir(self.0.path())
            .env("WEIR_CACHE", self.0.path().join("cache"))
            // To compile as much as an interpreter takes its time; to run it does not.
            .env("WEIR_TIME_LIMIT_MS", "60000");
        weir::run_with_input(&mut command, RECORDS)
    }

    /// What every rule of these examples does, with the `grant` that it needs.
    fn flags_whoever_runs_a_temperature(&self, name: &str, grant: &[&str]) {
        let run = [&["run", "--rule", "fever.wasm"], grant].concat();
        let above = ["--settings", "{\"above\": 39}"];
        let outputs = [(); 2].map(|()| self.weir(&[&run, &above]).exit(1));
        assert_eq!(outputs[0].stdout, outputs[1].stdout);
        let said: Vec<&str> = outputs[0].stdout.lines().collect();
        assert!(documentation().contains(said[0]), "{}", said[0]);
        let verdicts: Vec<&str> = said
            .iter()
            .map(|line| line.split("\"verdict\":\"").nth(1).and_then(|rest| rest.split('"').next()))
            .map(|verdict| verdict.expect("a verdict"))
            .collect();
        assert_eq!(verdicts, ["flag", "pass", "fail", "fail", "fail", "fail", "fail"]);
        for (line, reason) in said[2..].iter().zip([
            "no number at /temperature",
            "not JSON",
            "out of range",
            "no number at /temperature",
            "not JSON",
        ]) {
            assert!(line.contains(reason), "{line}");
        }

        for (settings, path) in [("{\"above\": true}", "/above"), ("{\"below\": 35}", "/below")] {
            let refused = self.weir(&[&run, &["--settings", settings]]).exit(2);
            assert!(refused.stderr.contains(path), "{}", refused.stderr);
        }
        let refused = self.weir(&[&run, &above, &["--memory-limit-mib", "8"]]).exit(2);
        assert!(refused.stderr.contains("memory limit"), "{}", refused.stderr);

        let inspected = self.inspected(grant);
        assert!(inspected.contains(&format!("name         {name}\n")), "{inspected}");
    }

    fn inspected(&self, grant: &[&str]) -> String {
        self.weir(&[&["inspect", "fever.wasm"], grant]).success()
    }
}

/// Where both rules are told of.
fn documentation() -> String {
    fs::read_to_string(root().join("docs/sources.md")).expect("docs/sources.md")
}

/// The arguments of a command in the comment that a source begins with. A backslash continues a line.
fn arguments<'a>(source: &'a str, command: &str) -> Vec<&'a str> {
    let (_, command) = source.split_once(&format!("{command} ")).expect("the command");
    let mut arguments = Vec::new();
    for line in command.lines() {
        let continued = line.strip_suffix('\\');
        arguments.extend(continued.unwrap_or(line).split_whitespace());
        if continued.is_none() {
            break;
        }
    }
    arguments
}

#[test]
fn a_rule_in_python_runs_where_inert_wasi_is_granted() {
    let compiler = Command::new(python::programs("componentize").join("componentize-py"));
    let rule = Built::new("examples/fever-python", "rule.py", "    componentize-py", compiler);

    let refused = rule.weir(&[&["run", "--rule", "fever.wasm"]]).exit(2);
    assert!(refused.stderr.contains("wasi:cli/environment@"), "{}", refused.stderr);
    assert!(refused.stderr.contains("inert-wasi"), "{}", refused.stderr);

    let granted = ["--grant", "inert-wasi"];
    rule.flags_whoever_runs_a_temperature("fever-python", &granted);
    let inspected = rule.inspected(&granted);
    for import in ["wasi:filesystem/types@", "wasi:sockets/tcp@"] {
        assert!(inspected.contains(import), "{inspected}");
    }
}

#[test]
fn a_rule_in_javascript_imports_nothing() {
    let compiler = node::program("componentize-js");
    let rule =
        Built::new("examples/fever-javascript", "rule.js", "    npx componentize-js", compiler);
    rule.flags_whoever_runs_a_temperature("fever-javascript", &[]);
    let inspected = rule.inspected(&[]);
    assert!(inspected.contains("imports      none\n"), "{inspected}");
    assert!(inspected.contains("called       through the component model\n"), "{inspected}");
}
