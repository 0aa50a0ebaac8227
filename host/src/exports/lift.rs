//! Reads what a rule answered out of its memory.
//!
//! Source: WebAssembly Component Model, `CanonicalABI.md`: how values of each type lie in memory, and
//! what is no value of the type. Nothing that a rule can write there may do more than fail.

use crate::batch::Payloads;
use crate::bindings::rule;
use crate::outcome::{Bound, Failure, Flag, Outcome, Verdict};

/// The memory of a rule that has answered.
pub(super) struct Answer<'a> {
    memory: &'a [u8],
    /// How many bytes more the host holds of the answer.
    left: usize,
}

/// Why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("it answers with a place beyond its memory")]
    OutOfBounds,
    #[error("it answers with a place that is not aligned")]
    NotAligned,
    #[error("it answers with a text that is not UTF-8")]
    NotUtf8,
    #[error("it answers with a case that its type does not have")]
    NoSuchCase,
    #[error("it answers with a classifier that it has not made")]
    NoClassifier,
    /// It is more than the host is to hold.
    #[error("it answers with too much")]
    TooMuch,
}

type Lifted<T> = Result<T, Malformed>;

/// Where a list is, and of how many elements.
const LIST: usize = 8;

impl<'a> Answer<'a> {
    /// What lies in a rule's memory, of which the host holds so many bytes at most.
    pub(super) fn new(memory: &'a [u8], most: usize) -> Self {
        Self { memory, left: most }
    }

    /// What `describe` answers.
    pub(super) fn description(mut self, address: u32) -> Lifted<rule::Description> {
        let record: &[u8; 28] = self.record(address, 4)?;
        Ok(rule::Description {
            name: self.text(at(record, 0))?,
            version: self.text(at(record, LIST))?,
            settings_schema: self.text(at(record, 2 * LIST))?,
            keeps_state: record[24] != 0,
            rewrites: record[25] != 0,
        })
    }

    /// What `open` answers: the handle of a classifier, or why there is none.
    pub(super) fn opened(mut self, address: u32) -> Lifted<Result<u32, rule::SettingsError>> {
        let result: &[u8; 28] = self.record(address, 4)?;
        Ok(match result[0] {
            0 => Ok(number(at(result, 4))),
            1 => Err(rule::SettingsError {
                path: self.text(at(result, 4))?,
                value: self.text(at(result, 4 + LIST))?,
                expected: self.text(at(result, 4 + 2 * LIST))?,
            }),
            _ => return Err(Malformed::NoSuchCase),
        })
    }

    /// What `classify` answers, into an empty outcome.
    pub(super) fn outcome(mut self, address: u32, outcome: &mut Outcome) -> Lifted<()> {
        let record: &[u8; 44] = self.record(address, 4)?;
        let Outcome { verdicts, flagged, failed, rewritten } = outcome;
        *verdicts = self.verdicts(at(record, 0))?;
        let flags = self.elements::<Flag, 48>(at(record, LIST), 8)?;
        *flagged = Vec::with_capacity(flags.len());
        for flag in flags {
            flagged.push(self.flag(flag)?);
        }
        let failures = self.elements::<Failure, 12>(at(record, 2 * LIST), 4)?;
        *failed = Vec::with_capacity(failures.len());
        for failure in failures {
            failed.push(self.failure(failure)?);
        }
        if option(record[24])? {
            *rewritten = Some(self.payloads(at(record, 28))?);
        }
        Ok(())
    }

    /// What `snapshot` answers.
    pub(super) fn snapshot(mut self, address: u32) -> Lifted<Vec<u8>> {
        let list: &[u8; LIST] = self.record(address, 4)?;
        Ok(self.bytes(list)?.to_vec())
    }

    /// What `restore` answers: why it has not, if so.
    pub(super) fn restored(mut self, address: u32) -> Lifted<Result<(), String>> {
        let result: &[u8; 12] = self.record(address, 4)?;
        Ok(match result[0] {
            0 => Ok(()),
            1 => Err(self.text(at(result, 4))?),
            _ => return Err(Malformed::NoSuchCase),
        })
    }

    fn verdicts(&mut self, list: &[u8; LIST]) -> Lifted<Vec<Verdict>> {
        let numbers = self.elements::<Verdict, 1>(list, 1)?.as_flattened();
        // As a maximum, it takes a vector of them at once.
        if numbers.iter().fold(0, |most, number| most.max(*number)) > 3 {
            return Err(Malformed::NoSuchCase);
        }
        let verdict = |number: &u8| match number {
            0 => Verdict::Pass,
            1 => Verdict::Flag,
            2 => Verdict::Drop,
            _ => Verdict::Fail,
        };
        Ok(numbers.iter().map(verdict).collect())
    }

    fn flag(&mut self, flag: &[u8; 48]) -> Lifted<Flag> {
        Ok(Flag {
            index: number(at(flag, 0)) as usize,
            score: option(flag[8])?.then(|| f64::from_le_bytes(*at(flag, 16))),
            crossed: match (option(flag[24])?, flag[25]) {
                (false, _) => None,
                (true, 0) => Some(Bound::Upper),
                (true, 1) => Some(Bound::Lower),
                (true, _) => return Err(Malformed::NoSuchCase),
            },
            subject: match option(flag[28])? {
                true => Some(self.text(at(flag, 32))?),
                false => None,
            },
            message: self.text(at(flag, 40))?,
        })
    }

    fn failure(&mut self, failure: &[u8; 12]) -> Lifted<Failure> {
        let index = number(at(failure, 0)) as usize;
        Ok(Failure::of_record(index, &self.text(at(failure, 4))?))
    }

