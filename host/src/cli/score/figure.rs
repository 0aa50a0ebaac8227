//! Numbers as they are read: with no more digits than it takes.

/// A number, rounded to so many significant digits.
pub(super) fn rounded(value: f64, digits: usize) -> f64 {
    let rounded = format!("{value:.*e}", digits.saturating_sub(1)).parse();
    // Above the largest number there is none.
    rounded.ok().filter(|rounded: &f64| rounded.is_finite()).unwrap_or(value)
}

/// A number as text that stands for the very same. One with many zeros has an exponent.
pub(super) fn text(value: f64) -> String {
    match value.abs() {
        0.0 | 1e-4..1e15 => value.to_string(),
        _ => format!("{value:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_as_many_digits_as_it_takes() {
        let shown = |value, digits| text(rounded(value, digits));
        assert_eq!(shown(5.786_049_3, 5), "5.786");
        assert_eq!(shown(0.7, 5), "0.7");
        assert_eq!(shown(123_456.0, 5), "123460");
        assert_eq!(shown(9.978_123e-6, 5), "9.9781e-6");
        assert_eq!(shown(-1e308, 5), "-1e308");
        assert_eq!(shown(f64::MAX, 5), "1.7976931348623157e308");
        assert_eq!(shown(0.0, 5), "0");
        for value in [0.1 + 0.2, f64::MAX, f64::MIN_POSITIVE, 5e-324, -1.0 / 3.0] {
            assert_eq!(rounded(value, 17), value);
            assert_eq!(text(value).parse(), Ok(value));
        }
    }
}
