//! The rule of a host that runs: it can be changed between two batches, and is changed back if it
//! turns out bad.
//!
//! Whatever happens to a rule, a batch is classified wholly by one version of it, and batches wait
//! for no change. A candidate is [offered](LiveRule::offer); then, as the [`UpdatePolicy`] says, it
//! runs *in shadow* on the records that the serving rule classifies, takes over, and is *on
//! probation* for a while, with the rule before it ready to take its place again.
//!
//! ```text
//!                        offered, and classifies
//!    ┌──────────────┐  ───────────────────────────▶  ┌──────────────┐
//!    │              │                                │    shadow    │
//!    │   serving    │  ◀───────────────────────────  │ (old serves) │
//!    │              │    refused: differs, faults    └──────────────┘
//!    └──────────────┘    withdrawn                          │
//!       ▲        ▲                                          │ promoted
//!       │        │     proven: the window has passed        ▼
//!       │        └─────────────────────────────────  ┌──────────────┐
//!       │                                            │  probation   │
//!       └──────────────────────────────────────────  │ (new serves) │
//!          rolled back: faults, fails more           └──────────────┘
//! ```

mod agreement;

mod offer;

mod machine;

mod policy;

mod probation;

mod queue;

mod rule;

mod serving;

mod shadow;

mod supply;

mod transition;

mod watcher;

#[cfg(all(test, feature = "default-rule"))]
mod fixture;

pub use agreement::{Agreement, Difference, Judgement};
pub use offer::{Offer, Stage};
pub use policy::UpdatePolicy;
pub use probation::Troubles;
pub use rule::LiveRule;
pub use supply::{Supply, SupplyError};
pub use transition::Transition;
pub use watcher::Watcher;

pub(crate) use serving::Serving;
