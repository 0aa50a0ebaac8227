//! What is a rule, and what is not.

use weir::{Compiler, Engine, Fault, Limits, LoadError, Rule};

use crate::guest::Guest;

fn load(component: &[u8]) -> Result<Rule, LoadError> {
    Rule::load(&Engine::new(Limits::default()).expect("an engine"), component)
}

fn refused(component: &[u8]) -> LoadError {
    load(component).expect_err("it is no rule")
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("valid WAT")
}

#[test]
fn a_component_of_the_right_shape_is_a_rule() {
    let rule = load(&Guest::default().component()).expect("a rule");
    assert_eq!(rule.description().name, "guest");
    assert_eq!(rule.imports(), Vec::<String>::new());
}

#[test]
fn what_is_not_wasm_is_told_from_a_core_module() {
    assert!(refused(b"#!/bin/sh").to_string().ends_with("it is not wasm"));
    assert!(refused(b"").to_string().ends_with("it is not wasm"));
    assert!(refused(&wat("(module)")).to_string().contains("it is a core module"));
}

#[test]
fn a_truncated_component_is_refused() {
    let component = Guest::default().component();
    for length in [9, component.len() / 2 + 1, component.len() - 1] {
        let error = refused(&component[..length]);
        assert!(matches!(error, LoadError::NotAComponent(_)), "{length} bytes: {error}");
    }
}

#[test]
fn a_component_that_imports_is_refused_by_what_it_imports() {
    let importing = wat(r#"(component (import "wasi:clocks/now@1.0.0" (instance)))"#);
    let imports = vec!["wasi:clocks/now@1.0.0".to_owned()];
    assert_eq!(refused(&importing), LoadError::Imports(imports));
}

#[test]
fn a_component_that_exports_something_else_is_refused_by_what_it_exports() {
    assert_eq!(refused(&wat("(component)")), LoadError::Exports(vec![]));
    let other = wat(r#"(component (instance $i) (export "acme:filter/rule@0.2.0" (instance $i)))"#);
    let error = refused(&other).to_string();
    assert!(error.contains("exports acme:filter/rule@0.2.0"), "{error}");
}

#[test]
fn a_rule_of_another_version_of_the_contract_is_told_which_it_speaks() {
    let speaks = |version: &str| {
        let interface = format!(r#"(export "weir:filter/rule@{version}" (instance $i))"#);
        refused(&wat(&format!("(component (instance $i) {interface})"))).to_string()
    };
    let spoken = weir::INTERFACE.rsplit('@').next().expect("a version");
    for (version, advice) in [("0.1.0", "this weir's SDK"), ("9.0.0", "a newer weir")] {
        let error = speaks(version);
        let says = format!("it speaks version {version} of the rule contract, this host {spoken}");
        assert!(error.contains(&says) && error.contains(advice), "{error}");
    }
}

#[test]
fn an_interface_of_the_same_name_with_other_functions_is_refused() {
    let empty = wat(r#"(component (instance $i) (export "weir:filter/rule@0.2.0" (instance $i)))"#);
    assert!(matches!(refused(&empty), LoadError::Interface(_)));
}

#[test]
fn a_name_that_would_not_fit_a_log_line_is_refused() {
    for name in ["", "Two Words", "a\nb"] {
        let error = refused(&Guest { name, ..Guest::default() }.component());
        assert!(matches!(error, LoadError::Description(_)), "{name:?}: {error}");
    }
}

#[test]
fn a_rule_that_traps_while_it_starts_is_refused() {
    let fields = "(func $start (unreachable)) (start $start)".to_owned();
    let error = refused(&Guest { fields, ..Guest::default() }.component());
    assert!(matches!(error, LoadError::Describe(Fault::Trap(_))), "{error}");
}

/// It is the host's to mend: the rule may be a good one.
#[test]
fn a_compiler_that_is_none_is_not_the_rules_fault() {
    for program in ["./nosuch", "true"] {
        let engine = Engine::new(Limits::default()).expect("an engine");
        let engine = engine.compiling_with(Compiler::new(program));
        let error = Rule::load(&engine, &Guest::default().component()).expect_err("no code");
        assert!(matches!(&error, LoadError::Compiler(why) if why.starts_with(program)), "{error}");
    }
}
