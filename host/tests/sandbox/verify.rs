//! What a rule must pass before it runs, and what it is told if it does not.

use weir::verify::{AllowedSigners, Check, GoldenRecords, Policy, Refusal, Verified};
use weir::{CodeCache, Digest, Engine, Limits, Verdict};

use crate::guest::{Answer, FAIL, FLAG, Guest, PASS, batch};

/// A guest that would end whatever runs it: nothing of it must run.
fn hostile() -> Guest {
    let fields = "(func $start (unreachable)) (start $start)".to_owned();
    Guest { fields, ..Guest::default() }
}

fn verify_with(policy: &Policy, component: &[u8], settings: &str) -> Result<Verified, Refusal> {
    let engine = Engine::new(Limits::default()).expect("an engine");
    policy.verify(&engine, component, None, settings, &CodeCache::default())
}

fn verify(component: &[u8]) -> Result<Verified, Refusal> {
    verify_with(&Policy::default(), component, "{}")
}

/// The check that refuses, and the reason.
fn refused(result: Result<Verified, Refusal>) -> (Check, String) {
    let Refusal { check, reason, .. } = result.expect_err("a refusal");
    assert!(!reason.contains('\n'), "one line: {reason}");
    (check, reason)
}

/// A component with one case of golden records.
fn with_golden(guest: &Guest, case: &str) -> Vec<u8> {
    let mut component = guest.component();
    let golden = GoldenRecords::parse([("case", case.to_owned())]).expect("golden records");
    golden.embed(&mut component);
    component
}

fn signers() -> AllowedSigners {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    AllowedSigners::parse(&format!("ada {key}")).expect("a signer")
}

#[test]
fn a_rule_that_passes_is_opened_and_has_classified_nothing() {
    let once = Guest {
        fields: "(global $used (mut i32) (i32.const 0))".to_owned(),
        classify: "(if (global.get $used) (then (unreachable))) (global.set $used (i32.const 1))"
            .to_owned(),
        keeps_state: true,
        ..Guest::default()
    };
    let golden = r#"{"records": [{"text": "x", "verdict": "pass"}]}"#;
    let verified = verify(&with_golden(&once, golden)).expect("a rule");
    assert_eq!((verified.golden_records, verified.signer), (1, None));
    assert_eq!(verified.filter.classify(&batch(1)).expect("a verdict").verdicts, [Verdict::Pass]);
}

#[test]
fn a_rule_may_be_as_large_as_allowed_and_no_larger() {
    let component = Guest::default().component();
    let at_most = |bytes| Policy::default().max_bytes(bytes);
    assert!(verify_with(&at_most(component.len()), &component, "{}").is_ok());
    let smaller = at_most(component.len() - 1);
    let (check, reason) = refused(verify_with(&smaller, &component, "{}"));
    assert_eq!(check, Check::Size);
    assert!(reason.contains(&(component.len() - 1).to_string()), "{reason}");
}

#[test]
fn a_pinned_rule_is_that_very_rule() {
    let component = Guest::default().component();
    let digest = Digest::of(&component);
    let pinned = Policy::default().digest(digest);
    assert!(verify_with(&pinned, &component, "{}").is_ok());
    let other = hostile().component();
    let refusal = verify_with(&pinned, &other, "{}").expect_err("another rule");
    assert_eq!((refusal.check, refusal.digest), (Check::Digest, Digest::of(&other)));
    assert!(refusal.reason.contains(&digest.to_string()), "{refusal}");
}

#[test]
fn an_unsigned_rule_is_refused_where_signers_are_and_nothing_of_it_is_read() {
    let demanding = Policy::default().signers(signers());
    for component in [hostile().component(), b"not wasm".to_vec()] {
        let (check, reason) = refused(verify_with(&demanding, &component, "{}"));
        assert_eq!(check, Check::Signature, "{reason}");
    }
    let embedded = demanding.for_embedded_rule();
    assert!(verify_with(&embedded, &Guest::default().component(), "{}").is_ok());
}

#[test]
fn a_file_cut_short_is_no_component() {
    let component = Guest::default().component();
    for length in [0, 9, component.len() / 2 + 1, component.len() - 1] {
        let (check, reason) = refused(verify(&component[..length]));
        assert_eq!(check, Check::Component, "{length} bytes: {reason}");
    }
}

