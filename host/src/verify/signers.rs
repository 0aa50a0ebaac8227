//! Who may sign rules: the file `allowed_signers`, as the manual of ssh-keygen has it. What is not
//! understood is refused, so that nothing that was meant to restrict a key is passed over.

use std::fmt;
use std::time::SystemTime;

use ssh_key::{HashAlg, PublicKey};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use super::scheme::{KINDS, NAMESPACE, is_supported};

/// Those who may sign rules, with their public keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSigners(Vec<Allowed>);

/// Who signed a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The name, as the file of allowed signers has it: `ada@example.org`.
    pub principals: String,
    /// The fingerprint of the public key, as `ssh-keygen -l` shows it: `SHA256:…`.
    pub fingerprint: String,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.principals, self.fingerprint)
    }
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    principals: String,
    key: PublicKey,
    only: Restrictions,
}

/// What a line's options restrict its key to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Restrictions {
    namespaces: Option<Vec<String>>,
    valid_after: Option<Moment>,
    valid_before: Option<Moment>,
}

/// A point in time, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Moment {
    at: OffsetDateTime,
    text: String,
}

impl AllowedSigners {
    /// Reads the text of a file of allowed signers: principals, options and a public key a line.
    /// Options may be `namespaces`, by their full names, and `valid-after` and `valid-before`, in UTC.
    ///
    /// # Errors
    ///
    /// Names the line and what is not understood there. A file without a signer is refused as well.
    pub fn parse(text: &str) -> Result<Self, InvalidSigners> {
        let mut allowed = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let signer = Allowed::parse(text).map_err(|what| InvalidSigners { line, what })?;
            allowed.push(signer);
        }
        if allowed.is_empty() {
            return Err(InvalidSigners { line: 1, what: "there is no signer in it".to_owned() });
        }
        Ok(Self(allowed))
    }

    /// Who it is that has this key, if it is allowed to sign rules now.
    pub(super) fn find(&self, key: &PublicKey, now: SystemTime) -> Result<Signer, NotAllowed> {
        let mut why = NotAllowed::Unknown(signer("the key", key));
        for line in self.0.iter().filter(|line| line.key.key_data() == key.key_data()) {
            match line.check(now.into()) {
                Ok(()) => return Ok(signer(&line.principals, key)),
                Err(reason) => why = reason,
            }
        }
        Err(why)
    }
}

fn signer(principals: &str, key: &PublicKey) -> Signer {
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    Signer { principals: principals.to_owned(), fingerprint }
}

/// Why a key may not sign rules now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAllowed {
    #[error("{0} that signed it is not among the signers")]
    Unknown(Signer),
    #[error("{0} may not sign for {NAMESPACE:?}, only for {1}")]
    Namespace(Signer, String),
    #[error("{0} may not sign before {1}")]
    NotYet(Signer, String),
    #[error("{0} may not sign after {1}")]
    Expired(Signer, String),
}

impl Allowed {
    fn check(&self, now: OffsetDateTime) -> Result<(), NotAllowed> {
        let signer = || signer(&self.principals, &self.key);
        let Restrictions { namespaces, valid_after, valid_before } = &self.only;
        if let Some(namespaces) = namespaces
            && !namespaces.iter().any(|namespace| namespace == NAMESPACE)
        {
            return Err(NotAllowed::Namespace(signer(), namespaces.join(", ")));
        }
        if let Some(from) = valid_after.as_ref().filter(|from| now < from.at) {
            return Err(NotAllowed::NotYet(signer(), from.text.clone()));
        }
        if let Some(until) = valid_before.as_ref().filter(|until| now > until.at) {
            return Err(NotAllowed::Expired(signer(), until.text.clone()));
        }
        Ok(())
    }

    fn parse(line: &str) -> Result<Self, String> {
        let (principals, rest) = split(line);
        // Who signed is told by this name: a pattern is the name of nobody.
        if let Some(sign) = principals.chars().find(|c| matches!(c, '!' | '"' | '*' | '?')) {
            return Err(format!(
                "principals with {sign} are not understood, only full names: {principals}"
            ));
        }
        if rest.is_empty() {
            return Err("expected a public key after the name".to_owned());
        }
        // What is no kind of key is a list of options.
        let (first, after) = split(rest);
        let (only, key) = match is_kind_of_key(first) {
            true => (Restrictions::default(), rest),
            false => (Restrictions::parse(first)?, after),
        };
        let key = PublicKey::from_openssh(key).map_err(|error| {
            format!("expected options, if any, and a public key after the name: {error}")
        })?;
        if !is_supported(&key.algorithm()) {
            let kind = key.algorithm();
            return Err(format!("keys of the kind {kind} are not supported: use {KINDS}"));
        }
        Ok(Self { principals: principals.to_owned(), key, only })
    }
}

