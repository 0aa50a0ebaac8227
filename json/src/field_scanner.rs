use crate::scan::scan_within;
use std::slice;

use crate::shape::{Members, Shape};
use crate::shapes::Shapes;
use crate::{Document, Pointer, SyntaxError};

/// Scans the documents of a stream, one after the other, for the value that a pointer names.
///
/// It finds what [`scan`](crate::scan) finds, and accepts and refuses what that does. But documents
/// that differ in nothing but their strings, numbers, booleans and nulls take a fraction of the time:
/// of one, the scanner remembers what stands between these, and compares it with the next ones. A
/// stream may have a few such shapes. Where a member of the root is looked for, documents may also lack
/// some members and have others, or lists of other lengths: the more they do, the less time is saved.
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
        let members = members(&self.field);
        let pass = |shape: &mut Shape, detours: Option<_>| shape.pass(buffer, length, detours);
        match self.shapes.pass_first(members, pass) {
            Some(document) => Ok(document),
            None => self.scan_other(buffer, length),
        }
    }

    /// The number that is looked for in the document that the first `length` bytes of a buffer are, which is
    /// an object; or else what [`scan_within`](Self::scan_within) finds. For numbers it takes less time.
    ///
    /// # Errors
    ///
    /// What was found, if it has no number there, is no object, or had to be scanned in another way.
    ///
    /// # Panics
    ///
    /// If the buffer is shorter.
    #[inline]
    pub fn number_within<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
    ) -> Result<f64, Result<Document<'a>, SyntaxError>> {
        let members = members(&self.field);
        let pass =
            |shape: &mut Shape, detours: Option<_>| shape.pass_number(buffer, length, detours);
        match self.shapes.pass_first(members, pass) {
            Some(Ok(number)) => Ok(number),
            Some(Err(document)) => Err(Ok(document)),
            None => Err(self.scan_other(buffer, length)),
        }
    }

    /// Scans a document that is not of the first shape.
    #[inline(never)]
    fn scan_other<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
    ) -> Result<Document<'a>, SyntaxError> {
        let members = members(&self.field);
        let pass = |shape: &mut Shape, detours: Option<_>| shape.pass(buffer, length, detours);
        if let Some(document) = self.shapes.pass_others(buffer, members, pass) {
            return Ok(document);
        }
        let document = scan_within(buffer, length, &self.field)?;
        let Document { root, field } = &document;
        self.shapes.miss(|| Shape::of(root.kind, &[*field], members, &buffer[..length]));
        Ok(document)
    }
}

