use std::future::Future;

use super::error::FetchProblem;

/// The largest signature, in bytes. Those of the schemes in use have less than a thousand.
pub(super) const MAX_SIGNATURE_BYTES: usize = 64 << 10;

/// Which of the two objects that make a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Component,
    Signature,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Component => "the component",
            Self::Signature => "its signature",
        }
    }
}

/// What is to be read of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// The most bytes that the component may have.
    pub(super) component_bytes: usize,
    /// Whether its signature is wanted: if not, the source is not even asked for it.
    pub(super) signature: bool,
}

/// What a source was at, as it says itself: by `ETag`s, times of change, digests. Nothing where it
/// does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) component: Option<String>,
    pub(super) signature: Option<String>,
    /// Whether there was a signature: one may be there without a tag.
    pub(super) signed: bool,
}

/// What was read from a source.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) name: String,
    pub(super) component: Vec<u8>,
    pub(super) signature: Option<Vec<u8>>,
    pub(super) revision: Revision,
}

/// An object, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Object {
    Missing,
    /// It still has the tag that it was asked for with.
    Unchanged,
    Found {
        bytes: Vec<u8>,
        tag: Option<String>,
    },
}

/// Where a component and its signature lie beside each other.
pub(super) trait Store {
    /// What to call what is there.
    fn name(&self) -> String;

    /// Reads an object of at most `maximum` bytes, unless it still has a tag.
    fn get(
        &self,
        part: Part,
        tag: Option<&str>,
        maximum: usize,
    ) -> impl Future<Output = Result<Object, FetchProblem>> + Send;
}

/// Reads both objects if one of them is not at its known revision any more: a signature may come
/// after what it signs.
pub(super) async fn read<S: Store>(
    store: &S,
    known: Option<&Revision>,
    wanted: Wanted,
) -> Result<Option<Read>, FetchProblem> {
    let maximum = wanted.component_bytes;
    let known = known.cloned().unwrap_or_default();
    let (component_tag, signature_tag) = (known.component.as_deref(), known.signature.as_deref());
    let mut component = store.get(Part::Component, component_tag, maximum).await?;
    let mut signature = match wanted.signature {
        true => store.get(Part::Signature, signature_tag, MAX_SIGNATURE_BYTES).await?,
        false => Object::Missing,
    };
    if component == Object::Unchanged {
        let still_none = signature == Object::Missing && !known.signed;
        if still_none || signature == Object::Unchanged {
            return Ok(None);
        }
        component = store.get(Part::Component, None, maximum).await?;
    }
    if signature == Object::Unchanged {
        signature = store.get(Part::Signature, None, MAX_SIGNATURE_BYTES).await?;
    }
    let (component, tag) = match component {
        Object::Found { bytes, tag } => (bytes, tag),
        Object::Missing => return Err(FetchProblem::NotFound(store.name())),
        Object::Unchanged => return Err(unasked()),
    };
    let (signature, signature_tag) = match signature {
        Object::Found { bytes, tag } => (Some(bytes), tag),
        Object::Missing => (None, None),
        Object::Unchanged => return Err(unasked()),
    };
    let signed = signature.is_some();
    let revision = Revision { component: tag, signature: signature_tag, signed };
    Ok(Some(Read { name: store.name(), component, signature, revision }))
}

fn unasked() -> FetchProblem {
    FetchProblem::Invalid(
        "answered with \"not modified\" to a request without conditions".to_owned(),
    )
}