#[test]
fn each_refusal_names_its_check() {
    let wat = |text: &str| wat::parse_str(text).expect("valid WAT");
    let importing = wat(r#"(component (import "wasi:clocks/now@1.0.0" (instance)))"#);
    let older = wat(r#"(component (instance $i) (export "weir:filter/rule@0.1.0" (instance $i)))"#);
    for (component, expected) in [
        (importing, Check::Imports),
        (older, Check::Contract),
        (wat("(component)"), Check::Contract),
        (hostile().component(), Check::Description),
        (Guest { name: "No Name", ..Guest::default() }.component(), Check::Description),
        (
            Guest { schema: r#"{"type": "numbre"}"#, ..Guest::default() }.component(),
            Check::Description,
        ),
        (
            Guest { open: "(unreachable)".to_owned(), ..Guest::default() }.component(),
            Check::Settings,
        ),
    ] {
        let (check, reason) = refused(verify(&component));
        assert_eq!(check, expected, "{reason}");
    }
}

#[test]
fn settings_must_fit_the_schema_even_if_the_rule_takes_them() {
    let schema = r#"{"required": ["above"], "properties": {"above": {"type": "number"}}}"#;
    let component = Guest { schema, ..Guest::default() }.component();
    assert!(verify_with(&Policy::default(), &component, r#"{"above": 39}"#).is_ok());
    for (settings, says) in [("{}", "'above'"), (r#"{"above": true}"#, "/above")] {
        let (check, reason) = refused(verify_with(&Policy::default(), &component, settings));
        assert_eq!(check, Check::Settings);
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn golden_records_must_be_classified_as_they_are_to_be() {
    let flags = Guest {
        answer: Answer {
            verdicts: vec![PASS, FLAG, FAIL],
            flagged: vec![(1, 39.5)],
            failed: vec![2],
            ..Answer::default()
        },
        ..Guest::default()
    };
    let case = |second: &str| {
        let pass = r#"{"payload": {}, "verdict": "pass"}"#;
        let fail = r#"{"base64": "/w==", "verdict": "fail", "reason": ""}"#;
        format!(r#"{{"records": [{pass}, {{"text": "x", {second}}}, {fail}]}}"#)
    };
    let check = |second: &str| verify(&with_golden(&flags, &case(second)));
    assert!(check(r#""verdict": "flag", "score": 39.5, "message": """#).is_ok());
    for (second, says) in [
        (r#""verdict": "pass""#, r#"case case, record 2: expected verdict "pass", found "flag""#),
        (r#""verdict": "flag", "score": 40"#, r#"expected score "40", found "39.5""#),
        (
            r#""verdict": "flag", "crossed": "upper""#,
            r#"expected crossed "upper", found "nothing""#,
        ),
        (r#""verdict": "flag", "rewritten": "x""#, "rewritten"),
    ] {
        let (check, reason) = refused(check(second));
        assert_eq!(check, Check::GoldenRecords);
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn a_rule_at_fault_does_not_classify_its_golden_records() {
    let traps = Guest { classify: "(unreachable)".to_owned(), ..Guest::default() };
    let golden = r#"{"records": [{"text": "x", "verdict": "pass"}]}"#;
    let (check, reason) = refused(verify(&with_golden(&traps, golden)));
    assert_eq!(check, Check::GoldenRecords);
    assert!(reason.contains("trap"), "{reason}");
}

/// Otherwise they would pass with settings with which no host runs the rule.
#[test]
fn settings_of_golden_records_must_fit_the_schema() {
    let schema = r#"{"properties": {"above": {"type": "number"}}}"#;
    let guest = Guest { schema, ..Guest::default() };
    let case = |above: &str| {
        let records = r#"[{"text": "x", "verdict": "pass"}]"#;
        with_golden(
            &guest,
            &format!(r#"{{"settings": {{"above": {above}}}, "records": {records}}}"#),
        )
    };
    assert!(verify(&case("39")).is_ok());
    let (check, reason) = refused(verify(&case("true")));
    assert_eq!(check, Check::GoldenRecords);
    assert!(reason.contains("/above"), "{reason}");
}

#[test]
fn golden_records_can_be_demanded() {
    let demanding = Policy::default().demand_golden_records();
    let component = Guest::default().component();
    let (check, _) = refused(verify_with(&demanding, &component, "{}"));
    assert_eq!(check, Check::GoldenRecords);
    let golden = r#"{"records": [{"text": "x", "verdict": "pass"}]}"#;
    let component = with_golden(&Guest::default(), golden);
    assert!(verify_with(&demanding, &component, "{}").is_ok());
}

#[test]
fn golden_records_that_cannot_be_read_are_refused() {
    let section = |data: &[u8]| {
        use wasm_encoder::{ComponentSection, CustomSection};
        let mut component = Guest::default().component();
        let name = weir::verify::GOLDEN_SECTION.into();
        CustomSection { name, data: data.into() }.append_to_component(&mut component);
        component
    };
    let one = r#"{"a": {"records": [{"text": "x", "verdict": "pass"}]}}"#;
    let twice =
        [section(one.as_bytes()), section(b"{}").split_off(Guest::default().component().len())];
    let many: Vec<String> = (0..65)
        .map(|n| format!(r#""{n}": {{"records": [{{"text": "x", "verdict": "pass"}}]}}"#))
        .collect();
    let long = format!(r#"{{"a": {{"records": [{{"text": "{}"}}]}}}}"#, "x".repeat(1 << 20));
    for (component, says) in [
        (section(b"\xff"), "section"),
        (section(b"[]"), "section"),
        (section(br#"{"a": {"records": []}}"#), "case a: it has no records"),
        (
            section(br#"{"a": {"records": [{"verdict": "pass"}]}}"#),
            "one of payload, text and base64",
        ),
        (section(br#"{"a": {"records": [{"text": "x", "verdict": "good"}]}}"#), "good"),
        (section(br#"{"a": {"records": [{"text": "x", "verdict": "pass", "scor": 1}]}}"#), "scor"),
        (section(format!("{{{}}}", many.join(",")).as_bytes()), "65 cases"),
        (section(long.as_bytes()), "at most 1048576"),
        (twice.concat(), "more than one section"),
    ] {
        let (check, reason) = refused(verify(&component));
        assert_eq!(check, Check::GoldenRecords, "{reason}");
        assert!(reason.contains(says), "{reason}");
    }
}
