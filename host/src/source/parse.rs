use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::embedded;
use super::error::InvalidSource;
#[cfg(feature = "https")]
use super::https::RuleUrl;
#[cfg(feature = "oci")]
use super::oci::Artifact;
#[cfg(feature = "s3")]
use super::s3::S3Object;
use crate::digest::Digest;

/// Where a rule comes from, and optionally what it must be. Written as one text:
///
/// | text | rule |
/// | --- | --- |
/// | `threshold` | the one that is embedded under this name |
/// | `rules/fever.wasm` | a file |
/// | `rules/` | the highest version in a directory: `fever-1.2.0.wasm` or `1.2.0.wasm` |
/// | `oci://registry/name:tag`, `oci://registry/name@sha256:…` | an artifact of an OCI registry |
/// | `https://host/path/fever.wasm` | a file on a server |
/// | `s3://bucket/key` | an object in Amazon S3 |
///
/// `#sha256:…` at its end pins the digest of the component, whatever the source.
#[derive(Clone, PartialEq, Eq)]
pub struct RuleSource {
    pub(super) place: Place,
    pub(super) pin: Option<Digest>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In the binary, under this name.
    Embedded(&'static str),
    /// A file or a directory.
    Local(PathBuf),
    #[cfg(feature = "https")]
    Https(RuleUrl),
    #[cfg(feature = "oci")]
    Oci(Artifact),
    #[cfg(feature = "s3")]
    S3(S3Object),
}

impl RuleSource {
    /// A file, or a directory of versions.
    pub fn local(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Local(path.into()), pin: None }
    }

    /// The rule that runs where none is named, if this build embeds one.
    pub fn embedded_default() -> Option<Self> {
        Self::embedded().next()
    }

    /// All rules that this build embeds.
    pub fn embedded() -> impl Iterator<Item = Self> {
        embedded::rules().map(|(name, _)| Self { place: Place::Embedded(name), pin: None })
    }

    /// The file or directory, if that is where it comes from.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Local(path) => Some(path),
            _ => None,
        }
    }

    /// Whether it is part of the program.
    pub fn is_embedded(&self) -> bool {
        matches!(self.place, Place::Embedded(_))
    }

    /// Whether another rule can come to stand there.
    pub fn may_change(&self) -> bool {
        self.pin.is_none() && !self.is_embedded()
    }

    /// Whether what it holds is named by its digest, and was checked against it when it is read.
    pub(super) fn names_digests(&self) -> bool {
        #[cfg(feature = "oci")]
        if let Place::Oci(_) = self.place {
            return true;
        }
        false
    }

    /// What the component's digest must be.
    pub fn pin(&self) -> Option<Digest> {
        self.pin
    }

    /// Pins the component's digest.
    #[must_use]
    pub fn pinned(self, digest: Digest) -> Self {
        Self { pin: Some(digest), ..self }
    }

    /// The same, its path taken relative to a folder if it is a relative one.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self.place {
            Place::Local(path) => Self { place: Place::Local(folder.join(path)), ..self },
            _ => self,
        }
    }

    /// What a file that holds this rule would be called: `fever.wasm`.
    pub fn file_name(&self) -> String {
        let named = |name: &str| match name.strip_suffix(".wasm").unwrap_or(name) {
            "" => "rule.wasm".to_owned(),
            stem => format!("{stem}.wasm"),
        };
        match &self.place {
            Place::Embedded(name) => named(name),
            Place::Local(path) => named(&path.file_name().unwrap_or_default().to_string_lossy()),
            #[cfg(feature = "https")]
            Place::Https(url) => named(url.file_name()),
            #[cfg(feature = "oci")]
            Place::Oci(artifact) => named(artifact.file_name()),
            #[cfg(feature = "s3")]
            Place::S3(object) => named(object.file_name()),
        }
    }
}

impl FromStr for RuleSource {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        let (place, pin) = match text.rsplit_once('#') {
            Some((place, digest)) if digest.starts_with("sha256:") => {
                let pin = digest.parse::<Digest>();
                (place, Some(pin.map_err(|error| InvalidSource(error.to_string()))?))
            }
            _ => (text, None),
        };
        let place = match place.split_once("://") {
            #[cfg(feature = "https")]
            Some(("https" | "http", _)) => Place::Https(place.parse().map_err(InvalidSource)?),
            #[cfg(feature = "oci")]
            Some(("oci", _)) => Place::Oci(place.parse()?),
            #[cfg(feature = "s3")]
            Some(("s3", rest)) => Place::S3(rest.parse().map_err(InvalidSource)?),
            Some((scheme, _)) => {
                return Err(InvalidSource(format!("this build fetches no rule from {scheme}://")));
            }
            None if place.is_empty() => {
                return Err(InvalidSource("the name of a file is missing".to_owned()));
            }
            None => match embedded::rules().find(|(name, _)| *name == place) {
                Some((name, _)) => Place::Embedded(name),
                None => Place::Local(place.into()),
            },
        };
        Ok(Self { place, pin })
    }
}

/// As it is written, without what may be a secret: a URL's query.
impl fmt::Display for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Embedded(name) => write!(f, "{name} (embedded)"),
            Place::Local(path) => write!(f, "{}", path.display()),
            #[cfg(feature = "https")]
            Place::Https(url) => write!(f, "{url}"),
            #[cfg(feature = "oci")]
            Place::Oci(artifact) => write!(f, "{artifact}"),
            #[cfg(feature = "s3")]
            Place::S3(object) => write!(f, "{object}"),
        }
    }
}

impl fmt::Debug for RuleSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pin, .. } = self;
        f.debug_tuple("RuleSource").field(&format_args!("{self}")).field(pin).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_text_without_a_scheme_is_a_path() {
        for path in ["fever.wasm", "rules/", "./threshold", "C#/fever.wasm"] {
            let source: RuleSource = path.parse().expect("a source");
            assert_eq!(source.path(), Some(Path::new(path)), "{path}");
        }
    }

    #[cfg(feature = "default-rule")]
    #[test]
    fn what_is_embedded_is_known_by_its_name() {
        let source: RuleSource = "threshold".parse().expect("a source");
        assert_eq!(Some(source), RuleSource::embedded_default());
    }

    #[test]
    fn a_digest_at_the_end_pins_the_component() {
        let source: RuleSource = format!("fever.wasm#{DIGEST}").parse().expect("a source");
        assert_eq!(source, RuleSource::local("fever.wasm").pinned(Digest::of(b"")));
        assert!("fever.wasm#sha256:e3b0".parse::<RuleSource>().is_err());
    }

    #[test]
    fn what_this_build_cannot_fetch_is_named() {
        let error = "ftp://host/fever.wasm".parse::<RuleSource>().expect_err("no such scheme");
        assert!(error.to_string().contains("ftp://"), "{error}");
        assert!("".parse::<RuleSource>().is_err());
    }

    #[cfg(all(feature = "https", feature = "oci", feature = "s3"))]
    #[test]
    fn a_file_is_named_after_what_it_holds() {
        for (source, name) in [
            ("rules/fever.wasm", "fever.wasm"),
            ("rules/", "rules.wasm"),
            ("https://host/a/fever.wasm?token=t", "fever.wasm"),
            ("https://host", "rule.wasm"),
            ("oci://localhost:5000/rules/fever:1.2.0", "fever.wasm"),
            ("s3://bucket/rules/fever.wasm", "fever.wasm"),
        ] {
            let source: RuleSource = source.parse().expect("a source");
            assert_eq!(source.file_name(), name, "{source}");
        }
    }
}
