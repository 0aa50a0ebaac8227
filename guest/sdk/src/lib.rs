//! What a rule author needs to write a Weir rule: records in, verdicts out.
//!
//! A rule is plain Rust: implement [`Rule`], name the type in [`export!`] and build the crate for
//! `wasm32-unknown-unknown`. Natively the same crate compiles and is tested like any other; only
//! the glue to the component exists for wasm alone.
//!
//! In the order of the flow:
//!
//! - [`Settings`]: the document that a rule is opened with, and exact errors about it
//! - [`Batch`]: the payloads as they arrive, all in one buffer
//! - [`base64`]: out of their encoding
//! - [`Record`]: one decoded payload, with [`json`] to look into it
//! - [`Rule`]: what the author writes; it answers with a [`Verdict`]
//! - [`Bounds`], [`annotate`]: what rules have in common that compare scores
//! - [`Outcome`]: the verdicts of a batch, with details where there is something to say

mod settings;

mod batch;

pub mod base64;

mod record;

pub use weir_json as json;

mod rule;

mod verdict;

mod bounds;

mod annotate;

mod outcome;

#[cfg(any(target_family = "wasm", test))]
mod arguments;

#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub mod component;

pub use crate::annotate::annotate;
pub use crate::batch::{Batch, Encoding, Payloads};
pub use crate::bounds::Bounds;
pub use crate::outcome::{Outcome, VerdictKind, classify};
pub use crate::record::{FieldError, Record};
pub use crate::rule::Rule;
pub use crate::settings::{Settings, SettingsError};
pub use crate::verdict::{Bound, Flag, Verdict};

/// Exports a type that implements [`Rule`] as the component's rule. Once in a crate.
///
/// Outside wasm it only checks that the type is a rule.
#[macro_export]
macro_rules! export {
    ($rule:ty) => {
        const _: fn() = || {
            fn is_a_rule<R: $crate::Rule>() {}
            is_a_rule::<$rule>();
        };

        #[cfg(target_family = "wasm")]
        const _: () = {
            $crate::export_component!($rule);
        };
    };
}
