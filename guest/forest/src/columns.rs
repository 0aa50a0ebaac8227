//! The numbers of a record that are scored, and the key whose records it belongs to.

use std::collections::BTreeMap;
use std::fmt;

use weir_guest::json::{Fields, FieldsScanner, Kind, Pointer, Value};
use weir_guest::{FieldError, Record};

use crate::annotation::SCORE;

/// How many columns a record can have.
pub const MAX_COLUMNS: usize = 30;

/// How long a key may be, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// Numbers beyond ± this cannot be scored: with 32-bit floats, sums over them would overflow.
pub const MAX_NUMBER: f64 = 1e35;

/// The fields that are read out of every record.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// Looks for the columns, and behind them the key, if there is one.
    scanner: FieldsScanner,
    columns: usize,
}

impl Columns {
    pub(crate) fn new(mut columns: Vec<Pointer>, key: Option<&Pointer>) -> Self {
        let count = columns.len();
        columns.extend(key.cloned());
        let fields = Fields::new(columns).expect("as many as columns can be, and a key");
        Self { scanner: FieldsScanner::new(fields), columns: count }
    }

    /// The columns that a first record has: its members that are numbers, in order, without the key,
    /// and without a score that was written into it.
    pub(crate) fn of_record(
        record: &Record<'_>,
        key: Option<&Pointer>,
    ) -> Result<Vec<Pointer>, Unusable> {
        let mut members = BTreeMap::new();
        let mut place = 0;
        record.members(|name, value| {
            let (_, is_number) = members.entry(name.text()).or_insert((place, false));
            // Of members with the same key the last one counts.
            *is_number = value.kind == Kind::Number;
            place += 1;
        })?;
        members.remove(SCORE);
        let numbers = members.into_iter().filter(|(_, (_, is_number))| *is_number);
        let mut columns: Vec<_> = numbers
            .map(|(name, (place, _))| (place, Pointer::to_member(&name)))
            .filter(|(_, column)| Some(column) != key)
            .collect();
        columns.sort_by_key(|(place, _)| *place);
        columns.truncate(MAX_COLUMNS);
        match columns.is_empty() {
            true => Err(Unusable::NoNumber),
            false => Ok(columns.into_iter().map(|(_, column)| column).collect()),
        }
    }

    /// Where the columns are.
    pub(crate) fn pointers(&self) -> &[Pointer] {
        &self.fields()[..self.columns]
    }

    fn fields(&self) -> &[Pointer] {
        self.scanner.fields().pointers()
    }

    /// Reads a record's numbers into `point`, and its key into `key`, if there is one to be read.
    pub(crate) fn read(
        &mut self,
        record: &Record<'_>,
        point: &mut Vec<f64>,
        key: &mut String,
    ) -> Result<(), Unusable> {
        // No number in JSON's grammar is this.
        point.clear();
        point.resize(self.columns, f64::NAN);
        let mut key_value = None;
        record.fields_by(&mut self.scanner, |field, value| match point.get_mut(field) {
            Some(number) => *number = value.and_then(|value| value.as_f64()).unwrap_or(f64::NAN),
            None => key_value = value,
        })?;
        for (field, number) in self.pointers().iter().zip(point) {
            if number.is_nan() {
                // What is wrong with it is found in a pass of its own: that is rare.
                *number = record.number(field)?;
            }
            if number.abs() > MAX_NUMBER {
                return Err(Unusable::OutOfRange(field.clone()));
            }
        }
        match self.fields().get(self.columns) {
            Some(field) => read_key(field, key_value, key),
            None => Ok(()),
        }
    }
}

fn read_key(field: &Pointer, value: Option<Value<'_>>, key: &mut String) -> Result<(), Unusable> {
    let Some(value) = value else {
        return Err(FieldError::Missing(field.clone()).into());
    };
    key.clear();
    match (value.as_str(), value.kind) {
        (Some(text), _) => key.push_str(&text),
        (None, Kind::Number | Kind::Bool) => key.push_str(value.text()),
        (None, found) => {
            return Err(Unusable::NotAKey { field: field.clone(), found, offset: value.offset });
        }
    }
    match key.len() > MAX_KEY_BYTES {
        true => Err(Unusable::KeyTooLong(field.clone())),
        false => Ok(()),
    }
}

/// Why a record cannot be scored. Holds nothing of the payload.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Unusable {
    /// It does not hold a number where one is expected.
    Field(FieldError),
    /// This number is too large.
    OutOfRange(Pointer),
    /// A first record that tells no columns.
    NoNumber,
    /// The key is something else than a string, a number or a boolean.
    NotAKey { field: Pointer, found: Kind, offset: usize },
    /// The key is longer than a key may be.
    KeyTooLong(Pointer),
}

