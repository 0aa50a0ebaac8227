use crate::scan::scan_within;
use crate::shape::Shape;
use crate::shapes::Shapes;
use crate::{Document, Pointer, SyntaxError};

/// Scans the documents of a stream, one after the other, for the value that a pointer names.
///
/// It finds what [`scan`](crate::scan) finds, and accepts and refuses what that does. But documents
/// that differ in nothing but their strings, numbers, booleans and nulls take a fraction of the time:
/// of one, the scanner remembers what stands between these, and compares it with the next ones. A
/// stream may have a few such shapes.
#[derive(Clone, Debug)]
pub struct FieldScanner {
    field: Pointer,
    shapes: Shapes,
}

impl FieldScanner {
    /// A scanner that has seen no document.
    pub fn new(field: Pointer) -> Self {
        Self { field, shapes: Shapes::default() }
    }

    /// The pointer to what is looked for.
    pub fn field(&self) -> &Pointer {
        &self.field
    }

    /// Scans the document that the first `length` bytes of a buffer are. It is compared only where
    /// the buffer goes on behind it, for [`PADDING`](crate::PADDING) bytes or more: whatever they
    /// hold.
    ///
    /// # Errors
    ///
    /// As [`scan`](crate::scan).
    ///
    /// # Panics
    ///
    /// If the buffer is shorter.
    #[inline]
    pub fn scan_within<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
    ) -> Result<Document<'a>, SyntaxError> {
        if let Some(document) = self.shapes.pass_first(|shape| shape.pass(buffer, length)) {
            return Ok(document);
        }
        self.scan_other(buffer, length)
    }

    /// Scans a document that is not of the first shape.
    #[inline(never)]
    fn scan_other<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
    ) -> Result<Document<'a>, SyntaxError> {
        if let Some(document) = self.shapes.pass_others(|shape| shape.pass(buffer, length)) {
            return Ok(document);
        }
        let document = scan_within(buffer, length, &self.field)?;
        let Document { root, field } = &document;
        self.shapes.miss(|| Shape::of(root.kind, &[*field], &buffer[..length]));
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::MOST;
    use crate::{PADDING, scan};

    /// How many shapes are known once these documents have been scanned.
    fn known<'d>(documents: impl IntoIterator<Item = &'d str>) -> usize {
        let mut scanner = FieldScanner::new(Pointer::parse("/a").expect("a pointer"));
        for document in documents {
            let mut buffer = document.as_bytes().to_vec();
            buffer.resize(document.len() + PADDING, b'0');
            let scanned = scanner.scan_within(&buffer, document.len());
            assert_eq!(scanned, scan(document.as_bytes(), scanner.field()), "{document}");
        }
        scanner.shapes.len()
    }

    #[test]
    fn a_shape_is_remembered_once_it_comes_again() {
        assert_eq!(known([r#"{"a":1}"#]), 0);
        assert_eq!(known([r#"{"a":1}"#, r#"{"a":2}"#]), 1);
        assert_eq!(known([r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":"3"}"#, r#"{"a":null}"#]), 1);
    }

    #[test]
    fn a_stream_may_have_a_few_shapes() {
        let shapes = [r#"{"a":1}"#, r#"{"a":1,"b":2}"#, r#"{"b":[1],"a":2}"#];
        assert_eq!(known(shapes.into_iter().cycle().take(32)), shapes.len());
        let many: Vec<_> = (0..32).map(|n| format!(r#"{{"a":1,"{}":2}}"#, n % 8)).collect();
        assert_eq!(known(many.iter().map(String::as_str)), MOST);
    }

    #[test]
    fn shapes_that_do_not_come_again_are_forgotten_and_waited_for_longer() {
        let unlike: Vec<_> = (0..10_000).map(|n| format!(r#"{{"a":1,"{n}":2}}"#)).collect();
        let mut scanner = FieldScanner::new(Pointer::parse("/a").expect("a pointer"));
        let mut remembered = 0;
        for document in &unlike {
            let known = scanner.shapes.len();
            let mut buffer = document.as_bytes().to_vec();
            buffer.resize(document.len() + PADDING, b'0');
            scanner.scan_within(&buffer, document.len()).expect("valid");
            remembered += usize::from(scanner.shapes.len() > known);
        }
        assert!((MOST..5 * MOST).contains(&remembered), "{remembered}");
        assert_eq!(scanner.shapes.len(), 0);
    }

    #[test]
    fn containers_and_scalars_alone_have_no_shape() {
        assert_eq!(known([r#"{"a":[]}"#; 8]), 0);
        assert_eq!(known(["1"; 8]), 0);
        assert_eq!(known(["[]"; 8]), 1);
    }
}
