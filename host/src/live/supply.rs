use std::fmt;

use tokio::task::JoinHandle;

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
    /// What was fetched and is not verified yet. It stays here if the call that waits for it is dropped.
    verifying: Option<Verifying>,
}

/// A rule that is being verified, on a thread for what blocks.
#[derive(Debug)]
struct Verifying {
    name: String,
    task: JoinHandle<Result<Verified, Refusal>>,
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
#[non_exhaustive]
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
        let opening = Opening { engine, settings, code };
        Self { fetcher, policy, opening, verifying: None }
    }

    /// Brings what is at the source, or `None` if it is what was brought or refused last. What could
    /// not be verified [for no fault of its own](SupplyError::is_of_the_host) is brought again, and what
    /// may have been damaged on its way is read again.
    /// Verifying and compiling are done on a thread for what blocks.
    ///
    /// It is cancel safe: dropped before its end, as by a `select!` or a timeout, it loses nothing. The
    /// next call goes on with what was fetched.
    ///
    /// # Errors
    ///
    /// If it cannot be fetched, or is refused.
    pub async fn next(&mut self) -> Result<Option<Verified>, SupplyError> {
        let verifying = match &mut self.verifying {
            Some(verifying) => verifying,
            none => {
                let Some(fetched) = self.fetcher.fetch().await? else { return Ok(None) };
                none.insert(self.opening.verify(fetched, self.policy.clone()))
            }
        };
        let verified = verifying.end().await;
        self.verifying = None;
        match &verified {
            Err(error) if error.is_of_the_host() => self.fetcher.forget(),
            Err(error) if error.is_maybe_of_the_way() => self.fetcher.doubt(),
            _ => {}
        }
        verified.map(Some)
    }
}

impl Opening {
    /// Begins to verify what was fetched.
    fn verify(&self, fetched: Fetched, policy: Policy) -> Verifying {
        let Fetched { name, component, signature, .. } = fetched;
        let Self { engine, settings, code } = self.clone();
        let verify =
            move || policy.verify(&engine, &component, signature.as_deref(), &settings, &code);
        Verifying { name, task: tokio::task::spawn_blocking(verify) }
    }
}

impl Verifying {
    /// Waits until it is verified. To be called again only if it was dropped before that.
    async fn end(&mut self) -> Result<Verified, SupplyError> {
        let name = || self.name.clone();
        let verified = match (&mut self.task).await {
            Ok(verified) => verified,
            Err(error) => {
                let reason = error.to_string();
                return Err(SupplyError::Interrupted { name: name(), reason });
            }
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(refusal) => return Err(SupplyError::Refused { name: name(), refusal }),
        };
        let rule = verified.filter.rule();
        tracing::info!(
            rule = rule.description().name,
            version = rule.description().version,
            digest = %rule.digest(),
            source = self.name,
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

    #[cfg(feature = "default-rule")]
    #[test]
    fn what_is_fetched_is_brought_though_a_call_is_dropped() {
        use futures_util::FutureExt;

        use super::super::fixture::{Gate, runtime, supply};
        use crate::Limits;

        let engine = Engine::new(Limits::default()).expect("an engine");
        runtime().block_on(async {
            let mut supply = supply(&engine, r#"{"upper":1.5}"#);
            let gate = Gate::closed();
            for _ in 0..2 {
                assert!(supply.next().now_or_never().is_none(), "it is being verified");
            }
            drop(gate);
            let verified = supply.next().await.expect("the rule").expect("new");
            assert_eq!(verified.filter.rule().digest(), Digest::of(crate::DEFAULT_RULE));
            assert!(supply.next().await.expect("the rule").is_none(), "it was brought");
        });
    }

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
