use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::json::Pointer;

/// The settings document that a rule is opened with: a JSON object.
///
/// A rule takes what it knows, key by key, and [finishes](Self::finish): a key that nobody took
/// is a mistake of the operator's, and is refused. A key that holds `null` counts as absent.
#[derive(Clone, Debug)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Reads a settings document.
    ///
    /// # Errors
    ///
    /// If the document is not JSON, or not an object.
    pub fn parse(document: &str) -> Result<Self, SettingsError> {
        match serde_json::from_str(document) {
            Ok(Value::Object(settings)) => Ok(Self(settings)),
            Ok(other) => Err(SettingsError {
                path: String::new(),
                value: other.to_string(),
                expected: "a JSON object".to_owned(),
            }),
            Err(error) => Err(SettingsError {
                path: String::new(),
                value: String::new(),
                expected: format!("a JSON object ({error})"),
            }),
        }
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
        self.take(key, &expected, |value| value.as_u64().filter(|number| range.contains(number)))
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
        self.take(key, "true or false", |value| value.as_bool())
    }

    /// Takes a string.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn string(&mut self, key: &str) -> Result<Option<String>, SettingsError> {
        self.take(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// Takes a JSON Pointer (RFC 6901) to a field of the payload.
    ///
    /// # Errors
    ///
    /// If the key holds something else.
    pub fn pointer(&mut self, key: &str) -> Result<Option<Pointer>, SettingsError> {
        self.take(key, "a JSON Pointer to a field, such as \"/ANOMALY_SCORE\"", |value| {
            value.as_str().and_then(|text| Pointer::parse(text).ok())
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
        self.take(key, &expected, |value| {
            let texts = value.as_array().filter(|texts| (1..=most).contains(&texts.len()))?;
            let mut pointers = Vec::with_capacity(texts.len());
            for text in texts {
                let pointer = Pointer::parse(text.as_str()?).ok()?;
                if pointers.contains(&pointer) {
                    return None;
                }
                pointers.push(pointer);
            }
            Some(pointers)
        })
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// If a key is left that nobody took.
    pub fn finish(self) -> Result<(), SettingsError> {
        match self.0.into_iter().find(|(_, value)| !value.is_null()) {
            None => Ok(()),
            Some((key, value)) => Err(SettingsError {
                path: path_of(&key),
                value: value.to_string(),
                expected: "no such setting: this rule does not know it".to_owned(),
            }),
        }
    }

    fn take<T>(
        &mut self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, SettingsError> {
        match self.0.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(&value) {
                Some(taken) => Ok(Some(taken)),
                None => Err(SettingsError {
                    path: path_of(key),
                    value: value.to_string(),
                    expected: expected.to_owned(),
                }),
            },
        }
    }
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

    fn settings(document: &str) -> Settings {
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
        for value in ["0", "1.5", "-1", "1001", "\"7\"", "1e2"] {
            let error = settings(&format!(r#"{{"n": {value}}}"#)).integer("n", 1..=1000);
            let error = error.expect_err(value);
            assert_eq!(error.expected, "a whole number from 1 to 1000", "{value}");
        }
        let most = settings(&format!(r#"{{"n": {}}}"#, u64::MAX)).integer("n", 0..=u64::MAX);
        assert_eq!(most, Ok(Some(u64::MAX)));
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
    fn an_unknown_key_is_refused() {
        let error = settings(r#"{"uper/bound": 1}"#).finish().expect_err("unknown");
        assert_eq!(error.path, "/uper~1bound");
    }

    #[test]
    fn the_document_must_be_an_object() {
        assert_eq!(Settings::parse("[1]").expect_err("an array").value, "[1]");
        let error = Settings::parse("{").expect_err("not JSON");
        assert!(error.expected.contains("line 1"), "{error}");
    }
}
