//! The same bytes, settings and rule give the same outcome on every machine: what could differ from
//! one to the next is not there, or is made the same.

use weir::{Engine, Fault, Limits, LoadError, Outcome, Rule, Verdict};

use crate::guest::{Guest, LISTS};

/// A rule that answers with one byte of the bits of a number that is not one: 0 to pass, and else a
/// verdict that there is none of.
fn nan(computed: &str, bits: &str) -> Result<Outcome, Fault> {
    let classify = format!(
        "(i32.store8 (i32.const {LISTS})
            (i32.ne (i32.const {bits}) (i32.reinterpret_f32 {computed})))"
    );
    Guest { classify, ..Guest::default() }.classify(Limits::default(), 1)
}

/// What a processor makes of two NaNs, of a NaN and a number, and of no number at all differs in sign
/// and payload: x86 hands on the first operand's bits, and makes negative ones.
#[test]
fn a_nan_has_the_same_bits_wherever_it_came_from() {
    let odd = "(f32.reinterpret_i32 (i32.const 0xffc12345))";
    for computed in [
        &format!("(f32.add {odd} (f32.const 1))"),
        &format!("(f32.mul (f32.const 1) {odd})"),
        &format!("(f32.sqrt {odd})"),
        &format!("(f32.min {odd} (f32.const nan:0x200001))"),
        "(f32.sqrt (f32.const -1))",
        "(f32.div (f32.const 0) (f32.const 0))",
        "(f32.sub (f32.const inf) (f32.const inf))",
    ] {
        let outcome = nan(computed, "0x7fc00000").expect("an outcome");
        assert_eq!(outcome.verdicts, [Verdict::Pass], "{computed}");
    }
}

/// The test above can tell bits apart.
#[test]
fn bits_that_are_only_moved_stay() {
    let odd = "(f32.reinterpret_i32 (i32.const 0xffc12345))";
    assert_eq!(nan(odd, "0xffc12345").expect("an outcome").verdicts, [Verdict::Pass]);
    let outcome = nan(odd, "0x7fc00000");
    assert!(!outcome.is_ok_and(|outcome| outcome.verdicts == [Verdict::Pass]));
}

/// Its results differ between processors, by definition.
#[test]
fn relaxed_simd_is_refused() {
    let fields = "(func (result v128)
        (f32x4.relaxed_madd (v128.const i32x4 0 0 0 0) (v128.const i32x4 0 0 0 0)
                            (v128.const i32x4 0 0 0 0)))";
    let component = Guest { fields: fields.to_owned(), ..Guest::default() }.component();
    let engine = Engine::new(Limits::default()).expect("an engine");
    let error = Rule::load(&engine, &component).expect_err("relaxed SIMD");
    assert!(matches!(error, LoadError::NotAComponent(_)), "{error}");
    assert!(error.to_string().contains("relaxed SIMD"), "{error}");
}
