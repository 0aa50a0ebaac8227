use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use crate::json::{Kind, Pointer, Reader, Str, SyntaxError, Value, scan_members};

/// The settings document that a rule is opened with: a JSON object.
///
/// A rule takes what it knows, key by key, and [finishes](Self::finish): a key that nobody took
/// is a mistake of the operator's, and is refused. A key that holds `null` counts as absent.
///
/// Every fresh instance reads it anew. So nothing is copied out of the document, and no map is made of
/// it: it has few keys.
#[derive(Clone, Debug)]
pub struct Settings<'a>(Vec<(Str<'a>, Value<'a>)>);

impl<'a> Settings<'a> {
    /// Reads a settings document.
    ///
    /// # Errors
    ///
    /// If the document is not JSON, or not an object.
    pub fn parse(document: &'a str) -> Result<Self, SettingsError> {
        let mut members: Vec<(Str<'_>, _)> = Vec::new();
        let kind = scan_members(document.as_bytes(), |key, value| {
            // Of equal keys the last one counts.
            members.retain(|(earlier, _)| !earlier.is(&key.text()));
            members.push((key, value));
        });
        let (value, expected) = match kind {
            Ok(Kind::Object) => return Ok(Self(members)),
            Ok(_) => (document.trim().to_owned(), "a JSON object".to_owned()),
            Err(error) => (String::new(), format!("a JSON object ({error})")),
        };
        Err(SettingsError { path: String::new(), value, expected })
    }

    /// Takes a finite number.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn number(&mut self, key: &str) -> Result<Option<f64>, SettingsError> {
        self.take(key, "a number", |value| value.as_f64())
    }

    /// Takes a whole number within a range.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn integer(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, SettingsError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.take(key, &expected, |value| {
            // Digits alone: no sign, fraction or exponent.
            value.text().parse().ok().filter(|number| range.contains(number))
        })
    }

    /// Takes one of some texts: its place among them.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn choice(&mut self, key: &str, of: &[&str]) -> Result<Option<usize>, SettingsError> {
        let named: Vec<_> = of.iter().map(|text| format!("{text:?}")).collect();
        self.take(key, &named.join(" or "), |value| {
            value.as_str().and_then(|text| of.iter().position(|choice| *choice == text))
        })
    }

    /// Takes `true` or `false`.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn boolean(&mut self, key: &str) -> Result<Option<bool>, SettingsError> {
        self.take(key, "true or false", |value| value.text().parse().ok())
    }

    /// Takes a string.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn string(&mut self, key: &str) -> Result<Option<String>, SettingsError> {
        self.take(key, "a string", |value| value.as_str().map(Cow::into_owned))
    }

    /// Takes a JSON Pointer (RFC 6901) to a field of the payload.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn pointer(&mut self, key: &str) -> Result<Option<Pointer>, SettingsError> {
        self.take(key, "a JSON Pointer to a field, such as \"/ANOMALY_SCORE\"", |value| {
            value.as_str().and_then(|text| Pointer::parse(&text).ok())
        })
    }

    /// Takes a list of JSON Pointers to fields of the payload: one at the least, `most` at the most,
    /// each once.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn pointers(
        &mut self,
        key: &str,
        most: usize,
    ) -> Result<Option<Vec<Pointer>>, SettingsError> {
        let expected = format!("a list of 1 to {most} different JSON Pointers, such as \"/pulse\"");
        self.take(key, &expected, |value| pointers(value, most))
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// If a key is left that nobody took.
    pub fn finish(self) -> Result<(), SettingsError> {
        match self.0.iter().find(|(_, value)| value.kind != Kind::Null) {
            None => Ok(()),
            Some((key, value)) => Err(SettingsError {
                path: path_of(&key.text()),
                value: value.text().to_owned(),
                expected: "no such setting: this rule does not know it".to_owned(),
            }),
        }
    }

    fn take<T>(
        &mut self,
        key: &str,
        expected: &str,
        read: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, SettingsError> {
        let Some(place) = self.0.iter().position(|(name, _)| name.is(key)) else {
            return Ok(None);
        };
        match self.0.remove(place).1 {
            value if value.kind == Kind::Null => Ok(None),
            value => match read(value) {
                Some(taken) => Ok(Some(taken)),
                None => Err(SettingsError {
                    path: path_of(key),
                    value: value.text().to_owned(),
                    expected: expected.to_owned(),
                }),
            },
        }
    }
}

/// The JSON Pointers in a list of 1 to `most` different ones.
fn pointers(list: Value<'_>, most: usize) -> Option<Vec<Pointer>> {
    let mut pointers = Vec::new();
    let mut fit = true;
    let is_list = Reader::new(list.text()).array(|reader| {
        let text = reader.string()?;
        match text.and_then(|text| Pointer::parse(&text.text()).ok()) {
            Some(pointer) if pointers.len() < most && !pointers.contains(&pointer) => {
                pointers.push(pointer);
            }
            _ => fit = false,
        }
        Ok::<_, SyntaxError>(())
    });
    (is_list == Ok(true) && fit && !pointers.is_empty()).then_some(pointers)
}

/// The JSON Pointer to a key of the document's root.
fn path_of(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Why a settings document was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// Where, as a JSON Pointer. Empty for the document as a whole.
    pub path: String,
    /// The value found there, as JSON. Empty where nothing was found.
    pub value: String,
    /// What would have been accepted there.
    pub expected: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, value, expected } = self;
        match path.as_str() {
            "" => write!(f, "settings: expected {expected}")?,
            path => write!(f, "setting {path}: expected {expected}")?,
        }
        if value.is_empty() { Ok(()) } else { write!(f, ", found {value}") }
    }
}

