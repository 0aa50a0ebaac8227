use super::error::FetchProblem;
#[cfg(feature = "https")]
use super::https;
use super::store::Part;

/// Takes bytes up to a limit, however many are sent.
pub(super) struct Bounded {
    bytes: Vec<u8>,
    part: &'static str,
    maximum: usize,
}

impl Bounded {
    /// Refuses at once what says itself that it has too many bytes.
    pub(super) fn new(
        part: Part,
        maximum: usize,
        announced: Option<u64>,
    ) -> Result<Self, FetchProblem> {
        Self::named(part.name(), maximum, announced)
    }

    fn named(
        part: &'static str,
        maximum: usize,
        announced: Option<u64>,
    ) -> Result<Self, FetchProblem> {
        match announced {
            Some(bytes) if bytes > maximum as u64 => Err(too_large(part, maximum)),
            _ => Ok(Self { bytes: Vec::new(), part, maximum }),
        }
    }

    /// Reads all of an answer, which an error calls `part`.
    #[cfg(feature = "https")]
    pub(super) async fn read(
        mut answer: reqwest::Response,
        part: &'static str,
        maximum: usize,
    ) -> Result<Vec<u8>, FetchProblem> {
        let mut body = Self::named(part, maximum, answer.content_length())?;
        while let Some(chunk) = answer.chunk().await.map_err(|error| https::problem(&error))? {
            body.push(&chunk)?;
        }
        Ok(body.into_bytes())
    }

    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), FetchProblem> {
        if chunk.len() > self.maximum - self.bytes.len() {
            return Err(too_large(self.part, self.maximum));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    #[cfg(feature = "oci")]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn too_large(part: &'static str, maximum: usize) -> FetchProblem {
    FetchProblem::TooLarge { part, maximum }
}
