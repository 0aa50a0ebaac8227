use crate::shape::{Place, Shape};
use crate::shapes::Shapes;
use crate::{Fields, Kind, MAX_FIELDS, SyntaxError, Value, scan_fields};

/// Scans the documents of a stream, one after the other, for several fields: what
/// [`FieldScanner`](crate::FieldScanner) does for one.
#[derive(Clone, Debug)]
pub struct FieldsScanner {
    fields: Fields,
    shapes: Shapes,
    /// Room for one of each field.
    places: Vec<Place>,
}

impl FieldsScanner {
    /// A scanner that has seen no document.
    pub fn new(fields: Fields) -> Self {
        let places = vec![Place::default(); fields.pointers().len()];
        Self { fields, shapes: Shapes::default(), places }
    }

    /// What is looked for.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Scans the document that the first `length` bytes of a buffer are, and calls `found` as
    /// [`scan_fields`] does. It is compared only where the buffer goes on behind it, for
    /// [`PADDING`](crate::PADDING) bytes or more: whatever they hold.
    ///
    /// # Errors
    ///
    /// As [`scan_fields`].
    ///
    /// # Panics
    ///
    /// If the buffer is shorter.
    #[inline]
    pub fn scan_within<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
        mut found: impl FnMut(usize, Option<Value<'a>>),
    ) -> Result<Kind, SyntaxError> {
        let members = self.fields.members();
        let passed = self.shapes.pass_first(members, |shape, detours| {
            shape.pass_for_several(buffer, length, detours, &mut self.places, &mut found)
        });
        match passed {
            Some(kind) => Ok(kind),
            None => self.scan_other(buffer, length, found),
        }
    }

    /// Scans a document that is not of the first shape.
    #[inline(never)]
    fn scan_other<'a>(
        &mut self,
        buffer: &'a [u8],
        length: usize,
        mut found: impl FnMut(usize, Option<Value<'a>>),
    ) -> Result<Kind, SyntaxError> {
        let members = self.fields.members();
        let passed = self.shapes.pass_others(buffer, members, |shape, detours| {
            shape.pass_for_several(buffer, length, detours, &mut self.places, &mut found)
        });
        if let Some(kind) = passed {
            return Ok(kind);
        }
        let document = &buffer[..length];
        let mut values = [None; MAX_FIELDS];
        let kind = scan_fields(document, &self.fields, |field, value| {
            values[field] = value;
            found(field, value);
        })?;
        self.shapes.miss(|| Shape::of(kind, &values, members, document));
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PADDING, Pointer};

    /// What is found in documents, and how many shapes are known afterwards.
    fn found(documents: &[&str], pointers: &[&str]) -> (Vec<String>, usize) {
        let pointers = pointers.iter().map(|text| Pointer::parse(text).expect("a pointer"));
        let fields = Fields::new(pointers.collect()).expect("few fields");
        let mut scanner = FieldsScanner::new(fields);
        let mut all = Vec::new();
        for document in documents {
            let buffer = [document.as_bytes(), &[b'0'; PADDING]].concat();
            let mut found = vec![None; scanner.fields().pointers().len()];
            let scanned = scanner.scan_within(&buffer, document.len(), |field, value| {
                found[field] = value;
            });
            scanned.expect(document);
            let texts = found.iter().map(|value| value.map_or("-", |value| value.text()));
            all.push(texts.collect::<Vec<_>>().join(" "));
        }
        (all, scanner.shapes.len())
    }

    #[test]
    fn several_fields_are_found_by_shape() {
        let documents = [
            r#"{"a":1,"b":{"c":[2,3]},"d":"x"}"#,
            r#"{"a":10,"b":{"c":[20,30]},"d":"y"}"#,
            r#"{"a":100,"b":{"c":[200,300]},"d":null}"#,
        ];
        let (all, shapes) = found(&documents, &["/d", "/b/c/1", "/e", "/a"]);
        assert_eq!(all, [r#""x" 3 - 1"#, r#""y" 30 - 10"#, "null 300 - 100"]);
        assert_eq!(shapes, 1);
    }

    #[test]
    fn one_value_that_is_two_fields_has_no_shape() {
        let (all, shapes) = found(&[r#"{"a":1,"b":2}"#; 4], &["/a", "/b", "/a"]);
        assert_eq!((all[3].as_str(), shapes), ("1 2 1", 0));
        let (all, shapes) = found(&[r#"{"a":{},"b":2}"#; 4], &["/a", "/b"]);
        assert_eq!((all[3].as_str(), shapes), ("{} 2", 0));
    }
}
