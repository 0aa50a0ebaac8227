//! The scanner and the reader agree with `serde_json`: they accept and refuse the same byte strings,
//! and find the same values in them.
//!
//! One thing is left out. Without its feature `float_roundtrip`, `serde_json` rounds only nearly
//! right, and so draws the line of what fits a 64-bit float some ulps off. Numbers that close to
//! the line do not come up by chance; they are tested where numbers are scanned.

use super::{
    Document, FieldScanner, Fields, FieldsScanner, Kind, Layout, PADDING, Pointer, Reader, Str,
    SyntaxError, Value, scan, scan_fields, scan_members, scan_within,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value as Json;

/// Panics unless both parsers say the same of `document`.
fn assert_agreement(document: &[u8], pointer: &str) {
    let shown = document.escape_ascii();
    let field_pointer = Pointer::parse(pointer).expect("a pointer");
    // What stands behind the document is none of its.
    for padding in ["0", " ", "\"", ",", "}", "]", "\":1,\"a", "\"a\":1,", "1,2,"] {
        let mut buffer = document.to_vec();
        buffer.extend(padding.bytes().cycle().take(PADDING + 3));
        let padded = scan_within(&buffer, document.len(), &field_pointer);
        assert_eq!(padded, scan(document, &field_pointer), "{shown} before {padding:?}");
    }
    match (scan(document, &field_pointer), serde_json::from_slice::<Json>(document)) {
        (Ok(ours), Ok(theirs)) => {
            let text = ours.root.text();
            for reader in [Reader::of_bytes(document), Reader::new(text)] {
                for layouts in [0, 2] {
                    let read = read(reader.clone(), layouts);
                    assert_eq!(read.as_ref(), Ok(&theirs), "all of {shown}");
                }
                assert_eq!(skip(reader.clone()), Ok(ours.root.kind), "all of {shown}");
                assert_eq!(skip_alike(reader), Ok(()), "all of {shown}");
            }
            let field = ours.field.map(|value| parsed(value.text()));
            assert_eq!(parsed(text), theirs, "the root of {shown}");
            assert_eq!(field.as_ref(), theirs.pointer(pointer), "{pointer} of {shown}");
            assert_places(document, &ours);
            let other = Pointer::parse("/a").expect("a pointer");
            let found = fields(document, &[field_pointer.clone(), other.clone()]);
            let expected = [ours.field, scan(document, &other).expect(text).field];
            assert_eq!(found, Ok((ours.root.kind, expected.to_vec())), "{pointer} of {shown}");
            assert_members(document, &theirs);
        }
        (Err(ours), Err(_)) => {
            assert_place_of_error(document, ours);
            assert_place_of_error(document, fields(document, &[field_pointer]).expect_err("both"));
            assert_place_of_error(document, scan_members(document, |_, _| {}).expect_err("both"));
            let readers = [Some(Reader::of_bytes(document)), text_of(document).map(Reader::new)];
            for reader in readers.into_iter().flatten() {
                for layouts in [0, 2] {
                    assert_place_of_error(
                        document,
                        read(reader.clone(), layouts).expect_err("both"),
                    );
                }
                assert_place_of_error(document, skip(reader.clone()).expect_err("both"));
                skip_alike(reader).expect_err("both");
            }
        }
        (ours, theirs) => panic!("{shown}\nours: {ours:?}\ntheirs: {theirs:?}"),
    }
}

/// The documents, scanned one after the other as those of a stream, are what each is alone.
fn assert_stream(documents: &[Vec<u8>], pointer: &str) {
    let pointers = [pointer, "/a", "/b"].map(|text| Pointer::parse(text).expect("a pointer"));
    let mut scanner = FieldScanner::new(pointers[0].clone());
    let several = Fields::new(pointers.to_vec()).expect("few fields");
    let mut of_several = FieldsScanner::new(several);
    let mut numbers = scanner.clone();
    // So often that what is alike in them is expected of the next one, and then one after the other.
    let often = documents.iter().flat_map(|document| [document; 25]);
    let in_turn = std::iter::repeat_n(documents, 3).flatten();
    let paddings = ["0", "\"", ",", "}", "1}"].into_iter().cycle();
    for (document, padding) in often.chain(in_turn).zip(paddings) {
        let mut buffer = document.clone();
        buffer.extend(padding.bytes().cycle().take(PADDING));
        let expected = scan(document, scanner.field());
        let shown = document.escape_ascii();
        assert_eq!(scanner.scan_within(&buffer, document.len()), expected, "{shown}");
        let is_object = expected.is_ok_and(|document| document.root.kind == Kind::Object);
        let number = expected.ok().and_then(|document| document.field?.as_f64());
        match numbers.number_within(&buffer, document.len()) {
            Ok(found) => assert_eq!(Some(found), number.filter(|_| is_object), "{shown}"),
            Err(scanned) => assert_eq!(scanned, expected, "{shown}"),
        }
        let mut found = vec![None; pointers.len()];
        let kind = of_several
            .scan_within(&buffer, document.len(), |field, value| found[field] = value)
            .map(|kind| (kind, found));
        assert_eq!(kind, fields(document, &pointers), "{shown}");
    }
}

/// The document's kind and what is found in it, all in one pass.
fn fields<'a>(
    document: &'a [u8],
    pointers: &[Pointer],
) -> Result<(Kind, Vec<Option<Value<'a>>>), SyntaxError> {
    let mut found = vec![None; pointers.len()];
    let fields = Fields::new(pointers.to_vec()).expect("few fields");
    let kind = scan_fields(document, &fields, |field, value| found[field] = value)?;
    Ok((kind, found))
}

