use std::fmt;

use crate::code::CodeCache;
use crate::engine::Engine;
use crate::source::{FetchError, Fetched, Fetcher};
use crate::verify::{Check, Policy, Refusal, Verified};

/// Brings a rule from its source, and later what takes its place there: fetched, verified and opened.
#[derive(Debug)]
pub struct Supply {
    fetcher: Fetcher,
    policy: Policy,
    opening: Opening,
}

/// What it takes to open a rule.
#[derive(Clone, Debug)]
struct Opening {
    engine: Engine,
    settings: String,
    code: CodeCache,
}

/// Why there is no rule, or no new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SupplyError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It did not pass a check.
    #[error("rule {name}: {refusal}")]
    Refused {
        /// What was fetched.
        name: String,
        /// The check that it did not pass, and why.
        refusal: Refusal,
    },
    /// The check of a rule ended early, which is a fault of the host.
    #[error("rule {name}: it was not verified: {reason}")]
    Interrupted {
        /// What was fetched.
        name: String,
        /// What happened.
        reason: String,
    },
}

impl Supply {
    /// A supply of what `fetcher` brings and `policy` lets pass, opened with a settings document.
    pub fn new(
        fetcher: Fetcher,
        policy: Policy,
        engine: Engine,
        settings: impl Into<String>,
        code: CodeCache,
    ) -> Self {
        let settings = settings.into();
        let fetcher = match policy.demands_signature() {
            true => fetcher,
            false => fetcher.without_signatures(),
        };
        Self { fetcher, policy, opening: Opening { engine, settings, code } }
    }

    /// Brings what is at the source, or `None` if it is what was brought or refused last. What could
    /// not be verified [for no fault of its own](SupplyError::is_of_the_host) is brought again, and what
    /// may have been damaged on its way is read again.
    /// Verifying and compiling are done on a thread for what blocks.
    ///
    /// # Errors
    ///
    /// If it cannot be fetched, or is refused.
    pub async fn next(&mut self) -> Result<Option<Verified>, SupplyError> {
        let Some(fetched) = self.fetcher.fetch().await? else { return Ok(None) };
        let verified = self.verify(fetched).await;
        match &verified {
            Err(error) if error.is_of_the_host() => self.fetcher.forget(),
            Err(error) if error.is_maybe_of_the_way() => self.fetcher.doubt(),
            _ => {}
        }
        verified.map(Some)
    }

    async fn verify(&self, fetched: Fetched) -> Result<Verified, SupplyError> {
        let Fetched { name, component, signature, .. } = fetched;
        let (policy, opening) = (self.policy.clone(), self.opening.clone());
        let verify = move || {
            let Opening { engine, settings, code } = opening;
            policy.verify(&engine, &component, signature.as_deref(), &settings, &code)
        };
        let verified = match tokio::task::spawn_blocking(verify).await {
            Ok(verified) => verified,
            Err(error) => {
                return Err(SupplyError::Interrupted { name, reason: error.to_string() });
            }
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(refusal) => return Err(SupplyError::Refused { name, refusal }),
        };
        let rule = verified.filter.rule();
        tracing::info!(
            rule = rule.description().name,
            version = rule.description().version,
            digest = %rule.digest(),
            source = name,
            signer = verified.signer.as_ref().map(tracing::field::display),
            golden_records = verified.golden_records,
            code = %rule.code(),
            "rule loaded"
        );
        Ok(verified)
    }
}

impl SupplyError {
    /// Whether what was fetched may be a rule: the host could not find out, which may pass.
    pub fn is_of_the_host(&self) -> bool {
        match self {
            Self::Fetch(_) => false,
            Self::Refused { refusal, .. } => refusal.check == Check::Host,
            Self::Interrupted { .. } => true,
        }
    }

    /// Whether what was fetched may not be what its source holds: so does half a rule look.
    fn is_maybe_of_the_way(&self) -> bool {
        let Self::Refused { refusal, .. } = self else { return false };
        matches!(refusal.check, Check::Digest | Check::Signature | Check::Component)
    }
}

impl fmt::Display for Supply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fetcher.source().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn what_the_host_lacks_is_not_held_against_a_rule() {
        let name = || "rule.wasm".to_owned();
        let refused = |check| {
            let refusal = Refusal { digest: Digest::of(b"rule"), check, reason: String::new() };
            SupplyError::Refused { name: name(), refusal }
        };
        assert!(refused(Check::Host).is_of_the_host());
        assert!(!refused(Check::Description).is_of_the_host());
        assert!(SupplyError::Interrupted { name: name(), reason: String::new() }.is_of_the_host());
    }
}