impl From<FieldError> for Unusable {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(error) => error.fmt(f),
            Self::OutOfRange(field) => write!(f, "field {field} is beyond ±{MAX_NUMBER:e}"),
            Self::NoNumber => {
                f.write_str("no member is a number, beside a score: there is nothing to score")
            }
            Self::NotAKey { field, found, offset } => write!(
                f,
                "key {field} is not a string, a number or a boolean: found {found} at byte {offset}"
            ),
            Self::KeyTooLong(field) => {
                write!(f, "key {field} is longer than {MAX_KEY_BYTES} bytes")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_guest::json::PADDING;

    use super::*;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).expect("a pointer")
    }

    fn of_record(payload: &str, key: Option<&str>) -> Result<Vec<String>, String> {
        let key = key.map(pointer);
        let columns = Columns::of_record(&Record::new(payload.as_bytes()), key.as_ref());
        columns
            .map(|columns| columns.iter().map(Pointer::to_string).collect())
            .map_err(|error| error.to_string())
    }

    fn read(columns: &[&str], key: Option<&str>, payload: &str) -> Result<String, String> {
        let columns = columns.iter().copied().map(pointer).collect();
        let mut columns = Columns::new(columns, key.map(pointer).as_ref());
        read_by(&mut columns, &Record::new(payload.as_bytes()))
    }

    fn read_by(columns: &mut Columns, record: &Record<'_>) -> Result<String, String> {
        let (mut point, mut key) = (vec![9.0; 9], "left over".to_owned());
        match columns.read(record, &mut point, &mut key) {
            Ok(()) => Ok(format!("{point:?} {key}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_first_record_tells_the_columns() {
        let payload =
            r#"{"id":"a","b":2,"a\/c":1.5,"d":null,"e":[1],"f":true,"g":3,"b":4,"g":"x"}"#;
        assert_eq!(of_record(payload, None), Ok(vec!["/b".into(), "/a~1c".into()]));
        assert_eq!(of_record(payload, Some("/b")), Ok(vec!["/a~1c".into()]));
        let scored = r#"{"a":1,"ANOMALY_SCORE":1.5,"anomaly":true}"#;
        assert_eq!(of_record(scored, None), Ok(vec!["/a".into()]));
        for payload in ["{}", r#"{"a":"1"}"#, r#"{"ANOMALY_SCORE":1}"#] {
            assert!(of_record(payload, None).expect_err(payload).contains("no member is a number"));
        }
        assert!(of_record("[1]", None).expect_err("an array").contains("not a JSON object"));
    }

    #[test]
    fn further_numbers_are_ignored() {
        let members: Vec<_> = (0..40).map(|n| format!("\"c{n}\":{n}")).collect();
        let columns = of_record(&format!("{{{}}}", members.join(",")), None).expect("columns");
        assert_eq!(columns.len(), MAX_COLUMNS);
        assert_eq!((columns[0].as_str(), columns[29].as_str()), ("/c0", "/c29"));
    }

    #[test]
    fn numbers_and_key_are_read_in_one_pass() {
        let payload = r#"{"c":[1,2],"device":"caf\u00e9","b":-1e35,"n":10.0,"more":3}"#;
        let columns = ["/b", "/c/1"];
        assert_eq!(read(&columns, Some("/device"), payload), Ok("[-1e35, 2.0] café".into()));
        assert_eq!(read(&columns, Some("/n"), payload), Ok("[-1e35, 2.0] 10.0".into()));
        assert_eq!(read(&["/n"], Some("/n"), payload), Ok("[10.0] 10.0".into()));
        assert_eq!(read(&["/n"], None, payload), Ok("[10.0] left over".into()));
    }

    #[test]
    fn records_that_look_alike_are_read_as_each_is_alone() {
        let pointers = ["/b", "/c/1"];
        let mut columns = Columns::new(pointers.map(pointer).to_vec(), Some(&pointer("/k")));
        let payload = |b: &str, c: &str, k: &str| format!(r#"{{"b":{b},"c":[0,{c}],"k":{k}}}"#);
        let same: Vec<_> = (0..12).map(|n| payload(&n.to_string(), "2.5", r#""x""#)).collect();
        let others = [
            payload("100", "-1e35", "7"),
            payload("1", "null", r#""y""#),
            payload("1", "2", "[]"),
            payload("01", "2", r#""y""#),
            r#"{"b":1,"k":"z"}"#.to_owned(),
            payload("3", "4", r#""caf\u00e9""#),
        ];
        for payload in same.iter().chain(&others).chain(&same) {
            let buffer = [payload.as_bytes(), &[b'0'; PADDING]].concat();
            let read_on = read_by(&mut columns, &Record::within(&buffer, payload.len()));
            assert_eq!(read_on, read(&pointers, Some("/k"), payload), "{payload}");
        }
    }

    #[test]
    fn what_cannot_be_scored_is_named() {
        let long = format!(r#"{{"a":1,"k":"{}"}}"#, "x".repeat(MAX_KEY_BYTES + 1));
        for (payload, reason) in [
            (r#"{"k":"x"}"#, "field /a is missing"),
            (r#"{"a":"NaN","k":"x"}"#, "field /a is not a number: found a string at byte 5"),
            (r#"{"a":null,"k":"x"}"#, "field /a is not a number: found null at byte 5"),
            (r#"{"a":1.1e35,"k":"x"}"#, "field /a is beyond ±1e35"),
            (r#"{"a":-1e308,"k":"x"}"#, "field /a is beyond ±1e35"),
            (
                r#"{"a":1e999,"k":"x"}"#,
                "not JSON: a number beyond the range of a 64-bit float at byte 5",
            ),
            (r#"{"a":NaN,"k":"x"}"#, "not JSON: expected a value at byte 5"),
            (r#"{"a":1}"#, "field /k is missing"),
            (
                r#"{"a":1,"k":{}}"#,
                "key /k is not a string, a number or a boolean: found an object at byte 11",
            ),
            (&long, "key /k is longer than 256 bytes"),
        ] {
            assert_eq!(read(&["/a"], Some("/k"), payload), Err(reason.to_owned()), "{payload}");
        }
    }
}