/// The members of a document, of which the last counts, are those of an object.
fn assert_members(document: &[u8], object: &Json) {
    let mut members = serde_json::Map::new();
    let kind = scan_members(document, |key, value| {
        members.insert(text(key), parsed(value.text()));
    });
    assert_eq!(kind == Ok(Kind::Object), object.is_object());
    assert_eq!(object.as_object().cloned().unwrap_or_default(), members);
}

fn parsed(text: &str) -> Json {
    serde_json::from_str(text).expect("a value's text is JSON")
}

fn text_of(document: &[u8]) -> Option<&str> {
    str::from_utf8(document).ok()
}

/// All of a document, read value by value. On so many levels, objects are taken to look alike.
fn read(mut reader: Reader<'_>, levels: usize) -> Result<Json, SyntaxError> {
    let value = read_value(&mut reader, &mut vec![Layout::default(); levels])?;
    reader.finish().map(|()| value)
}

fn read_value<'a>(
    reader: &mut Reader<'a>,
    layouts: &mut [Layout<'a, Str<'a>>],
) -> Result<Json, SyntaxError> {
    if let Some(string) = reader.string()? {
        return Ok(Json::String(text(string)));
    }
    let mut members = serde_json::Map::new();
    let mut member = |reader: &mut Reader<'a>, key, layouts: &mut [Layout<'a, Str<'a>>]| {
        members.insert(text(key), read_value(reader, layouts)?);
        Ok::<_, SyntaxError>(())
    };
    let is_object = match layouts {
        [] => reader.object(|reader, key| member(reader, key, &mut []))?,
        [layout, deeper @ ..] => {
            reader.object_like(layout, Some, |reader, key| member(reader, key, deeper))?
        }
    };
    if is_object {
        return Ok(Json::Object(members));
    }
    let mut elements = Vec::new();
    let mut element = |reader: &mut Reader<'a>| {
        elements.push(read_value(reader, layouts)?);
        Ok::<_, SyntaxError>(())
    };
    if reader.array(&mut element)? {
        return Ok(Json::Array(elements));
    }
    let before = reader.clone();
    reader.skip()?;
    Ok(parsed(text_of(before.up_to(reader)).expect("a value is UTF-8")))
}

/// Skips what is in the elements of an array, which are taken to be objects that look alike.
fn skip_alike(mut reader: Reader<'_>) -> Result<(), SyntaxError> {
    let mut layout = Layout::default();
    let is_array = reader.array(|reader| {
        reader.object_like(&mut layout, |_| None, |_, ()| Ok(()))?;
        Ok::<_, SyntaxError>(())
    })?;
    if !is_array {
        reader.skip()?;
    }
    reader.finish()
}

