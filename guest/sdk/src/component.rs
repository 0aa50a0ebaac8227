//! The glue between a [`Rule`] and the component that exports it: types in and out, no logic.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::batch::{Batch, Encoding, Payloads};
use crate::outcome::{self, VerdictKind};
use crate::rule::Rule;
use crate::settings::{self, Settings};
use crate::verdict;
use bindings::exports::weir::filter::rule;

#[allow(missing_docs, unreachable_pub, unsafe_op_in_unsafe_fn, clippy::all)]
#[allow(clippy::undocumented_unsafe_blocks)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "filter",
        pub_export_macro: true,
        default_bindings_module: "weir_guest::component::bindings",
    });
}

/// The standard library's allocator, in a version that begins with the memory that a rule starts
/// with: the one of the standard library asks for more at once.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The exported component: the interface `rule`, implemented by `R`.
pub struct Component<R>(PhantomData<R>);

impl<R: Rule> rule::Guest for Component<R> {
    type Classifier = Classifier<R>;

    fn describe() -> rule::Description {
        rule::Description {
            name: R::NAME.to_owned(),
            version: R::VERSION.to_owned(),
            settings_schema: R::SETTINGS_SCHEMA.to_owned(),
            keeps_state: R::KEEPS_STATE,
            rewrites: R::REWRITES,
        }
    }
}

/// The exported resource: an opened rule.
pub struct Classifier<R>(RefCell<R>);

impl<R: Rule> rule::GuestClassifier for Classifier<R> {
    fn open(settings: String) -> Result<rule::Classifier, rule::SettingsError> {
        let rule = Settings::parse(&settings).and_then(R::open)?;
        Ok(rule::Classifier::new(Self(RefCell::new(rule))))
    }

    fn classify(&self, batch: rule::Batch) -> rule::Outcome {
        let batch_in = Batch {
            payloads: Payloads { bytes: &batch.payloads.bytes, ends: &batch.payloads.ends },
            encoding: batch.encoding.into(),
            replayed: batch.replayed,
        };
        outcome::classify(&mut *self.0.borrow_mut(), batch_in).into()
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut snapshot = Vec::new();
        self.0.borrow().snapshot(&mut snapshot);
        snapshot
    }

    fn restore(&self, snapshot: Vec<u8>) -> Result<(), String> {
        self.0.borrow_mut().restore(&snapshot)
    }
}

impl From<rule::Encoding> for Encoding {
    fn from(encoding: rule::Encoding) -> Self {
        match encoding {
            rule::Encoding::Base64 => Self::Base64,
            rule::Encoding::Plain => Self::Plain,
        }
    }
}

impl From<settings::SettingsError> for rule::SettingsError {
    fn from(error: settings::SettingsError) -> Self {
        Self { path: error.path, value: error.value, expected: error.expected }
    }
}

impl From<verdict::Bound> for rule::Bound {
    fn from(bound: verdict::Bound) -> Self {
        match bound {
            verdict::Bound::Upper => Self::UpperBound,
            verdict::Bound::Lower => Self::LowerBound,
        }
    }
}

impl From<VerdictKind> for rule::Verdict {
    fn from(kind: VerdictKind) -> Self {
        match kind {
            VerdictKind::Pass => Self::Pass,
            VerdictKind::Flag => Self::Flag,
            VerdictKind::Drop => Self::Drop,
            VerdictKind::Fail => Self::Fail,
        }
    }
}

impl From<outcome::Outcome> for rule::Outcome {
    fn from(outcome: outcome::Outcome) -> Self {
        let flag = |(index, flag): (u32, verdict::Flag)| rule::Flag {
            index,
            score: flag.score,
            crossed: flag.crossed.map(Into::into),
            subject: flag.subject,
            message: flag.message.unwrap_or_default(),
        };
        let failure = |(index, reason)| rule::Failure { index, reason };
        let payloads = |(bytes, ends)| rule::Payloads { bytes, ends };
        Self {
            verdicts: outcome.verdicts.into_iter().map(Into::into).collect(),
            flagged: outcome.flagged.into_iter().map(flag).collect(),
            failed: outcome.failed.into_iter().map(failure).collect(),
            rewritten: outcome.rewritten.map(payloads),
        }
    }
}
