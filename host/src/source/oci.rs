//! Artifacts of OCI registries, laid out as the CNCF's [Wasm OCI Artifact layout] has it: a config of
//! the type `application/vnd.wasm.config.v0+json` and one layer, `application/wasm`, the component.
//!
//! The layout leaves no room for a second layer. So the detached signature is an annotation of the
//! layer that it signs, [`SIGNATURE_ANNOTATION`], in base64: the manifest's digest covers both, and
//! one request tells whether either changed.
//!
//! [Wasm OCI Artifact layout]: https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/

mod credentials;

mod repository;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use serde::Serialize;
use tokio::task::spawn_blocking;

use self::credentials::credentials;
use self::repository::{Repository, check};
use super::bounded::Bounded;
use super::error::{FetchError, FetchProblem, InvalidSource};
use super::https::{self, PATIENCE, USER_AGENT, is_loopback};
use super::retry::backoff;
use super::store::{MAX_SIGNATURE_BYTES, Part, Read, Revision, Wanted};
use crate::digest::Digest;
use crate::printable::{cut, printable};
use crate::rule::Rule;

/// The annotation of the layer that holds the component's detached signature, in base64.
pub const SIGNATURE_ANNOTATION: &str = "weir.signature";

/// What the layout calls the artifact's configuration.
const CONFIG_MEDIA_TYPE: &str = "application/vnd.wasm.config.v0+json";

/// What it calls the component.
const LAYER_MEDIA_TYPE: &str = "application/wasm";

/// The annotation for a version, of the OCI Image Format Specification, "Annotations".
const VERSION_ANNOTATION: &str = "org.opencontainers.image.version";

/// The annotation for a name.
const TITLE_ANNOTATION: &str = "org.opencontainers.image.title";

/// How many characters are shown of what a registry says.
const SHOWN: usize = 500;

/// How an artifact is named: `oci://registry/name:tag` or `oci://registry/name@sha256:…`. Without a
/// tag it is `latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact(Reference);

impl Artifact {
    /// The last part of its name.
    pub(super) fn file_name(&self) -> &str {
        self.0.repository().rsplit('/').next().unwrap_or_default()
    }

    /// Its digest, or else its tag.
    fn reference(&self) -> &str {
        self.0.digest().or(self.0.tag()).unwrap_or("latest")
    }

    /// Whether its registry is on this machine.
    fn is_near(&self) -> bool {
        is_loopback(self.0.resolve_registry().split(':').next().unwrap_or_default())
    }

    /// What its registry is given, if it asks.
    async fn credentials(&self) -> Result<RegistryAuth, FetchProblem> {
        let registry = self.0.resolve_registry().to_owned();
        let found = spawn_blocking(move || credentials(&registry)).await;
        found.map_err(|ended| FetchProblem::Unavailable(ended.to_string()))?
    }

    /// The same artifact at a digest.
    fn at(&self, digest: &str) -> Self {
        Self(self.0.clone_with_digest(digest.to_owned()))
    }
}

impl FromStr for Artifact {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let invalid = |why: &str| {
            // What it is may hold a password.
            InvalidSource(format!("expected oci://REGISTRY/NAME:TAG: {why}"))
        };
        let name = text.strip_prefix("oci://").ok_or_else(|| invalid("the scheme is another"))?;
        // Names without a registry are Docker Hub's; in a URL nobody expects that.
        let (registry, _) = name.split_once('/').ok_or_else(|| invalid("a part is missing"))?;
        if !registry.contains(['.', ':']) && registry != "localhost" {
            return Err(invalid(&format!("{registry:?} is not a registry's host")));
        }
        name.parse().map(Self).map_err(|error: oci_client::ParseError| invalid(&error.to_string()))
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}", self.0)
    }
}

/// An artifact, and the way to it.
pub(super) struct Registry {
    /// It is large beside all other ways to a source.
    repository: Box<Repository>,
    artifact: Artifact,
}

impl Registry {
    /// With credentials as Docker or Podman keeps them. A registry on this machine is spoken to without TLS.
    pub(super) async fn connect(artifact: Artifact) -> Result<Self, FetchProblem> {
        let auth = artifact.credentials().await?;
        Self::with(artifact, auth)
    }

    fn with(artifact: Artifact, auth: RegistryAuth) -> Result<Self, FetchProblem> {
        let Artifact(reference) = &artifact;
        let scheme = if artifact.is_near() { "http" } else { "https" };
        let registry = reference.resolve_registry();
        let repository = Repository::new(scheme, registry, reference.repository(), auth)?;
        Ok(Self { repository: Box::new(repository), artifact })
    }

