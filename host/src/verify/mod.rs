//! The checks that a rule passes before it runs: what the operator demands of where it comes from,
//! what the host demands of what it is, and what the rule promises of what it does.
//!
//! ```no_run
//! use weir::verify::{AllowedSigners, Policy};
//! use weir::{CodeCache, Engine, Limits};
//!
//! # fn open() -> Result<weir::Filter, Box<dyn std::error::Error>> {
//! let signers = AllowedSigners::parse(&std::fs::read_to_string("allowed_signers")?)?;
//! let policy = Policy::default().signers(signers);
//!
//! let engine = Engine::new(Limits::default())?;
//! let rule = std::fs::read("fever.wasm")?;
//! let signature = std::fs::read("fever.wasm.sig")?;
//! let settings = r#"{"above": 39}"#;
//! let verified =
//!     policy.verify(&engine, &rule, Some(&signature), settings, &CodeCache::default())?;
//! # Ok(verified.filter)
//! # }
//! ```

mod golden;

mod refusal;

mod schema;

mod section;

mod scheme;

mod signature;

mod signers;

use crate::code::CodeCache;
use crate::digest::{Digest, Digested};
use crate::engine::Engine;
use crate::filter::Filter;
use crate::rule::Rule;
use refusal::Refused;

pub use golden::{Difference, GoldenError, GoldenRecords};
pub use refusal::{Check, Refusal};
pub(crate) use schema::SettingsSchema;
pub use scheme::NAMESPACE;
pub use section::GOLDEN_SECTION;
pub use signature::{InvalidKey, MAX_SIGNATURE_BYTES, SigningKey};
pub use signers::{AllowedSigners, InvalidSigners, Signer};

/// What an operator demands of a rule. The default demands no more than the host itself does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    signers: Option<AllowedSigners>,
    digest: Option<Digest>,
    max_bytes: usize,
    golden_records: bool,
}

/// A rule that passed all checks, opened with the settings that it was checked with.
#[derive(Debug)]
pub struct Verified {
    /// The opened rule. It has classified nothing yet.
    pub filter: Filter,
    /// Who signed it. Nobody, unless signers were demanded.
    pub signer: Option<Signer>,
    /// How many golden records it came with.
    pub golden_records: usize,
}

impl Policy {
    /// The most bytes that a component may have, unless it is [set](Self::max_bytes): 64 MiB, which
    /// is room for a rule that brings a whole Python along.
    pub const DEFAULT_MAX_BYTES: usize = 64 << 20;

    /// Demands a signature of one of these signers.
    #[must_use]
    pub fn signers(self, signers: AllowedSigners) -> Self {
        Self { signers: Some(signers), ..self }
    }

