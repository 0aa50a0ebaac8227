//! The types of the contract as they lie in memory.
//!
//! Source: WebAssembly Component Model, `CanonicalABI.md`: records are structs of C; variants,
//! options and results are a byte that tells the case, followed by what the case holds.

use crate::batch::Encoding;
use crate::outcome::VerdictKind;
use crate::settings;
use crate::verdict::{self, Bound};

/// A list or a string: where it is. It owns nothing.
#[derive(Debug)]
#[repr(C)]
pub struct List<T> {
    start: *const T,
    length: usize,
}

impl<T> List<T> {
    /// The list of so many elements from there on.
    pub fn new(start: *const T, length: usize) -> Self {
        Self { start, length }
    }

    /// Where these are.
    pub fn of(elements: &[T]) -> Self {
        Self::new(elements.as_ptr(), elements.len())
    }

    /// The elements.
    ///
    /// # Safety
    ///
    /// They are there, and stay so for as long as the slice is used.
    pub unsafe fn as_slice<'a>(&self) -> &'a [T] {
        // SAFETY: as the caller says. The host aligns lists of no elements as well.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

impl List<u8> {
    /// Where a text is.
    pub fn of_text(text: &str) -> Self {
        Self::of(text.as_bytes())
    }

    /// The text.
    ///
    /// # Safety
    ///
    /// As [`as_slice`](Self::as_slice), and it is UTF-8, as all strings of the ABI are.
    pub unsafe fn as_text<'a>(&self) -> &'a str {
        // SAFETY: as the caller says.
        unsafe { str::from_utf8_unchecked(self.as_slice()) }
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self::of(&[])
    }
}

/// An option.
#[derive(Debug, Default)]
#[repr(C, u8)]
pub enum Maybe<T> {
    /// Nothing.
    #[default]
    None,
    /// Something.
    Some(T),
}

impl<T> From<Option<T>> for Maybe<T> {
    fn from(option: Option<T>) -> Self {
        option.map_or(Self::None, Self::Some)
    }
}

/// A list or a string with what it is a list of.
#[derive(Debug)]
#[repr(C)]
pub struct Owned {
    list: List<u8>,
    bytes: Vec<u8>,
}

impl Owned {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { list: List::of(&bytes), bytes }
    }
}

/// The record `description`.
#[derive(Debug)]
#[expect(missing_docs, reason = "the contract tells what its fields are")]
#[repr(C)]
pub struct Description {
    pub name: List<u8>,
    pub version: List<u8>,
    pub settings_schema: List<u8>,
    pub keeps_state: bool,
    pub rewrites: bool,
}

/// The result of `open`.
#[derive(Debug)]
#[repr(C, u8)]
pub enum Opened {
    /// The handle of a classifier.
    Classifier(u32),
    /// Why the settings do not fit.
    Refused(SettingsError),
}

/// The record `settings-error`, with the texts that it tells the places of.
#[derive(Debug)]
#[repr(C)]
pub struct SettingsError {
    path: List<u8>,
    value: List<u8>,
    expected: List<u8>,
    texts: settings::SettingsError,
}

impl From<settings::SettingsError> for SettingsError {
    fn from(texts: settings::SettingsError) -> Self {
        let [path, value, expected] =
            [&texts.path, &texts.value, &texts.expected].map(|text| List::of_text(text));
        Self { path, value, expected, texts }
    }
}

/// The enum `encoding`, by its number.
pub fn encoding(number: u32) -> Encoding {
    match number {
        0 => Encoding::Base64,
        // The host has no other.
        _ => Encoding::Plain,
    }
}

/// The record `outcome`.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "the contract tells what its fields are")]
#[repr(C)]
pub struct Outcome {
    pub verdicts: List<VerdictKind>,
    pub flagged: List<Flag>,
    pub failed: List<Failure>,
    pub rewritten: Maybe<Payloads>,
}

/// The record `flag`.
#[derive(Debug)]
#[repr(C)]
pub struct Flag {
    index: u32,
    score: Maybe<f64>,
    crossed: Maybe<Bound>,
    subject: Maybe<List<u8>>,
    message: List<u8>,
}

impl Flag {
    /// Where it is.
    pub fn new(index: u32, flag: &verdict::Flag) -> Self {
        Self {
            index,
            score: flag.score.into(),
            crossed: flag.crossed.into(),
            subject: flag.subject.as_deref().map(List::of_text).into(),
            message: flag.message.as_deref().map(List::of_text).unwrap_or_default(),
        }
    }
}

/// The record `failure`.
#[derive(Debug)]
#[repr(C)]
pub struct Failure {
    index: u32,
    reason: List<u8>,
}

impl Failure {
    /// Where it is.
    pub fn new(index: u32, reason: &str) -> Self {
        Self { index, reason: List::of_text(reason) }
    }
}

/// The record `payloads`.
#[derive(Debug)]
#[repr(C)]
pub struct Payloads {
    bytes: List<u8>,
    ends: List<u32>,
}

impl Payloads {
    /// Where they are.
    pub fn new(payloads: &(Vec<u8>, Vec<u32>)) -> Self {
        Self { bytes: List::of(&payloads.0), ends: List::of(&payloads.1) }
    }
}

/// The result of `restore`.
#[derive(Debug)]
#[repr(C, u8)]
pub enum Restored {
    /// It went well.
    Restored,
    /// Why not.
    Refused(Owned),
}

/// What the ABI computes of the contract.
const _: () = {
    use std::mem::offset_of;

    assert!(offset_of!(Description, settings_schema) == 16);
    assert!(offset_of!(Description, keeps_state) == 24);
    assert!(offset_of!(Description, rewrites) == 25);
    assert!(offset_of!(SettingsError, value) == 8 && offset_of!(SettingsError, expected) == 16);
    assert!(offset_of!(Outcome, flagged) == 8 && offset_of!(Outcome, failed) == 16);
    assert!(offset_of!(Outcome, rewritten) == 24 && size_of::<Outcome>() == 44);
    assert!(offset_of!(Flag, score) == 8 && offset_of!(Flag, crossed) == 24);
    assert!(offset_of!(Flag, subject) == 28 && offset_of!(Flag, message) == 40);
    assert!(size_of::<Flag>() == 48);
    assert!(offset_of!(Failure, reason) == 4 && size_of::<Failure>() == 12);
    assert!(offset_of!(Payloads, ends) == 8 && size_of::<Payloads>() == 16);
};

#[link(wasm_import_module = "[export]weir:filter/rule@0.2.0")]
unsafe extern "C" {
    /// Makes a handle of the address of a classifier. It is part of the component model, not of the
    /// rule's imports.
    #[link_name = "[resource-new]classifier"]
    pub fn new_classifier(classifier: *mut u8) -> u32;
}
