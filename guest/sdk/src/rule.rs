use crate::record::Record;
use crate::settings::{Settings, SettingsError};
use crate::verdict::Verdict;

/// A rule: opened with settings, it answers each record with a verdict.
///
/// ```
/// use weir_guest::{Flag, Record, Rule, Settings, SettingsError, Verdict, json::Pointer};
///
/// /// Flags whoever runs a temperature.
/// struct Fever {
///     above: f64,
///     field: Pointer,
/// }
///
/// impl Rule for Fever {
///     const NAME: &str = "fever";
///     const VERSION: &str = env!("CARGO_PKG_VERSION");
///     const SETTINGS_SCHEMA: &str = r#"{"properties": {"above": {"type": "number"}}}"#;
///
///     fn open(mut settings: Settings<'_>) -> Result<Self, SettingsError> {
///         let above = settings.number("above")?.unwrap_or(38.0);
///         settings.finish()?;
///         Ok(Self { above, field: Pointer::parse("/temperature").expect("a pointer") })
///     }
///
///     fn classify(&mut self, record: &Record<'_>) -> Verdict {
///         match record.number(&self.field) {
///             Ok(degrees) if degrees > self.above => {
///                 Verdict::Flag(Flag { score: Some(degrees), ..Flag::default() })
///             }
///             Ok(_) => Verdict::Pass,
///             Err(error) => Verdict::Fail(error.to_string()),
///         }
///     }
/// }
///
/// weir_guest::export!(Fever);
///
/// let mut rule = Fever::open(Settings::parse(r#"{"above": 39}"#)?)?;
/// assert_eq!(rule.classify(&Record::new(br#"{"temperature": 38.5}"#)), Verdict::Pass);
/// # Ok::<(), SettingsError>(())
/// ```
pub trait Rule: Sized + 'static {
    /// The rule's name: 1 to 64 of the characters `a-z`, `0-9` and `-`.
    const NAME: &str;
    /// The rule's own version, as semantic versioning writes it, in at most 128 bytes.
    const VERSION: &str;
    /// The JSON Schema (draft 2020-12) of the settings.
    const SETTINGS_SCHEMA: &str;
    /// Whether one batch's outcome depends on the batches before it.
    const KEEPS_STATE: bool = false;
    /// Whether [`rewrite`](Self::rewrite) may ever answer.
    const REWRITES: bool = false;

    /// Opens the rule.
    ///
    /// # Errors
    ///
    /// Names the setting that does not fit, its value, and what would.
    fn open(settings: Settings<'_>) -> Result<Self, SettingsError>;

    /// Takes note that a batch begins: records that come again in it may have come again before.
    fn begin_batch(&mut self) {}

    /// Classifies one record. What is wrong with a record is a verdict, never a panic.
    fn classify(&mut self, record: &Record<'_>) -> Verdict;

    /// Classifies a record that was classified with this state before, and comes again. A rule that
    /// keeps state answers and learns nothing.
    fn replay(&mut self, record: &Record<'_>) -> Verdict {
        self.classify(record)
    }

    /// Appends the state to `out`: all that verdicts to come depend on beside the settings. The same
    /// state gives the same bytes.
    fn snapshot(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Takes over a state: one that a rule of this name took, of whatever version and with whatever
    /// settings. So what it depends on is to be part of the snapshot, and to be compared here.
    ///
    /// # Errors
    ///
    /// Says why the rule cannot go on with the snapshot, or that it is damaged. The rule then is as it
    /// was opened.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        if snapshot.is_empty() { Ok(()) } else { Err("this rule keeps no state".to_owned()) }
    }

    /// Whether this rule, opened as it is, rewrites payloads: if so, [`rewrite`](Self::rewrite) is
    /// called for each record that passed or is flagged.
    fn rewriting(&self) -> bool {
        false
    }

    /// Appends the payload as it goes on to `out`. Called right after the record was classified.
    fn rewrite(&mut self, record: &Record<'_>, verdict: &Verdict, out: &mut Vec<u8>) {
        let _ = verdict;
        out.extend_from_slice(record.payload());
    }
}
