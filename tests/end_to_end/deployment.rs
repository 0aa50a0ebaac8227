//! The template that deploys Weir.

use std::fs;
use std::process::Command;

use weir_tests::python;
use weir_tests::weir::{self, weir};

use crate::root;

fn template() -> String {
    fs::read_to_string(root().join("deploy/template.yaml")).expect("the template")
}

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
    let template = template();
    let (_, variables) = template.split_once("Variables:\n").expect("the variables");
    let names: Vec<&str> = variables
        .lines()
        .map_while(|line| line.strip_prefix("          "))
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(':').expect("a name and a value").0)
        .collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let found = match name.strip_prefix("WEIR_") {
            Some(option) => {
                help.contains(&format!("--{} ", option.to_lowercase().replace('_', "-")))
            }
            None => help.contains(name),
        };
        assert!(found, "{name} is no option");
    }
}

#[test]
fn nothing_is_allowed_on_everything() {
    let template = template();
    for everything in ["Resource: '*'", "Resource: \"*\"", "Action: '*'", ":*'", "- '*'"] {
        assert!(!template.contains(everything), "{everything}");
    }
}

#[test]
fn both_mappings_take_partial_answers() {
    let template = template();
    let mappings = template.matches("Type: AWS::Lambda::EventSourceMapping").count();
    let partial = template.matches("FunctionResponseTypes: [ReportBatchItemFailures]").count();
    assert_eq!((mappings, partial), (2, 2));
}