/// What is looked for, if it is a member of the root.
#[inline(always)]
fn members(field: &Pointer) -> Option<Members<'_>> {
    field.as_member().map(|_| Members::new(slice::from_ref(field)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::MOST;
    use crate::{PADDING, scan};

    /// How many shapes are known once these documents have been scanned. Only to a member of the root
    /// there are detours.
    fn known<'d>(pointer: &str, documents: impl IntoIterator<Item = &'d str>) -> usize {
        let mut scanner = FieldScanner::new(Pointer::parse(pointer).expect("a pointer"));
        for document in documents {
            let mut buffer = document.as_bytes().to_vec();
            buffer.resize(document.len() + PADDING, b'0');
            let scanned = scanner.scan_within(&buffer, document.len());
            assert_eq!(scanned, scan(document.as_bytes(), scanner.field()), "{document}");
        }
        scanner.shapes.len()
    }

    const MEMBER: &str = "/a";
    const DEEPER: &str = "/a/b";

    #[test]
    fn a_shape_is_remembered_once_it_comes_again() {
        assert_eq!(known(MEMBER, [r#"{"a":1}"#]), 0);
        assert_eq!(known(MEMBER, [r#"{"a":1}"#, r#"{"a":2}"#]), 1);
        let alike = [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":"3"}"#, r#"{"a":null}"#];
        assert_eq!(known(MEMBER, alike), 1);
    }

    #[test]
    fn a_stream_may_have_a_few_shapes() {
        let shapes = [r#"{"a":1}"#, r#"{"a":1,"b":2}"#, r#"{"b":[1],"a":2}"#];
        assert_eq!(known(DEEPER, shapes.into_iter().cycle().take(32)), shapes.len());
        let many: Vec<_> = (0..32).map(|n| format!(r#"{{"a":1,"{}":2}}"#, n % 8)).collect();
        assert_eq!(known(DEEPER, many.iter().map(String::as_str)), MOST);
    }

    #[test]
    fn shapes_that_do_not_come_again_are_forgotten_and_waited_for_longer() {
        let unlike: Vec<_> = (0..10_000).map(|n| format!(r#"{{"a":1,"{n}":2}}"#)).collect();
        let mut scanner = FieldScanner::new(Pointer::parse(DEEPER).expect("a pointer"));
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
    fn what_is_near_a_shape_needs_none_of_its_own() {
        let near: Vec<_> = (0..1000).map(|n| format!(r#"{{"a":1,"{n}":2,"b":3}}"#)).collect();
        assert_eq!(known(MEMBER, near.iter().map(String::as_str)), 1);
        // Documents of other shapes do not make those wait that are known.
        let far = r#"{"c":[[[{"d":1},2,3],4,5],6],"e":{"f":{"g":7}}}"#;
        let all = near.iter().map(String::as_str).chain([far; 16]);
        assert_eq!(known(MEMBER, all), 2);
    }

    #[test]
    fn containers_and_scalars_alone_have_no_shape() {
        assert_eq!(known(MEMBER, [r#"{"a":[]}"#; 8]), 0);
        assert_eq!(known(MEMBER, ["1"; 8]), 0);
        assert_eq!(known(MEMBER, ["[]"; 8]), 1);
    }

    /// What a rule has for it is bounded.
    #[test]
    fn documents_of_very_many_scalars_have_no_shape() {
        let of = |scalars: usize| format!(r#"{{"a":1,"b":[{}7]}}"#, "7,".repeat(scalars));
        assert_eq!(known(MEMBER, [of(4_000).as_str(); 8]), 1);
        assert_eq!(known(MEMBER, [of(10_000).as_str(); 8]), 0);
        let blank = format!(r#"{{"a":1,{}"b":2}}"#, " ".repeat(1 << 19));
        assert_eq!(known(MEMBER, [blank.as_str(); 8]), 0);
        // Nor do they become part of one.
        let all = [r#"{"a":1,"b":2}"#; 8].into_iter().chain([blank.as_str(); 8]);
        let mut scanner = FieldScanner::new(Pointer::parse(MEMBER).expect("a pointer"));
        for document in all {
            let buffer = [document.as_bytes(), &[0; PADDING]].concat();
            scanner.scan_within(&buffer, document.len()).expect("valid");
        }
        assert_eq!(scanner.shapes.len(), 1);
    }

    #[test]
    fn a_number_is_that_of_an_object() {
        for (pointer, document, number) in [
            ("/a", r#"{"a":-1.5}"#, Some(-1.5)),
            ("/a", r#"{"a":"1"}"#, None),
            ("/a", r#"{"b":1}"#, None),
            ("/0", "[1]", None),
            ("/0", r#"{"0":1}"#, Some(1.0)),
        ] {
            let mut scanner = FieldScanner::new(Pointer::parse(pointer).expect("a pointer"));
            let scanned = scan(document.as_bytes(), scanner.field());
            let buffer = [document.as_bytes(), &[b'0'; PADDING]].concat();
            let found = [(); 4].map(|()| scanner.number_within(&buffer, document.len()));
            // The first two times the document is scanned.
            let expected = number.ok_or(scanned);
            assert_eq!(found, [Err(scanned), Err(scanned), expected, expected], "{document}");
        }
    }
}
