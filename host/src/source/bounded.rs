use super::error::FetchProblem;
use super::store::Part;

/// Takes bytes up to a limit, however many are sent.
pub(super) struct Bounded {
    bytes: Vec<u8>,
    part: Part,
    maximum: usize,
}

impl Bounded {
    /// Refuses at once what says itself that it has too many bytes.
    pub(super) fn new(
        part: Part,
        maximum: usize,
        announced: Option<u64>,
    ) -> Result<Self, FetchProblem> {
        match announced {
            Some(bytes) if bytes > maximum as u64 => Err(too_large(part, maximum)),
            _ => Ok(Self { bytes: Vec::new(), part, maximum }),
        }
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

fn too_large(part: Part, maximum: usize) -> FetchProblem {
    FetchProblem::TooLarge { part: part.name(), maximum }
}
