use crate::contract::Event;
use crate::outcome::{Bound, Flag, Outcome};
use crate::rule::Description;

/// A message to publish: a flagged record, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The id of the record it stands for, so that a subscriber can tell a repeated message.
    pub record_id: String,
    /// The message's subject.
    pub subject: String,
    /// The message: the decoded payload, unless the rule had something better to say.
    pub message: String,
    /// The score that made the rule flag the record.
    pub score: Option<f64>,
    /// The bound that the score crossed.
    pub crossed: Option<Bound>,
    /// The name of the rule that flagged it.
    pub rule: String,
    /// The version of that rule.
    pub rule_version: String,
    /// The message group on a FIFO topic: within it, messages keep their order.
    pub group: Option<String>,
    /// What a FIFO topic tells repeated messages by: the same whenever the same record comes again.
    pub deduplication_id: String,
}

/// The alerts of an event: one for each flagged record, in order.
pub(crate) fn compose(
    event: &Event<'_>,
    outcome: &mut Outcome,
    rule: &Description,
    subject: &str,
) -> Vec<Alert> {
    let alert = |flag: &mut Flag| Alert {
        record_id: event.id(flag.index).to_owned(),
        subject: flag.subject.take().unwrap_or_else(|| subject.to_owned()),
        message: std::mem::take(&mut flag.message),
        score: flag.score,
        crossed: flag.crossed,
        rule: rule.name.clone(),
        rule_version: rule.version.clone(),
        group: None,
        deduplication_id: String::new(),
    };
    outcome.flagged.iter_mut().map(alert).collect()
}
