use std::time::Duration;

use super::error::{FetchError, FetchProblem};
#[cfg(feature = "https")]
use super::https::HttpsStore;
#[cfg(feature = "oci")]
use super::oci::Registry;
use super::parse::{Place, RuleSource};
use super::retry::backoff;
#[cfg(feature = "s3")]
use super::s3::S3Store;
#[cfg(any(feature = "https", feature = "s3"))]
use super::store;
use super::store::{Read, Revision, Wanted};
use super::{embedded, local};
use crate::digest::Digest;

/// What fetching a rule may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// The largest component, in bytes.
    pub component_bytes: usize,
    /// The time for it all, with all that has to be attempted again.
    pub time: Duration,
}

impl Default for FetchLimits {
    /// 64 MiB, which holds a rule with the interpreter of its language, and 30 s.
    fn default() -> Self {
        Self { component_bytes: 64 << 20, time: Duration::from_secs(30) }
    }
}

/// What was found at a source. It is as its source has it: nothing of it was checked but the digests
/// that it was named by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What to call it, and where exactly it was: `rules/fever-1.2.0.wasm`.
    pub name: String,
    /// The component, in binary form.
    pub component: Vec<u8>,
    /// The component's digest.
    pub digest: Digest,
    /// The detached signature beside it, if there is one.
    pub signature: Option<Vec<u8>>,
}

/// Brings a rule from its source, and whatever later takes its place there.
pub struct Fetcher {
    source: RuleSource,
    limits: FetchLimits,
    signatures: bool,
    client: Option<Client>,
    known: Option<Known>,
}

/// What was brought last.
struct Known {
    revision: Revision,
    digest: Digest,
    signature: Option<Vec<u8>>,
    /// Whether its source may hold another, and say that it is at the same revision.
    is_doubted: bool,
}

impl Fetcher {
    /// A fetcher that knows nothing yet. Nothing is asked of the source before the first
    /// [`fetch`](Self::fetch).
    pub fn new(source: RuleSource, limits: FetchLimits) -> Self {
        Self { source, limits, signatures: true, client: None, known: None }
    }

    /// Fetches components alone: what stands in the place of a signature does not matter.
    #[must_use]
    pub fn without_signatures(self) -> Self {
        Self { signatures: false, ..self }
    }

    /// Where it fetches from.
    pub fn source(&self) -> &RuleSource {
        &self.source
    }

    /// Brings what is at the source, or `None` if it is what was brought last: the same component
    /// with the same signature. To ask again is cheap: what is there is mostly known by its time of
    /// change, its `ETag` or its manifest's digest.
    ///
    /// What may still succeed is attempted again, with growing pauses. Must run on a Tokio runtime
    /// with its timer and its network enabled. It is cancel safe: what a call that was dropped would have
    /// brought is brought by the next.
    ///
    /// # Errors
    ///
    /// Says what is in the way. What was brought last is still known, and the next call may succeed.
    pub async fn fetch(&mut self) -> Result<Option<Fetched>, FetchError> {
        let time = self.limits.time;
        let mut last = None;
        let fetched = match tokio::time::timeout(time, self.attempts(&mut last)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(FetchProblem::Timeout { time, last: last.map(Box::new) }),
        };
        if fetched.is_err() {
            // A connection may hang, credentials may have expired: the next call begins anew.
            self.client = None;
        }
        fetched.map_err(|problem| FetchError { rule: self.source.to_string(), problem })
    }

    /// Forgets what was brought last: the next [`fetch`](Self::fetch) brings it again.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// Doubts that what was brought last is what the source holds: an answer may have ended early without
    /// a sign of it. Until it brings another, each [`fetch`](Self::fetch) reads all of it, whatever the
    /// source says of its revision; and answers with `None` if it is the same.
    pub fn doubt(&mut self) {
        if let Some(known) = &mut self.known {
            // What came from a registry was checked against its digest.
            known.is_doubted = !self.source.names_digests();
        }
    }