impl std::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(document: &str) -> Settings<'_> {
        Settings::parse(document).expect("a settings document")
    }

    #[test]
    fn what_is_absent_or_null_is_none() {
        let mut settings = settings(r#"{"upper": null}"#);
        assert_eq!(settings.number("upper"), Ok(None));
        assert_eq!(settings.number("lower"), Ok(None));
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn a_wrong_type_names_path_value_and_what_was_expected() {
        let error = settings(r#"{"upper": "1.5"}"#).number("upper").expect_err("a string");
        assert_eq!(error.to_string(), r#"setting /upper: expected a number, found "1.5""#);
    }

    #[test]
    fn a_pointer_must_be_one() {
        let error = settings(r#"{"field": "score"}"#).pointer("field").expect_err("no slash");
        assert_eq!((error.path.as_str(), error.value.as_str()), ("/field", "\"score\""));
    }

    #[test]
    fn a_whole_number_is_within_its_range() {
        for value in ["0", "1.5", "-1", "1001", "\"7\"", "1e2", "-0", "18446744073709551616"] {
            let document = format!(r#"{{"n": {value}}}"#);
            let error = settings(&document).integer("n", 1..=1000);
            let error = error.expect_err(value);
            assert_eq!(error.expected, "a whole number from 1 to 1000", "{value}");
        }
        let document = format!(r#"{{"n": {}}}"#, u64::MAX);
        assert_eq!(settings(&document).integer("n", 0..=u64::MAX), Ok(Some(u64::MAX)));
    }

    #[test]
    fn a_choice_is_one_of_those_that_there_are() {
        let of = ["forest", "zscore"];
        assert_eq!(settings(r#"{"s": "zscore"}"#).choice("s", &of), Ok(Some(1)));
        let error = settings(r#"{"s": "tree"}"#).choice("s", &of).expect_err("none of them");
        assert_eq!(error.expected, r#""forest" or "zscore""#);
    }

    #[test]
    fn a_list_of_pointers_has_each_once() {
        let pointers = |text: &str| settings(&format!(r#"{{"c": {text}}}"#)).pointers("c", 2);
        let found = pointers(r#"["/a", "/b/0"]"#).expect("pointers").expect("there are some");
        assert_eq!(found.iter().map(Pointer::as_str).collect::<Vec<_>>(), ["/a", "/b/0"]);
        for text in ["[]", "\"/a\"", r#"["/a", "/b", "/c"]"#, r#"["a"]"#, r#"["/a", "/a"]"#, "[1]"]
        {
            assert_eq!(pointers(text).expect_err(text).path, "/c", "{text}");
        }
    }

    #[test]
    fn a_boolean_is_one() {
        assert_eq!(settings(r#"{"a": true}"#).boolean("a"), Ok(Some(true)));
        for value in ["1", "\"true\"", "[true]"] {
            let document = format!(r#"{{"a": {value}}}"#);
            assert_eq!(settings(&document).boolean("a").expect_err(value).value, value);
        }
    }

    #[test]
    fn strings_and_keys_may_be_escaped() {
        let mut settings = settings(r#"{"\u0061": "x\n\"y\""}"#);
        assert_eq!(settings.string("a"), Ok(Some("x\n\"y\"".to_owned())));
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn of_equal_keys_the_last_counts() {
        let document = r#"{"a": 1, "b": 2, "\u0061": 3, "b": null}"#;
        let mut settings = settings(document);
        assert_eq!(settings.number("a"), Ok(Some(3.0)));
        assert_eq!(settings.number("a"), Ok(None));
        assert_eq!(settings.finish(), Ok(()));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let mut settings = settings(r#"{"upper": 1, "uper/bound": [1, 2], "lower": 3}"#);
        assert_eq!(settings.number("upper"), Ok(Some(1.0)));
        let error = settings.finish().expect_err("unknown");
        assert_eq!((error.path.as_str(), error.value.as_str()), ("/uper~1bound", "[1, 2]"));
    }

    #[test]
    fn the_document_must_be_an_object() {
        assert_eq!(Settings::parse(" [1]\n").expect_err("an array").value, "[1]");
        let error = Settings::parse("{").expect_err("not JSON");
        assert_eq!(
            error.to_string(),
            "settings: expected a JSON object (unexpected end of document at byte 1)"
        );
    }
}