    /// What the artifact is, unless its manifest still has a known digest.
    pub(super) async fn read(
        &self,
        known: Option<&Revision>,
        wanted: Wanted,
    ) -> Result<Option<Read>, FetchProblem> {
        let Self { repository, artifact } = self;
        let known = known.and_then(|known| known.component.as_ref());
        if known.is_some() && self.digest().await?.as_ref() == known {
            return Ok(None);
        }
        let (manifest, digest) = repository.manifest(artifact.reference()).await?;
        // Not each registry says the digest without the manifest.
        if known == Some(&digest) {
            return Ok(None);
        }
        let layer = layer(&manifest)?;
        let signature = if wanted.signature { signature(layer)? } else { None };
        let size = usize::try_from(layer.size).unwrap_or_default();
        let mut body = Bounded::new(Part::Component, wanted.component_bytes, Some(size as u64))?;
        // By the digest alone: a layer may name other addresses to fetch it from, which are the pusher's choice.
        let mut blob = repository.blob(&layer.digest).await?;
        while let Some(chunk) = blob.chunk().await.map_err(|error| https::problem(&error))? {
            body.push(&chunk)?;
            if body.len() > size {
                return Err(FetchProblem::WrongDigest(format!(
                    "it has more bytes than the {size} of its manifest"
                )));
            }
        }
        let component = body.into_bytes();
        check(&component, &layer.digest)?;
        Ok(Some(Read {
            name: artifact.at(&digest).to_string(),
            component,
            signature,
            // The digest is the manifest's, and covers both.
            revision: Revision { component: Some(digest), ..Revision::default() },
        }))
    }

    /// The digest of the artifact's manifest, if the registry says it without the manifest.
    async fn digest(&self) -> Result<Option<String>, FetchProblem> {
        match self.artifact.0.digest() {
            Some(digest) => Ok(Some(digest.to_owned())),
            None => self.repository.digest(self.artifact.reference()).await,
        }
    }
}

/// The layer that is the component.
fn layer(manifest: &OciManifest) -> Result<&OciDescriptor, FetchProblem> {
    let layers = match manifest {
        OciManifest::Image(image) => &image.layers,
        OciManifest::ImageIndex(_) => {
            return Err(FetchProblem::Invalid(
                "an index of several artifacts: name one of them by its digest".to_owned(),
            ));
        }
    };
    match &layers[..] {
        [layer] if layer.media_type == LAYER_MEDIA_TYPE => Ok(layer),
        _ => {
            let found: Vec<_> = layers.iter().map(|layer| layer.media_type.as_str()).collect();
            let found = cut(&format!("{found:?}"), SHOWN);
            Err(FetchProblem::Invalid(format!(
                "not a WebAssembly artifact: expected one layer, {LAYER_MEDIA_TYPE}, found {found}"
            )))
        }
    }
}

/// The signature in the layer's annotations.
fn signature(layer: &OciDescriptor) -> Result<Option<Vec<u8>>, FetchProblem> {
    let annotations = layer.annotations.as_ref();
    let Some(text) = annotations.and_then(|all| all.get(SIGNATURE_ANNOTATION)) else {
        return Ok(None);
    };
    let bytes = base64_simd::STANDARD.decode_to_vec(text).map_err(|_| {
        FetchProblem::Invalid(format!("the annotation {SIGNATURE_ANNOTATION} is not base64"))
    })?;
    let mut signature = Bounded::new(Part::Signature, MAX_SIGNATURE_BYTES, None)?;
    signature.push(&bytes)?;
    Ok(Some(signature.into_bytes()))
}

/// What an error of the client means.
fn problem(error: &OciDistributionError, registry: &str) -> FetchProblem {
    use OciDistributionError as E;
    use OciErrorCode as C;

    match error {
        E::RequestError(error) => https::problem(error),
        E::UnauthorizedError { .. }
        | E::AuthenticationFailure(_)
        | E::ServerError { code: 401 | 403, .. } => denied(registry),
        E::ServerError { code, .. } => https::refusal(*code, registry.to_owned()),
        E::RegistryError { envelope, .. } => {
            let is = |codes: &[C]| envelope.errors.iter().any(|error| codes.contains(&error.code));
            let messages = envelope.errors.iter().map(|error| error.message.as_str());
            let said = printable(&cut(&messages.collect::<Vec<_>>().join(", "), SHOWN));
            let said = format!("{registry}: {said}");
            if is(&[C::BlobUnknown, C::ManifestUnknown, C::NameUnknown, C::NotFound]) {
                FetchProblem::NotFound(said)
            } else if is(&[C::Denied, C::Unauthorized]) {
                denied(registry)
            } else if is(&[C::Toomanyrequests]) {
                FetchProblem::Unavailable(said)
            } else {
                FetchProblem::Invalid(said)
            }
        }
        other => FetchProblem::Invalid(format!("{registry}: {other}")),
    }
}

/// Not in the registry's own words, which may repeat what it was sent.
fn denied(registry: &str) -> FetchProblem {
    FetchProblem::Denied(format!(
        "{registry} asks for other credentials: log in with docker login, podman login or oras \
         login, or set DOCKER_CONFIG to the folder of a config.json"
    ))
}

