use aws_sdk_sns::types::MessageAttributeValue;

use crate::alert::Alert;
use crate::aws::Entry;

/// The longest subject that SNS takes, in characters.
const MAX_SUBJECT: usize = 100;

/// An alert that fits SNS's rules, with what it weighs.
#[derive(Clone, Debug)]
pub(crate) struct SnsEntry {
    /// The index of the alert among those to publish.
    pub(super) index: usize,
    pub(super) subject: String,
    pub(super) message: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) group: Option<String>,
    pub(super) deduplication_id: String,
    /// What it counts for in a request, in bytes.
    pub(super) bytes: usize,
}

/// A message attribute: what a subscriber can filter by without reading the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    data_type: &'static str,
    value: String,
}

impl SnsEntry {
    /// Checks an alert against what SNS takes.
    ///
    /// # Errors
    ///
    /// Says what of it SNS would refuse.
    pub(super) fn new(index: usize, alert: Alert, max_bytes: usize) -> Result<Self, String> {
        if alert.message.is_empty() {
            return Err("the message is empty".to_owned());
        }
        check_subject(&alert.subject).map_err(|error| error.to_string())?;
        let attributes = attributes(&alert);
        let bytes = alert.message.len()
            + alert.subject.len()
            + attributes.iter().map(Attribute::bytes).sum::<usize>();
        if bytes > max_bytes {
            return Err(format!(
                "the message has {bytes} bytes with its attributes, the topic takes {max_bytes}"
            ));
        }
        let Alert { subject, message, group, deduplication_id, .. } = alert;
        Ok(Self { index, subject, message, attributes, group, deduplication_id, bytes })
    }
}

impl Entry for SnsEntry {
    fn index(&self) -> usize {
        self.index
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// SNS takes no empty value, so an alert has only the attributes that say something.
fn attributes(alert: &Alert) -> Vec<Attribute> {
    let string =
        |name, value: &str| Attribute { name, data_type: "String", value: value.to_owned() };
    let score = alert.score.map(nearest_number).and_then(serde_json::Number::from_f64);
    let mut attributes = vec![
        string("record_id", &alert.record_id),
        string("rule", &alert.rule),
        string("rule_version", &alert.rule_version),
        string("rule_digest", &alert.rule_digest.to_string()),
    ];
    attributes.extend(score.map(|score| Attribute {
        name: "score",
        data_type: "Number",
        value: score.to_string(),
    }));
    attributes.retain(|attribute| !attribute.value.is_empty());
    attributes
}

/// The number nearest to a score that SNS takes as an attribute. A subscription that filters by the score
/// still gets the alert: its policy can name no larger number. The score itself is in the message.
///
/// Source: Amazon SNS Developer Guide, "Message attribute data types and validation", "Filter policy
/// constraints": -10^9 to 10^9. Amazon SQS Developer Guide, "Message attribute data types", for
/// subscriptions that pass attributes on: 10^-128 at the least.
fn nearest_number(score: f64) -> f64 {
    match score.abs() < 1e-128 {
        true => 0.0,
        false => score.clamp(-1e9, 1e9),
    }
}

impl Attribute {
    /// SNS counts an attribute's name, its type and its value.
    fn bytes(&self) -> usize {
        self.name.len() + self.data_type.len() + self.value.len()
    }

    pub(super) fn value(&self) -> MessageAttributeValue {
        MessageAttributeValue::builder()
            .data_type(self.data_type)
            .string_value(&self.value)
            .build()
            .expect("the data type is set")
    }
}

/// A subject that SNS would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the subject must be 1 to {MAX_SUBJECT} printable ASCII characters and begin with a letter, a \
     digit or punctuation"
)]
pub struct InvalidSubject;

/// Checks that SNS takes a subject.
///
/// # Errors
///
/// If it is empty, too long, not ASCII, begins with a space or has control characters.
pub fn check_subject(subject: &str) -> Result<(), InvalidSubject> {
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    match subject.bytes().next() {
        Some(first)
            if first.is_ascii_graphic()
                && subject.len() <= MAX_SUBJECT
                && subject.bytes().all(printable) =>
        {
            Ok(())
        }
        _ => Err(InvalidSubject),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(message: &str) -> Alert {
        Alert { message: message.to_owned(), score: Some(1.5), ..Alert::sample() }
    }

    /// What the alert weighs beside its message.
    const REST: usize = "s".len()
        + "record_idStringr".len()
        + "ruleStringthreshold".len()
        + "rule_versionString0.1.0".len()
        + "rule_digestStringsha256:".len()
        + 64
        + "scoreNumber1.5".len();

    #[test]
    fn a_message_is_measured_in_bytes_with_its_attributes() {
        let entry = SnsEntry::new(0, alert("ü"), 1000).expect("an entry");
        assert_eq!(entry.bytes, REST + 2);
    }

    #[test]
    fn a_message_may_fill_the_limit_and_not_pass_it() {
        assert!(SnsEntry::new(0, alert("1234"), REST + 4).is_ok());
        let error = SnsEntry::new(0, alert("12345"), REST + 4).expect_err("one byte too many");
        assert!(error.contains(&(REST + 5).to_string()), "{error}");
    }

    #[test]
    fn an_empty_message_is_refused() {
        assert_eq!(SnsEntry::new(0, alert(""), 1000).expect_err("empty"), "the message is empty");
    }

    #[test]
    fn subjects_are_held_to_what_sns_takes() {
        let long = "x".repeat(100);
        for subject in ["Sent from Kinesis Analytics", "!", "1 2", &long] {
            assert_eq!(check_subject(subject), Ok(()), "{subject:?}");
        }
        let too_long = "x".repeat(101);
        for subject in ["", " x", "a\nb", "é", "a\u{7f}", &too_long] {
            assert_eq!(check_subject(subject), Err(InvalidSubject), "{subject:?}");
        }
    }

    #[test]
    fn a_score_that_sns_would_refuse_is_the_nearest_that_it_takes() {
        let score_of = |score| {
            let alert = Alert { score: Some(score), ..alert("m") };
            let mut attributes = attributes(&alert).into_iter();
            attributes.find(|attribute| attribute.name == "score").map(|score| score.value)
        };
        for (score, taken) in [
            (2.123_456_789, "2.123456789"),
            (-1e9, "-1000000000.0"),
            (1e-7, "1e-7"),
            (1e200, "1000000000.0"),
            (f64::MIN, "-1000000000.0"),
            (f64::MIN_POSITIVE, "0.0"),
        ] {
            assert_eq!(score_of(score).as_deref(), Some(taken));
        }
        assert_eq!(score_of(f64::NAN), None);
    }

    #[test]
    fn an_attribute_without_a_value_is_left_out() {
        let alert = Alert { record_id: String::new(), score: None, ..alert("m") };
        let names: Vec<_> = attributes(&alert).iter().map(|attribute| attribute.name).collect();
        assert_eq!(names, ["rule", "rule_version", "rule_digest"]);
    }
}