    /// Demands this very component.
    #[must_use]
    pub fn digest(self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self }
    }

    /// Sets the most bytes that a component may have.
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    /// Demands golden records. Those that a rule has must pass in any case.
    #[must_use]
    pub fn demand_golden_records(self) -> Self {
        Self { golden_records: true, ..self }
    }

    /// What is left to demand of a rule that is part of the program, as the default rule is: whoever
    /// trusts the program trusts it, so it needs no signature and no golden records.
    #[must_use]
    pub fn for_embedded_rule(self) -> Self {
        Self { signers: None, golden_records: false, ..self }
    }

    /// Whether a signature is demanded.
    pub fn demands_signature(&self) -> bool {
        self.signers.is_some()
    }

    /// The most bytes that a component may have: more need not be read of it.
    pub fn max_component_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Checks a component, in binary form, with its detached signature, if it has one; and opens it
    /// with a settings document.
    ///
    /// Nothing of it is parsed before its signature is checked, and nothing of it runs before all is
    /// checked that can be seen from outside.
    ///
    /// # Errors
    ///
    /// Names the first check that it does not pass, and why.
    pub fn verify(
        &self,
        engine: &Engine,
        component: &[u8],
        signature: Option<&[u8]>,
        settings: &str,
        cache: &CodeCache,
    ) -> Result<Verified, Refusal> {
        let component = Digested::new(component);
        let verified = self.load_checked(engine, component, signature, cache).and_then(
            |(rule, golden, signer)| {
                let filter = open(&rule, settings)?;
                check_golden_records(&rule, &golden)?;
                Ok(Verified { filter, signer, golden_records: golden.len() })
            },
        );
        verified.map_err(|refused| refused.of(component.digest()))
    }

    /// Checks a component in the same way, for who opens it with settings that are known only then.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn load(
        &self,
        engine: &Engine,
        component: &[u8],
        signature: Option<&[u8]>,
        cache: &CodeCache,
    ) -> Result<Rule, Refusal> {
        let component = Digested::new(component);
        let loaded =
            self.load_checked(engine, component, signature, cache).and_then(|(rule, golden, _)| {
                check_golden_records(&rule, &golden)?;
                Ok(rule)
            });
        loaded.map_err(|refused| refused.of(component.digest()))
    }

    /// Loads a component whose origin is as demanded. Its golden records are still to be checked.
    fn load_checked(
        &self,
        engine: &Engine,
        component: Digested<'_>,
        signature: Option<&[u8]>,
        cache: &CodeCache,
    ) -> Result<(Rule, GoldenRecords, Option<Signer>), Refused> {
        let signer = self.check_origin(component, signature)?;
        let rule = Rule::load_digested(engine, component, cache)?;
        let golden = self.golden_records_of(component.bytes())?;
        Ok((rule, golden, signer))
    }

    /// The checks of where a component comes from. Answers with who signed it.
    fn check_origin(
        &self,
        component: Digested<'_>,
        signature: Option<&[u8]>,
    ) -> Result<Option<Signer>, Refused> {
        let (bytes, digest) = (component.bytes(), component.digest());
        let maximum = self.max_bytes;
        if bytes.len() > maximum {
            let reason = format!("it has more than {maximum} bytes, the most that is allowed");
            return Err(Refused::new(Check::Size, reason));
        }
        if let Some(pinned) = self.digest.filter(|pinned| *pinned != digest) {
            let reason = format!("it is {digest}, not {pinned} as demanded");
            return Err(Refused::new(Check::Digest, reason));
        }
        let Some(signers) = &self.signers else { return Ok(None) };
        let signer = signature::verify(bytes, signature, signers)
            .map_err(|error| Refused::new(Check::Signature, error))?;
        Ok(Some(signer))
    }

    fn golden_records_of(&self, component: &[u8]) -> Result<GoldenRecords, Refused> {
        let golden = GoldenRecords::of_component(component);
        let golden = golden.map_err(|error| Refused::new(Check::GoldenRecords, error))?;
        if self.golden_records && golden.is_empty() {
            let reason = "it has none, and they are demanded: `weir build` takes them from the \
                          folder `golden` of the rule's crate";
            return Err(Refused::new(Check::GoldenRecords, reason));
        }
        Ok(golden)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            signers: None,
            digest: None,
            max_bytes: Self::DEFAULT_MAX_BYTES,
            golden_records: false,
        }
    }
}

/// Opens a rule with settings that must fit its schema as well. Where both refuse them, the rule's own
/// words are the more exact.
fn open(rule: &Rule, settings: &str) -> Result<Filter, Refused> {
    let fits = rule.settings_schema().check(settings);
    let opened = rule.open(settings).map_err(Refused::from)?;
    fits.map_err(|error| Refused::new(Check::Settings, error))?;
    Ok(opened)
}

fn check_golden_records(rule: &Rule, golden: &GoldenRecords) -> Result<(), Refused> {
    match golden.run(rule).next() {
        None => Ok(()),
        Some(first) => {
            let reason = format!("{first} (`weir test` shows all that differs)");
            Err(Refused::new(Check::GoldenRecords, reason))
        }
    }
}
