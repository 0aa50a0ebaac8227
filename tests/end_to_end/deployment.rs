//! The template that deploys Weir, and the commands that the documents give for it.

mod template;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tempfile::TempDir;
use weir_tests::memory::resident_after;
use weir_tests::python;
use weir_tests::weir::{self, weir};

use self::template::Template;
use crate::root;

#[test]
fn the_template_is_one_that_cloudformation_takes() {
    let linter = python::programs("cfn-lint").join("cfn-lint");
    let output = weir::run(Command::new(linter).arg(root().join("deploy/template.yaml")));
    // Warnings have exit codes of their own.
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""), "{}", output.stderr);
}

#[test]
fn the_function_is_configured_by_options_that_exist() {
    let help = weir::run(&mut weir(["run", "--help"])).success();
    let template = Template::read();
    let variables = template.variables();
    assert!(variables.len() > 5, "{variables:?}");
    for (name, _) in variables {
        let found = match name.strip_prefix("WEIR_") {
            Some(option) => {
                help.contains(&format!("--{} ", option.to_lowercase().replace('_', "-")))
            }
            None => help.contains(name),
        };
        assert!(found, "{name} is no option");
    }
}

/// So that the defaults are those of the binary, which depend on the topic and the rule, and a file of
/// options has its say.
#[test]
fn no_option_is_set_unless_a_parameter_is_given() {
    let template = Template::read();
    let parameters = template.parameters();
    let options = template.options();
    assert!(options.len() > 5, "{options:?}");
    for (variable, parameter) in options {
        assert_eq!(parameters[parameter], "", "{variable} is set by the default of {parameter}");
    }
}

#[test]
fn a_file_of_options_decides_what_no_parameter_does() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("weir.toml");
    fs::write(&file, "upper = 3\non-bad-record = 'drop'\n").expect("a file");
    let config = file.to_str().expect("a path in UTF-8").to_owned();
    let given = BTreeMap::from([("Config".to_owned(), config)]);
    let records = "{\"ANOMALY_SCORE\":2}\n{\"ANOMALY_SCORE\":4}\n{}\n";
    let mut run = weir(["run"]);
    run.envs(Template::read().environment(&given));
    let answers = weir::run_with_input(&mut run, records).success();
    assert_eq!(answers.lines().count(), 3, "{answers}");
    let expected = [r#""verdict":"pass""#, r#""verdict":"flag""#, r#""disposal":"drop""#];
    for (answer, expected) in answers.lines().zip(expected) {
        assert!(answer.contains(expected), "{answer}");
    }
}

#[test]
fn every_parameter_stands_in_the_table() {
    let page = fs::read_to_string(root().join("docs/deployment.md")).expect("the page");
    let table: Vec<_> = page
        .lines()
        .skip_while(|line| !line.starts_with("| parameter |"))
        .take_while(|line| !line.is_empty())
        .filter_map(|row| row.split('|').nth(1))
        .collect();
    for parameter in Template::read().parameters().keys() {
        let name = format!("`{parameter}`");
        assert!(table.iter().any(|cell| cell.contains(&name)), "{name} is not in the table");
    }
}

/// The commands of a document that deploy the template, each in one line.
fn deployments(page: &str) -> Vec<String> {
    page.replace("\\\n", " ")
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .filter(|command| command.starts_with("sam deploy "))
        .map(str::to_owned)
        .collect()
}

/// What the template's parameters are when `command` is run in `folder`: the shell makes words of it,
/// and SAM makes values of them.
fn parameters(command: &str, folder: &Path) -> BTreeMap<String, String> {
    const READ: &str = "import json, sys\n\
        from samcli.cli.types import CfnParameterOverridesType\n\
        words = sys.argv[sys.argv.index('--parameter-overrides') + 1:]\n\
        print(json.dumps(CfnParameterOverridesType().convert(tuple(words), None, None)))";
    let script = format!("sam() {{ \"$PYTHON\" -c \"$READ\" \"$@\"; }}\n{command}");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script])
        .current_dir(folder)
        .env("PYTHON", python::programs("sam").join("python"))
        .env("READ", READ);
    serde_json::from_str(&weir::run(&mut shell).success()).expect("names and values")
}

#[test]
fn the_commands_of_the_documents_deploy_functions_that_start() {
    let template = Template::read();
    let folder = TempDir::new().expect("a temporary folder");
    let page = |name: &str| fs::read_to_string(root().join(name)).expect(name);
    let migration = page("docs/migration.md");
    let (_, forest) = migration.split_once("becomes `forest.json`:\n\n```json\n").expect("a file");
    let (forest, _) = forest.split_once("```").expect("its end");
    fs::write(folder.path().join("forest.json"), forest).expect("a file");

    let deployment = page("docs/deployment.md");
    let commands = [deployments(&deployment), deployments(&migration)].concat();
    assert!(commands.len() > 3, "{commands:?}");
    for command in &commands {
        let given = parameters(command, folder.path());
        for name in given.keys() {
            assert!(template.parameters().contains_key(name.as_str()), "{name} is no parameter");
        }
        weir::run(weir(["run"]).envs(template.environment(&given))).success();
    }

    let last = commands.last().expect("that of the migration");
    let settings = &parameters(last, folder.path())["Settings"];
    assert_eq!(settings, forest.trim_end());
}

/// Or else whoever can write to the stream could have the function killed.
#[test]
fn what_an_event_may_inflate_to_has_room_in_the_function() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    write!(encoder, "{{\"ANOMALY_SCORE\":2,\"pad\":\"{}\"}}", "x".repeat(100_000)).expect("memory");
    let data = base64_simd::STANDARD.encode_to_string(encoder.finish().expect("memory"));
    let record = |number: usize| {
        json!({
            "eventSource": "aws:kinesis",
            "kinesis": { "sequenceNumber": number.to_string(), "partitionKey": "k", "data": data },
        })
    };
    let event = json!({ "Records": (0..600).map(record).collect::<Vec<_>>() }).to_string();
    let mut run = weir(["run", "--upper", "1.5", "--cooldown", "/pad=1h", "--alerts", "/dev/null"]);
    let [once] = resident_after([1], &mut run, event.as_bytes());
    let memory_mb = Template::read().parameters()["MemorySize"].parse::<u64>().expect("a number");
    assert!(once.peak_kib < memory_mb << 10, "{once:?} in {memory_mb} MB");
}

#[test]
fn stacks_that_share_a_bucket_keep_their_states_apart() {
    let template = Template::read().text;
    assert!(template.contains("s3://${StateBucketName}/weir/${AWS::StackName}'"));
    assert!(template.contains(":s3:::${StateBucketName}/weir/${AWS::StackName}/*'"));
}

#[test]
fn firehose_may_do_with_the_function_what_aws_documents() {
    let template = Template::read().text;
    let (_, role) = template.split_once("  FirehoseRole:\n").expect("the role");
    assert!(role.contains("Action: [lambda:InvokeFunction, lambda:GetFunctionConfiguration]"));
}

#[test]
fn nothing_is_allowed_on_everything() {
    let template = Template::read().text;
    for everything in ["Resource: '*'", "Resource: \"*\"", "Action: '*'", ":*'", "- '*'"] {
        assert!(!template.contains(everything), "{everything}");
    }
}

#[test]
fn both_mappings_take_partial_answers() {
    let template = Template::read().text;
    let mappings = template.matches("Type: AWS::Lambda::EventSourceMapping").count();
    let partial = template.matches("FunctionResponseTypes: [ReportBatchItemFailures]").count();
    assert_eq!((mappings, partial), (2, 2));
}
