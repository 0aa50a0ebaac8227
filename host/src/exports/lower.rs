//! Writes the arguments of a call to the memory of a rule.
//!
//! Source: WebAssembly Component Model, `CanonicalABI.md`.

use wasmtime::{Error, Instance, Memory, Mutability, Result, Store, TypedFunc};

use super::lift::Malformed;
use crate::limits::Meter;

/// A global of the SDK's with the address of two numbers: where the arguments of the next call can lie
/// without being asked for, at a multiple of 8, and how many bytes of them. It is an offer beyond the
/// contract.
const ROOM: &str = "weir:room-for-arguments";

/// A place in the rule's memory.
pub(super) type Address = u32;

/// The old memory, which there is none of; alignment; length.
pub(super) type ReallocParams = (Address, u32, u32, u32);

/// Where arguments go.
pub(super) struct Arguments {
    pub(super) memory: Memory,
    pub(super) realloc: TypedFunc<ReallocParams, Address>,
    /// Where the [room](ROOM) is told of, if the rule offers any.
    pub(super) room: Option<Address>,
}

impl Arguments {
    /// Writes the payloads of a batch and where they end. Answers with where they are, in this order.
    pub(super) fn write_batch(
        &self,
        store: &mut Store<Meter>,
        bytes: &[u8],
        ends: &[u32],
    ) -> Result<(Address, Address)> {
        let memory = self.memory.data_mut(&mut *store);
        // What is offered may not be there: then it is asked for.
        if let Some((address, room)) = self.room.and_then(|at| offered(memory, at))
            && let before_ends = bytes.len().next_multiple_of(size_of::<u32>())
            && before_ends + size_of_val(ends) <= room as usize
            && let Some(to) = region(memory, address, before_ends + size_of_val(ends))
        {
            to[..bytes.len()].copy_from_slice(bytes);
            write_numbers(&mut to[before_ends..], ends);
            return Ok((address, address + before_ends as u32));
        }
        let at = self.write(store, bytes)?;
        let ends_at = self.ask_for(store, size_of_val(ends), 4, |to| write_numbers(to, ends))?;
        Ok((at, ends_at))
    }

    /// Writes bytes. Answers with where they are.
    pub(super) fn write(&self, store: &mut Store<Meter>, bytes: &[u8]) -> Result<Address> {
        self.ask_for(store, bytes.len(), 1, |to| to.copy_from_slice(bytes))
    }

    /// Has the rule give memory for so many bytes, and writes to it.
    fn ask_for(
        &self,
        store: &mut Store<Meter>,
        bytes: usize,
        align: u32,
        write: impl FnOnce(&mut [u8]),
    ) -> Result<Address> {
        let length = u32::try_from(bytes).map_err(|_| Error::msg("more than a rule can hold"))?;
        let address = self.realloc.call(&mut *store, (0, 0, align, length))?;
        if !address.is_multiple_of(align) {
            return Err(Malformed::NotAligned.into());
        }
        let memory = self.memory.data_mut(store);
        write(region(memory, address, bytes).ok_or(Malformed::OutOfBounds)?);
        Ok(address)
    }
}

/// The room that the two numbers at an address tell of: where it is, and how many bytes it has.
pub(super) fn offered(memory: &[u8], at: Address) -> Option<(Address, u32)> {
    let (numbers, _) = memory.get(at as usize..)?.first_chunk::<8>()?.as_chunks();
    let [address, bytes] = [0, 1].map(|n: usize| u32::from_le_bytes(numbers[n]));
    address.is_multiple_of(8).then_some((address, bytes))
}

fn region(memory: &mut [u8], address: Address, bytes: usize) -> Option<&mut [u8]> {
    memory.get_mut(address as usize..)?.get_mut(..bytes)
}

fn write_numbers(to: &mut [u8], numbers: &[u32]) {
    let (to, _) = to.as_chunks_mut();
    to.iter_mut().zip(numbers).for_each(|(to, number)| *to = number.to_le_bytes());
}

/// Where the SDK says what room there is for arguments, if it does.
pub(super) fn room(store: &mut Store<Meter>, instance: &Instance) -> Option<Address> {
    let global = instance.get_global(&mut *store, ROOM)?;
    let is_fixed = global.ty(&*store).mutability() == Mutability::Const;
    let address = global.get(store).i32().filter(|_| is_fixed)?;
    Some(address as u32)
}
