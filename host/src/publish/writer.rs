use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::{PublishError, Publisher};
use crate::alert::Alert;
use crate::outcome::Bound;
use crate::printable::printable;

/// Writes alerts instead of sending them: a dry run.
#[derive(Debug)]
pub struct AlertWriter<W> {
    format: AlertFormat,
    to: Mutex<W>,
}

/// How an alert is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertFormat {
    /// For a person to read.
    Text,
    /// One JSON document a line.
    Ndjson,
}

impl<W: Write> AlertWriter<W> {
    /// A writer of alerts to `to`.
    pub fn new(format: AlertFormat, to: W) -> Self {
        Self { format, to: Mutex::new(to) }
    }

    fn write(&self, alerts: &[Alert]) -> io::Result<()> {
        // Written at once, so that alerts of several events never mix.
        let mut written = Vec::new();
        for alert in alerts {
            match self.format {
                AlertFormat::Text => write_text(alert, &mut written)?,
                AlertFormat::Ndjson => write_line(alert, &mut written)?,
            }
        }
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.write_all(&written)?;
        to.flush()
    }
}

impl<W: Write + Send> Publisher for AlertWriter<W> {
    async fn publish(
        &self,
        alerts: Vec<Alert>,
        _deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        let written = self.write(&alerts);
        alerts
            .iter()
            .map(|_| match &written {
                Ok(()) => Ok(()),
                Err(error) => Err(PublishError::Unconfirmed(format!("cannot be written: {error}"))),
            })
            .collect()
    }
}

fn write_text(alert: &Alert, to: &mut Vec<u8>) -> io::Result<()> {
    let Alert { record_id, subject, message, score, crossed, .. } = alert;
    write!(to, "alert   record {}", printable(record_id))?;
    if let Some(score) = score {
        write!(to, ", score {score}")?;
    }
    match crossed {
        Some(Bound::Upper) => write!(to, ", crossed the upper bound")?,
        Some(Bound::Lower) => write!(to, ", crossed the lower bound")?,
        None => {}
    }
    writeln!(to, "\n        {}", printable(subject))?;
    for line in message.trim_end().lines() {
        writeln!(to, "        {}", printable(line))?;
    }
    Ok(())
}

fn write_line(alert: &Alert, to: &mut Vec<u8>) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        record: &'a str,
        score: Option<f64>,
        crossed: Option<Bound>,
        rule: &'a str,
        rule_version: &'a str,
        rule_digest: String,
        subject: &'a str,
        message: &'a str,
    }
    let Alert { record_id, subject, message, score, crossed, rule, rule_version, .. } = alert;
    let line = Line {
        record: record_id,
        score: *score,
        crossed: *crossed,
        rule,
        rule_version,
        rule_digest: alert.rule_digest.to_string(),
        subject,
        message,
    };
    serde_json::to_writer(&mut *to, &line)?;
    to.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Alert {
        Alert {
            record_id: "49".to_owned(),
            subject: "Sent".to_owned(),
            message: "{\"a\":\"\u{1b}[2J\"}\n".to_owned(),
            score: Some(1.5),
            crossed: Some(Bound::Upper),
            ..Alert::sample()
        }
    }

    #[test]
    fn text_shows_no_control_characters() {
        let mut text = Vec::new();
        let (id, subject) = ("49\nerror: forged".to_owned(), "Sent\u{9b}31m".to_owned());
        let alert = Alert { record_id: id, subject, ..alert() };
        write_text(&alert, &mut text).expect("memory");
        assert_eq!(
            String::from_utf8(text).expect("UTF-8"),
            "alert   record 49\u{fffd}error: forged, score 1.5, crossed the upper bound\n        \
             Sent\u{fffd}31m\n        \
             {\"a\":\"\u{fffd}[2J\"}\n"
        );
    }

    #[test]
    fn a_line_holds_all_that_would_be_sent() {
        let mut line = Vec::new();
        write_line(&alert(), &mut line).expect("memory");
        let line: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(line["message"], "{\"a\":\"\u{1b}[2J\"}\n");
        assert_eq!((&line["score"], &line["crossed"]), (&1.5.into(), &"upper".into()));
    }
}