/// The text of a string, told by another parser.
fn text(string: Str<'_>) -> String {
    let text: String = serde_json::from_slice(string.json()).expect("a string is JSON");
    assert!(string.is(&text) && !string.is("something else"));
    assert_eq!(string.text(), text);
    assert_eq!(string.inner() != text.as_bytes(), string.escaped());
    text
}

fn skip(mut reader: Reader<'_>) -> Result<Kind, SyntaxError> {
    let kind = reader.skip()?;
    reader.finish().map(|()| kind)
}

/// The values are what they say they are, where they say.
fn assert_places(document: &[u8], scanned: &Document<'_>) {
    for value in scanned.field.iter().chain([&scanned.root]) {
        let place = value.offset..value.offset + value.text().len();
        assert_eq!(&document[place], value.text().as_bytes());
        assert_eq!(value.text().trim(), value.text());
        let kind = match parsed(value.text()) {
            Json::Object(_) => Kind::Object,
            Json::Array(_) => Kind::Array,
            Json::String(_) => Kind::String,
            Json::Number(_) => Kind::Number,
            Json::Bool(_) => Kind::Bool,
            Json::Null => Kind::Null,
        };
        assert_eq!(value.kind, kind);
        assert_eq!(value.as_str().as_deref(), parsed(value.text()).as_str());
        assert_eq!(
            value.as_f64().map(f64::to_bits),
            (kind == Kind::Number).then(|| value.text().parse().map_or(0, f64::to_bits)),
            "{}",
            value.text()
        );
    }
}

/// An error is within the document, and stays what it is whatever comes behind it.
fn assert_place_of_error(document: &[u8], error: SyntaxError) {
    assert!(error.offset <= document.len(), "{error} of {}", document.escape_ascii());
    assert!(error.to_string().ends_with(&format!(" at byte {}", error.offset)));
}

/// Keys that are written in several ways, and that mean something in a pointer.
fn key() -> impl Strategy<Value = String> {
    select(vec![
        r#""a""#,
        r#""\u0061""#,
        r#""b""#,
        r#""""#,
        r#""0""#,
        r#""1""#,
        r#""01""#,
        r#""a/b""#,
        r#""a\/b""#,
        r#""~""#,
        r#""\u007e1""#,
        r#""é""#,
        r#""\u00e9""#,
        r#""\ud83d\ude00""#,
        r#""😀""#,
        r#""\"\\\n""#,
        r#""ANOMALY_SCORE""#,
        r#""ANOMALY_SC\u004fRE""#,
        r#""ANOMALY_SCORf""#,
        r#""a key that is longer than a vector is wide, and then some""#,
        r#""a key that is longer than a vector is wide, and then som\u0065""#,
    ])
    .prop_map(str::to_owned)
}

/// Pointers that often lead somewhere in what `document` makes.
fn pointer() -> impl Strategy<Value = String> {
    let token = select(vec![
        "a",
        "b",
        "",
        "0",
        "1",
        "2",
        "01",
        "-",
        "a~1b",
        "~0",
        "~01",
        "é",
        "😀",
        "\"\\\n",
        "ANOMALY_SCORE",
        "a key that is longer than a vector is wide, and then some",
    ]);
    vec(token, 0..4).prop_map(|tokens| tokens.iter().map(|token| format!("/{token}")).collect())
}

/// Pieces of strings, valid and not.
fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[ -!#-\\[\\]-~]{0,40}",
        1 => "\\PC{0,8}",
        1 => select(vec![
            r#"\""#, r"\\", r"\/", r"\b\f\n\r\t", r"\u0000", r"\uD7FF", r"\ue000", r"\ud834\udd1e",
            r"\uDBFF\uDFFF",
        ])
        .prop_map(str::to_owned),
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?",
        1 => "-?[1-9](\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,4}",
        1 => (1..400_usize).prop_map(|digits| "7".repeat(digits)),
        4 => string(),
        1 => select(vec!["true", "false", "null"]).prop_map(str::to_owned),
    ]
}

/// Objects and arrays with whitespace and duplicate keys.
fn document() -> impl Strategy<Value = String> {
    document_of(scalar().boxed())
}

