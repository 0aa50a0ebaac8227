//! The rule that the rivals' guests run: Weir's own decoders and its default rule's comparison, so
//! that what differs between the contestants is the engine and how records get in and out.

use weir_guest::json::{FieldScanner, Pointer};
use weir_guest::{Record, base64};

/// Flags records whose anomaly score is at least this.
const UPPER: f64 = 1.5;

/// The rule, and a buffer that its records are decoded into, one after the other.
pub struct Threshold {
    score: FieldScanner,
    decoded: Vec<u8>,
}

impl Default for Threshold {
    fn default() -> Self {
        let field = Pointer::parse("/ANOMALY_SCORE").expect("a JSON Pointer");
        Self { score: FieldScanner::new(field), decoded: Vec::new() }
    }
}

impl Threshold {
    /// Decodes a record from base64, validates it as a JSON object from its first byte to its last,
    /// and compares its score.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the record.
    pub fn is_flagged(&mut self, encoded: &[u8]) -> Result<bool, String> {
        let length =
            base64::decode_within(encoded, &mut self.decoded).map_err(|error| error.to_string())?;
        let score = Record::within(&self.decoded, length).number_by(&mut self.score);
        score.map(|score| score >= UPPER).map_err(|error| error.to_string())
    }
}
