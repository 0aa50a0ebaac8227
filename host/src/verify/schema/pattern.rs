//! How large a pattern becomes when it is compiled, counted before it is: what is repeated counts as often.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{Ast, Repetition, RepetitionKind, RepetitionRange, Span};

use crate::printable::cut;

/// What a dot counts: the characters of Unicode are several ranges of bytes.
const ANY_CHARACTER: u64 = 5;

/// What a class by a property of Unicode counts, such as `\p{L}`: it is hundreds of ranges.
const UNICODE_CLASS: u64 = 1_000;

/// For each class such as `\d`, the validator reads all of the pattern again. So many bytes of that count as
/// one part of the pattern.
const BYTES_PER_PART: usize = 8;

/// How many characters of a pattern are shown.
const SHOWN: usize = 60;

/// How many parts a pattern has.
///
/// # Errors
///
/// If it is none.
pub(super) fn size(pattern: &str) -> Result<u64, String> {
    match Parser::new().parse(pattern) {
        Ok(ast) => Ok(parts(&ast, pattern)),
        Err(error) => Err(format!("its pattern {:?}: {}", cut(pattern, SHOWN), error.kind())),
    }
}

/// The parser bounds how deep they are within each other.
fn parts(ast: &Ast, pattern: &str) -> u64 {
    let sum =
        |parted: &[Ast]| parted.iter().map(|ast| parts(ast, pattern)).fold(1, u64::saturating_add);
    match ast {
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Assertion(_) => 1,
        Ast::Dot(_) => ANY_CHARACTER,
        Ast::ClassUnicode(class) => class_parts(&class.span, pattern),
        Ast::ClassPerl(class) => class_parts(&class.span, pattern),
        Ast::ClassBracketed(class) => class_parts(&class.span, pattern),
        Ast::Repetition(repetition) => {
            parts(&repetition.ast, pattern).saturating_add(1).saturating_mul(times(repetition))
        }
        Ast::Group(group) => parts(&group.ast, pattern).saturating_add(1),
        Ast::Alternation(alternation) => sum(&alternation.asts),
        Ast::Concat(concat) => sum(&concat.asts),
    }
}

/// Each character of a class counts, and what it may stand for.
fn class_parts(span: &Span, pattern: &str) -> u64 {
    let class = &pattern[span.start.offset..span.end.offset];
    // What several properties stand for becomes one set.
    let unicode = if class.contains(r"\p") || class.contains(r"\P") { UNICODE_CLASS } else { 0 };
    let escapes = class.matches('\\').count();
    (class.len() + escapes * (pattern.len() / BYTES_PER_PART)) as u64 + unicode
}

/// How many copies are made of what is repeated.
fn times(repetition: &Repetition) -> u64 {
    let times = match &repetition.op.kind {
        RepetitionKind::Range(
            RepetitionRange::Exactly(most) | RepetitionRange::Bounded(_, most),
        ) => *most,
        RepetitionKind::Range(RepetitionRange::AtLeast(least)) => least.saturating_add(1),
        _ => 1,
    };
    u64::from(times).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_counts_as_often() {
        let once = size("(?:[a-z]x?)").expect("a pattern");
        let often = size("(?:[a-z]x?){1,500}").expect("a pattern");
        assert!((500 * once..501 * (once + 1)).contains(&often), "{once} {often}");
        let within = size("(?:(?:[a-z]x?){500}){500}").expect("a pattern");
        assert!(within > 500 * often, "{within} {often}");
        assert!(size("(?:){4000000000}").expect("a pattern") >= 4_000_000_000);
        assert_eq!(size("(?:(?:(?:a{4000000000}){4000000000}){9}){9}"), Ok(u64::MAX));
        assert!(size("a{500,}") > size("a{500}"));
    }

    #[test]
    fn a_class_counts_what_it_stands_for() {
        for class in [r"\p{L}", r"\PL", r"[\p{Greek}_]"] {
            assert!(size(class).is_ok_and(|size| size > UNICODE_CLASS), "{class}");
        }
        let digits = |length: usize| size(&r"\d".repeat(length)).expect("a pattern");
        assert!(digits(2_000) > 3 * digits(1_000));
    }

    #[test]
    fn what_is_no_pattern_is_told_why() {
        let error = size(&format!("{}(?=a)", "ü".repeat(SHOWN + 1))).expect_err("a look-around");
        assert!(error.contains("look-around") && error.contains("ü…\""), "{error}");
        assert!(size("(").is_err());
    }
}