/// The same with other scalars in it.
fn document_of(scalar: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let space = || select(vec!["", "", "", " ", "\n    ", "\t", "\r\n", "                    "]);
    let value = scalar.prop_recursive(6, 48, 6, move |value| {
        let element = (space(), value.clone(), space()).prop_map(|(a, b, c)| format!("{a}{b}{c}"));
        let member = (space(), key(), space(), element.clone())
            .prop_map(|(a, b, c, d)| format!("{a}{b}{c}:{d}"));
        prop_oneof![
            (space(), vec(element, 0..6)).prop_map(|(a, b)| format!("[{a}{}]", b.join(","))),
            (space(), vec(member, 0..6)).prop_map(|(a, b)| format!("{{{a}{}}}", b.join(","))),
        ]
    });
    (space(), value, space()).prop_map(|(a, b, c)| format!("{a}{b}{c}"))
}

/// A change to a document, at a place within it.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Set(Index, u8),
    Cut(Index, Index),
    Truncate(Index),
    Insert(Index, &'static [u8]),
    Repeat(Index, Index),
}

impl Change {
    fn apply(&self, document: &mut Vec<u8>) {
        let length = document.len();
        if length == 0 {
            return;
        }
        let range = |a: &Index, b: &Index| {
            let (a, b) = (a.index(length), b.index(length));
            a.min(b)..a.max(b)
        };
        match self {
            Self::Flip(at, bits) => document[at.index(length)] ^= bits,
            Self::Set(at, byte) => document[at.index(length)] = *byte,
            Self::Cut(a, b) => drop(document.drain(range(a, b))),
            Self::Truncate(at) => document.truncate(at.index(length)),
            Self::Insert(at, bytes) => {
                let at = at.index(length);
                document.splice(at..at, bytes.iter().copied());
            }
            Self::Repeat(a, b) => {
                let again = document[range(a, b)].to_vec();
                let at = a.index(length);
                document.splice(at..at, again);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let nasty: Vec<&'static [u8]> = vec![
        b"\"",
        b"\\",
        b"\\u",
        b"\\ud800",
        b"\\udc00",
        b"\\uD83D\\uDE00",
        b"\\u12g4",
        b"\\x",
        b"\0",
        b"\x1f",
        b"\x7f",
        b"\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xef\xbb\xbf",
        b"\xc3\xa9",
        b"\xf0\x9f\x98\x80",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"0",
        b"-",
        b".",
        b"1e9",
        b"e400",
        b"E+",
        b"00",
        b" ",
        b"\n",
        b"\x0b",
        b"\x0c",
        b"\xc2\xa0",
        b"true",
        b"nul",
        b"NaN",
        b"Infinity",
        b"//",
        b"'",
        b"\"a\":1,",
        b"\"a\":{\"b\":[0,1]},",
        b"[[],{}]",
        b"{\"a\":",
    ];
    let at = any::<Index>;
    prop_oneof![
        1 => (at(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (at(), at()).prop_map(|(a, b)| Change::Cut(a, b)),
        1 => at().prop_map(Change::Truncate),
        4 => (at(), select(nasty)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (at(), at()).prop_map(|(a, b)| Change::Repeat(a, b)),
    ]
}

/// A change to an object's members, at one of them.
#[derive(Clone, Debug)]
enum Variation {
    Remove(Index),
    Repeat(Index, Index),
    Swap(Index, Index),
    Rename(Index, String),
    Set(Index, String),
    Insert(Index, String, String),
}

impl Variation {
    fn apply(&self, members: &mut Vec<(String, String)>) {
        let count = members.len();
        match self {
            Self::Insert(at, key, value) => {
                members.insert(at.index(count + 1), (key.clone(), value.clone()));
            }
            _ if count == 0 => {}
            Self::Remove(at) => drop(members.remove(at.index(count))),
            Self::Repeat(from, to) => {
                members.insert(to.index(count), members[from.index(count)].clone());
            }
            Self::Swap(a, b) => members.swap(a.index(count), b.index(count)),
            Self::Rename(at, key) => members[at.index(count)].0.clone_from(key),
            Self::Set(at, value) => members[at.index(count)].1.clone_from(value),
        }
    }
}

fn variation() -> impl Strategy<Value = Variation> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Variation::Remove),
        (at(), at()).prop_map(|(a, b)| Variation::Repeat(a, b)),
        (at(), at()).prop_map(|(a, b)| Variation::Swap(a, b)),
        (at(), key()).prop_map(|(at, key)| Variation::Rename(at, key)),
        (at(), value()).prop_map(|(at, value)| Variation::Set(at, value)),
        (at(), key(), value()).prop_map(|(at, key, value)| Variation::Insert(at, key, value)),
    ]
}

/// Values of which most are scalars.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![3 => scalar(), 1 => document()]
}

/// Pointers to members of the root.
fn key_of_member() -> impl Strategy<Value = String> {
    select(vec!["/a", "/b", "/ANOMALY_SCORE", "/0", "/", "/é"]).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn on_valid_documents(document in document(), pointer in pointer()) {
        assert_agreement(document.as_bytes(), &pointer);
    }

    #[test]
    fn on_damaged_documents(
        document in document(),
        changes in vec(change(), 1..4),
        pointer in pointer(),
    ) {
        let mut document = document.into_bytes();
        for change in &changes {
            change.apply(&mut document);
            assert_agreement(&document, &pointer);
        }
    }

    #[test]
    fn on_objects_that_look_alike(
        value in document(),
        changes in vec(change(), 0..3),
        pointer in pointer(),
    ) {
        let mut changed = value.clone().into_bytes();
        changes.iter().for_each(|change| change.apply(&mut changed));
        let value = value.as_bytes();
        let document = [b"[", value, b",", &changed, b",", value, b"]"].concat();
        assert_agreement(&document, &pointer);
    }

    #[test]
    fn on_streams_of_documents_that_look_alike(
        shapes in vec(document_of(Just("?".to_owned()).boxed()), 1..3),
        scalars in vec(scalar(), 1..20),
        changes in vec(vec(change(), 0..2), 1..8),
        pointer in pointer(),
    ) {
        let mut scalars = scalars.iter().cycle();
        let mut fill = |shape: &str| {
            let mut pieces = shape.split('?');
            let mut filled = pieces.next().unwrap_or_default().to_owned();
            for piece in pieces {
                filled += scalars.next().expect("they come again");
                filled += piece;
            }
            filled.into_bytes()
        };
        let mut documents = Vec::new();
        for (shape, changes) in shapes.iter().cycle().zip(&changes) {
            documents.push(fill(shape));
            let mut changed = fill(shape);
            changes.iter().for_each(|change| change.apply(&mut changed));
            documents.push(changed);
        }
        assert_stream(&documents, &pointer);
    }

    #[test]
    fn on_streams_of_objects_that_vary(
        members in vec((key(), value()), 1..12),
        variations in vec(vec(variation(), 0..4), 1..8),
        pointer in prop_oneof![3 => key_of_member(), 1 => pointer()],
    ) {
        let mut documents = Vec::new();
        for variations in &variations {
            let mut members = members.clone();
            variations.iter().for_each(|variation| variation.apply(&mut members));
            let members: Vec<_> = members.iter().map(|(key, value)| format!("{key}:{value}")).collect();
            documents.push(format!("{{{}}}", members.join(",")).into_bytes());
        }
        assert_stream(&documents, &pointer);
    }

    #[test]
    fn on_arbitrary_bytes(document in vec(any::<u8>(), 0..64), pointer in pointer()) {
        assert_agreement(&document, &pointer);
    }

    #[test]
    fn on_tokens_in_any_order(
        tokens in vec(
            select(vec!["{", "}", "[", "]", ",", ":", "\"a\"", "0", "-1", "1.5e3", "true", " "]),
            0..16,
        ),
        pointer in pointer(),
    ) {
        assert_agreement(tokens.concat().as_bytes(), &pointer);
    }

    #[test]
    fn on_deep_nesting(
        opens in vec(select(vec!["[", "{\"a\":", "[0,", "{\"b\":0,\"a\":"]), 120..132),
        closed in any::<bool>(),
        pointer in pointer(),
    ) {
        let mut document = opens.concat();
        document.push_str("[]");
        for open in opens.iter().rev().filter(|_| closed) {
            document.push(if open.starts_with('[') { ']' } else { '}' });
        }
        assert_agreement(document.as_bytes(), &pointer);
    }
}