    fn payloads(&mut self, payloads: &[u8; 2 * LIST]) -> Lifted<Payloads> {
        let bytes = self.bytes(at(payloads, 0))?.to_vec();
        let ends = self.elements::<u32, 4>(at(payloads, LIST), 4)?;
        Ok(Payloads::new(bytes, ends.iter().map(number).collect()))
    }

    fn text(&mut self, list: &[u8; LIST]) -> Lifted<String> {
        let text = str::from_utf8(self.bytes(list)?).map_err(|_| Malformed::NotUtf8)?;
        Ok(text.to_owned())
    }

    fn bytes(&mut self, list: &[u8; LIST]) -> Lifted<&'a [u8]> {
        Ok(self.elements::<u8, 1>(list, 1)?.as_flattened())
    }

    /// The elements of a list, each of `N` bytes in the rule's memory. The host holds them as `T`.
    fn elements<T, const N: usize>(
        &mut self,
        list: &[u8; LIST],
        align: u32,
    ) -> Lifted<&'a [[u8; N]]> {
        let (address, length) = (number(at(list, 0)), number(at(list, 4)) as usize);
        let bytes = length.checked_mul(N).ok_or(Malformed::OutOfBounds)?;
        let (elements, _) = self.region(address, bytes, align)?.as_chunks();
        let held = length.checked_mul(size_of::<T>()).ok_or(Malformed::TooMuch)?;
        self.left = self.left.checked_sub(held).ok_or(Malformed::TooMuch)?;
        Ok(elements)
    }

    /// A record or a variant, of `N` bytes.
    fn record<const N: usize>(&self, address: u32, align: u32) -> Lifted<&'a [u8; N]> {
        let region = self.region(address, N, align)?;
        Ok(region.first_chunk().expect("a region is as long as asked for"))
    }

    fn region(&self, address: u32, bytes: usize, align: u32) -> Lifted<&'a [u8]> {
        if !address.is_multiple_of(align) {
            return Err(Malformed::NotAligned);
        }
        let region = self.memory.get(address as usize..).and_then(|rest| rest.get(..bytes));
        region.ok_or(Malformed::OutOfBounds)
    }
}

/// Whether an option has something.
fn option(case: u8) -> Lifted<bool> {
    match case {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::NoSuchCase),
    }
}

/// The `N` bytes of a record that begin there.
fn at<const N: usize>(record: &[u8], offset: usize) -> &[u8; N] {
    record[offset..].first_chunk().expect("fields lie within their record")
}

fn number(bytes: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8; 8] = b"text\xff   ";

    /// The memory of an answer that begins at 0: these numbers, and a text behind them.
    fn memory(numbers: &[u32]) -> Vec<u8> {
        let mut memory: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        memory.extend(TEXT);
        memory
    }

    #[test]
    fn what_open_answers() {
        let opened = |numbers: &[u32]| Answer::new(&memory(numbers), 8).opened(0);
        assert!(matches!(opened(&[0, 3, 0, 0, 0, 0, 0]), Ok(Ok(3))));
        let refused = opened(&[1, 28, 4, 28, 0, 29, 3]);
        let Ok(Err(error)) = refused else { panic!("{refused:?}") };
        assert_eq!([error.path, error.value, error.expected], ["text", "", "ext"]);
        assert_eq!(opened(&[2, 0, 0, 0, 0, 0, 0]).err(), Some(Malformed::NoSuchCase));
        assert_eq!(opened(&[1, 28, 5, 28, 0, 28, 0]).err(), Some(Malformed::NotUtf8));
        assert_eq!(opened(&[1, 28, 4, 28, 4, 28, 1]).err(), Some(Malformed::TooMuch));
        assert_eq!(opened(&[1, 28, 9, 28, 0, 28, 0]).err(), Some(Malformed::OutOfBounds));
        assert_eq!(opened(&[0, 3]).err(), Some(Malformed::OutOfBounds));
    }

    #[test]
    fn what_describe_answers() {
        // Of a boolean, all but 0 is true.
        let numbers = [28, 1, 29, 2, 28, 4, 0x0200];
        let description = Answer::new(&memory(&numbers), 7).description(0).expect("described");
        let rule::Description { name, version, settings_schema, keeps_state, rewrites } =
            description;
        assert_eq!([name, version, settings_schema], ["t", "ex", "text"]);
        assert_eq!((keeps_state, rewrites), (false, true));
        let described = |most, address| Answer::new(&memory(&numbers), most).description(address);
        assert_eq!(described(6, 0).err(), Some(Malformed::TooMuch));
        assert_eq!(described(7, 2).err(), Some(Malformed::NotAligned));
        assert_eq!(described(7, 12).err(), Some(Malformed::OutOfBounds));
        assert_eq!(described(7, u32::MAX - 3).err(), Some(Malformed::OutOfBounds));
    }

    proptest! {
        /// It is an error, or what fits into what the host holds.
        #[test]
        fn whatever_lies_there_is_read(
            numbers in prop::collection::vec(prop_oneof![0..64_u32, any::<u32>()], 0..16),
            address in prop_oneof![0..64_u32, any::<u32>()],
        ) {
            let memory = memory(&numbers);
            let answer = || Answer::new(&memory, 16);
            if let Ok(described) = answer().description(address) {
                prop_assert!(described.name.len() + described.settings_schema.len() <= 16);
            }
            if let Ok(Err(error)) = answer().opened(address) {
                prop_assert!(error.path.len() + error.expected.len() <= 16);
            }
            if let Ok(Err(reason)) = answer().restored(address) {
                prop_assert!(reason.len() <= 16);
            }
            if let Ok(snapshot) = answer().snapshot(address) {
                prop_assert!(snapshot.len() <= 16);
            }
        }
    }
}