/// The configuration of an artifact, as the layout has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig {
    /// Always the same: what is pushed again has the digest that it had.
    created: &'static str,
    architecture: &'static str,
    /// What the layout has for components.
    os: &'static str,
    layer_digests: Vec<String>,
    component: Interfaces,
}

#[derive(Serialize)]
struct Interfaces {
    exports: Vec<String>,
    imports: Vec<String>,
}

/// Puts a rule into a registry, with its detached signature if it has one. Answers with the artifact by
/// its manifest's digest, which is the same for the same component and signature.
///
/// # Errors
///
/// Says what is in the way. What may still succeed was attempted again.
pub async fn push(
    artifact: &Artifact,
    rule: &Rule,
    component: &[u8],
    signature: Option<&[u8]>,
) -> Result<Artifact, FetchError> {
    let mut pauses = backoff();
    let failure = |problem| FetchError { rule: artifact.to_string(), problem };
    let (layers, config, manifest) = package(rule, component, signature);
    loop {
        let attempt = async {
            let (client, auth) = (client(artifact)?, artifact.credentials().await?);
            let Artifact(to) = artifact;
            let failed = |error| problem(&error, to.resolve_registry());
            client.auth(to, &auth, RegistryOperation::Push).await.map_err(failed)?;
            let (config, manifest) = (config.clone(), manifest.clone());
            client.push(to, &layers, config, &auth, Some(manifest)).await.map_err(failed)?;
            let registry = Registry::with(artifact.clone(), auth)?;
            let (_, digest) = registry.repository.manifest(artifact.reference()).await?;
            Ok::<_, FetchProblem>(digest)
        };
        match attempt.await {
            Ok(digest) => return Ok(artifact.at(&digest)),
            Err(problem) => match pauses.next().filter(|_| problem.is_transient()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure(problem)),
            },
        }
    }
}

/// What pushes to an artifact's registry.
fn client(artifact: &Artifact) -> Result<Client, FetchProblem> {
    let registry = artifact.0.resolve_registry();
    let protocol = if artifact.is_near() { ClientProtocol::Http } else { ClientProtocol::Https };
    let config = ClientConfig {
        protocol,
        connect_timeout: Some(PATIENCE),
        read_timeout: Some(PATIENCE),
        user_agent: USER_AGENT,
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|error| problem(&error, registry))
}

fn package(
    rule: &Rule,
    component: &[u8],
    signature: Option<&[u8]>,
) -> (Vec<ImageLayer>, Config, OciImageManifest) {
    let annotations = signature.map(|signature| {
        let text = base64_simd::STANDARD.encode_to_string(signature);
        BTreeMap::from([(SIGNATURE_ANNOTATION.to_owned(), text)])
    });
    let layers =
        vec![ImageLayer::new(component.to_vec(), LAYER_MEDIA_TYPE.to_owned(), annotations)];
    let config = WasmConfig {
        created: "1970-01-01T00:00:00Z",
        architecture: "wasm",
        os: "wasip2",
        layer_digests: vec![Digest::of(component).to_string()],
        component: Interfaces { exports: rule.exports(), imports: rule.imports() },
    };
    let config = serde_json::to_vec(&config).expect("texts are JSON");
    let config = Config::new(config, CONFIG_MEDIA_TYPE.to_owned(), None);
    let about = rule.description();
    let annotations = BTreeMap::from([
        (TITLE_ANNOTATION.to_owned(), about.name.clone()),
        (VERSION_ANNOTATION.to_owned(), about.version.clone()),
    ]);
    let mut manifest = OciImageManifest::build(&layers, &config, Some(annotations));
    manifest.media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
    (layers, config, manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_always_named() {
        for name in ["oci://ghcr.io/a/b:1", "oci://localhost/a", "oci://127.0.0.1:5000/a:1.2.0"] {
            assert!(name.parse::<Artifact>().is_ok(), "{name}");
        }
        for name in
            ["oci://fever:1.2.0", "oci://rules/fever", "oci://", "oci://ghcr.io/A:1", "ghcr.io/a"]
        {
            assert!(name.parse::<Artifact>().is_err(), "{name}");
        }
        let artifact: Artifact = "oci://ghcr.io/a/fever".parse().expect("an artifact");
        assert_eq!(artifact.to_string(), "oci://ghcr.io/a/fever:latest");
    }

    #[test]
    fn a_rule_is_one_layer() {
        let manifest = |types: &[&str]| {
            let layers = types.iter().map(|media_type| OciDescriptor {
                media_type: (*media_type).to_owned(),
                ..OciDescriptor::default()
            });
            OciManifest::Image(OciImageManifest { layers: layers.collect(), ..Default::default() })
        };
        assert!(layer(&manifest(&[LAYER_MEDIA_TYPE])).is_ok());
        for types in [&[][..], &["application/gzip"], &[LAYER_MEDIA_TYPE, LAYER_MEDIA_TYPE]] {
            assert!(layer(&manifest(types)).is_err(), "{types:?}");
        }
    }
}