impl Restrictions {
    /// Reads a list of options, which is parted by commas outside of quotes.
    fn parse(list: &str) -> Result<Self, String> {
        let mut quoted = false;
        let options = list.split(|c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let mut only = Self::default();
        for option in options {
            only.set(option)?;
        }
        Ok(only)
    }

    fn set(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        // As the manual has it, their case does not matter.
        match (name.to_ascii_lowercase().as_str(), value) {
            ("namespaces", Some(names))
                if !names.is_empty() && !names.contains(['*', '?', '!']) =>
            {
                self.namespaces = Some(names.split(',').map(str::to_owned).collect());
                Ok(())
            }
            ("namespaces", _) => {
                Err(format!("namespaces are understood by their full names only: {option}"))
            }
            ("valid-after", Some(text)) => timestamp(text).map(|at| self.valid_after = Some(at)),
            ("valid-before", Some(text)) => timestamp(text).map(|at| self.valid_before = Some(at)),
            ("cert-authority", _) => {
                Err("certificates are not supported: list the keys themselves".to_owned())
            }
            _ => Err(format!("option {option} is not understood")),
        }
    }
}

/// The first word, and what follows it. Quotes keep spaces within a word.
fn split(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    });
    let (first, rest) = text.split_at(end.unwrap_or(text.len()));
    (first, rest.trim_start())
}

fn is_kind_of_key(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix))
}

/// `YYYYMMDDZ`, `YYYYMMDDHHMMZ` or `YYYYMMDDHHMMSSZ`. Without the Z it would be the local time, which
/// is another on each machine.
fn timestamp(text: &str) -> Result<Moment, String> {
    utc(text).map(|at| Moment { at, text: text.to_owned() }).ok_or_else(|| {
        format!("expected a time in UTC, such as 20260131Z or 202601312359Z, found {text:?}")
    })
}

fn utc(text: &str) -> Option<OffsetDateTime> {
    let digits = text.strip_suffix('Z')?;
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    // What a shorter form leaves out is 0.
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |d| d.parse().ok());
    let month = Month::try_from(part(4, 6)?).ok()?;
    let date = Date::from_calendar_date(digits[..4].parse().ok()?, month, part(6, 8)?).ok()?;
    let time = Time::from_hms(part(8, 10)?, part(10, 12)?, part(12, 14)?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

/// A file of allowed signers that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct InvalidSigners {
    /// The number of the line, counted from 1.
    pub line: usize,
    what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

    fn refused(text: &str) -> String {
        AllowedSigners::parse(text).expect_err("not understood").to_string()
    }

    #[test]
    fn comments_and_empty_lines_are_passed_over() {
        let text = format!("# who may sign\n\n  ada@example.org {KEY} Ada's key\nbob,eve {KEY}\n");
        assert_eq!(AllowedSigners::parse(&text).map(|signers| signers.0.len()), Ok(2));
    }

    #[test]
    fn a_file_without_a_signer_is_refused() {
        assert!(refused("").contains("no signer"));
        assert!(refused("# nobody\n").contains("no signer"));
    }

    /// What would be passed over could have been meant to keep someone out.
    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (line, says) in [
            (format!("ada cert-authority {KEY}"), "certificates"),
            (format!("ada namespaces=\"w*\" {KEY}"), "full names"),
            (format!("ada namespaces=\"\" {KEY}"), "full names"),
            (format!("ada namespaces=weir {KEY}"), "full names"),
            (format!("ada verify-required {KEY}"), "verify-required"),
            (format!("ada valid-before=\"20260101\" {KEY}"), "UTC"),
            (format!("ada valid-before=\"20261301Z\" {KEY}"), "UTC"),
            (format!("ada valid-before=\"2026010124Z\" {KEY}"), "UTC"),
            (format!("ada valid-before=\"+2260101Z\" {KEY}"), "UTC"),
            (format!("ada valid-before=20260101Z {KEY}"), "not understood"),
            (format!("ada valid-before=\"20260101Z {KEY}"), "not understood"),
            (format!("!ada {KEY}"), "principals"),
            (format!("* {KEY}"), "principals with *"),
            (format!("*@example.org {KEY}"), "principals with *"),
            (format!("ada,bob? {KEY}"), "principals with ?"),
            (format!("\"ada\" {KEY}"), "principals"),
            (KEY.to_owned(), "not understood"),
            ("ada".to_owned(), "public key"),
            (format!("ada {}", &KEY[..60]), "public key"),
            (format!("ada {}", KEY.replace("ssh-ed25519", "ssh-rsa")), "public key"),
        ] {
            let error = refused(&format!("# first\n{line}\n"));
            assert!(error.starts_with("line 2: "), "{line}: {error}");
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn keys_that_cannot_be_checked_are_refused() {
        // RFC 4253 §6.6: a string, an exponent of 3, a modulus.
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAABAwAAAAIA/w==";
        let error = refused(&format!("ada {rsa}"));
        assert!(error.contains("ssh-rsa") && error.contains("ed25519"), "{error}");
    }
}