    async fn attempts(
        &mut self,
        last: &mut Option<FetchProblem>,
    ) -> Result<Option<Fetched>, FetchProblem> {
        let mut pauses = backoff();
        let mut may_have_expired = self.client.is_some();
        loop {
            let problem = match self.attempt().await {
                Err(FetchProblem::Denied(_)) if may_have_expired => {
                    (self.client, may_have_expired) = (None, false);
                    continue;
                }
                Err(problem) if problem.is_transient() => problem,
                settled => return settled,
            };
            let Some(pause) = pauses.next() else { return Err(problem) };
            tracing::debug!(rule = %self.source, %problem, ?pause, "fetching again");
            *last = Some(problem);
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&mut self) -> Result<Option<Fetched>, FetchProblem> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(Client::connect(&self.source.place).await?),
        };
        let known = self.known.as_ref().filter(|known| !known.is_doubted);
        let known = known.map(|known| &known.revision);
        let wanted =
            Wanted { component_bytes: self.limits.component_bytes, signature: self.signatures };
        let Some(read) = client.read(known, wanted).await? else { return Ok(None) };
        let Read { name, component, signature, revision } = read;
        let digest = Digest::of(&component);
        if let Some(expected) = self.source.pin.filter(|pin| *pin != digest) {
            return Err(FetchProblem::WrongComponent { expected, found: digest });
        }
        if let Some(known) = &mut self.known
            && (known.digest, &known.signature) == (digest, &signature)
        {
            known.revision = revision;
            return Ok(None);
        }
        let signed = signature.clone();
        self.known = Some(Known { revision, digest, signature: signed, is_doubted: false });
        Ok(Some(Fetched { name, component, digest, signature }))
    }
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("source", &self.source)
            .field("limits", &self.limits)
            .field("known", &self.known.as_ref().map(|known| known.digest))
            .finish_non_exhaustive()
    }
}

/// What a source is reached by.
enum Client {
    Embedded(&'static str),
    Local(local::Local),
    #[cfg(feature = "https")]
    Https(HttpsStore),
    #[cfg(feature = "oci")]
    Oci(Registry),
    #[cfg(feature = "s3")]
    S3(S3Store),
}

impl Client {
    // Which places there are to wait for depends on the features.
    #[allow(clippy::unused_async)]
    async fn connect(place: &Place) -> Result<Self, FetchProblem> {
        Ok(match place {
            Place::Embedded(name) => Self::Embedded(name),
            Place::Local(path) => Self::Local(local::Local::new(path.clone())),
            #[cfg(feature = "https")]
            Place::Https(url) => Self::Https(HttpsStore::new(url.clone())?),
            #[cfg(feature = "oci")]
            Place::Oci(artifact) => Self::Oci(Registry::connect(artifact.clone()).await?),
            #[cfg(feature = "s3")]
            Place::S3(object) => Self::S3(S3Store::connect(object.clone()).await),
        })
    }

    /// What is at the source, unless it is still at a known revision.
    async fn read(
        &self,
        known: Option<&Revision>,
        wanted: Wanted,
    ) -> Result<Option<Read>, FetchProblem> {
        match self {
            Self::Embedded(name) => Ok(read_embedded(name, known)),
            Self::Local(local) => local.read(known, wanted).await,
            #[cfg(feature = "https")]
            Self::Https(server) => store::read(server, known, wanted).await,
            #[cfg(feature = "oci")]
            Self::Oci(registry) => registry.read(known, wanted).await,
            #[cfg(feature = "s3")]
            Self::S3(bucket) => store::read(bucket, known, wanted).await,
        }
    }
}

/// What is embedded does not change.
fn read_embedded(name: &str, known: Option<&Revision>) -> Option<Read> {
    let component = embedded::component(name).filter(|_| known.is_none())?;
    Some(Read {
        name: format!("{name} (embedded)"),
        component: component.to_vec(),
        signature: None,
        revision: Revision::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_can_be_a_task_of_any_runtime() {
        fn is_send(_: impl Send) {}
        is_send(Fetcher::new(RuleSource::local("rule.wasm"), FetchLimits::default()).fetch());
    }

    #[cfg(feature = "default-rule")]
    #[test]
    fn what_is_embedded_is_brought_once() {
        let source = RuleSource::embedded_default().expect("a rule");
        let mut fetcher = Fetcher::new(source, FetchLimits::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let fetched = runtime.block_on(fetcher.fetch()).expect("the rule").expect("new");
        assert_eq!(fetched.digest, Digest::of(crate::DEFAULT_RULE));
        assert_eq!(runtime.block_on(fetcher.fetch()), Ok(None));
        fetcher.forget();
        assert_eq!(runtime.block_on(fetcher.fetch()), Ok(Some(fetched)));
    }
}
