//! WASI 0.2 with nothing behind it: see [`Grant::InertWasi`](crate::Grant::InertWasi).
//!
//! There is no code here that could reach anything. A call is answered by the type of its result: what
//! may fail fails, what may be absent is, lists are empty, numbers are 0. The few calls for which that
//! would not do have an answer of their own below.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Engine, Result, StoreContextMut, bail};

use crate::limits::Meter;

/// What the interfaces of WASI 0.2 begin with, and what follows their names.
const PACKAGES: &str = "wasi:";
const VERSIONS: &str = "@0.2.";

/// What a stream takes at once, in bytes.
const WRITE_BYTES: u64 = 64 << 10;

/// The most random bytes that one call is given.
const RANDOM_BYTES: u64 = 64 << 10;

/// How many resources an instance can have at once: each takes memory of the host.
const MAX_RESOURCES: usize = 10_000;

/// What an error is called, where its type has a choice: the first of these that it knows.
const ERRORS: [&str; 4] = ["access", "access-denied", "HTTP-request-denied", "closed"];

/// All that stands behind a stream, a descriptor, a socket: nothing.
struct Inert;

/// Whether an import is an interface of WASI 0.2.
pub(crate) fn is_wasi(import: &str) -> bool {
    import.starts_with(PACKAGES) && import.contains(VERSIONS)
}

/// Defines an interface as a component imports it, whatever it has in it.
pub(crate) fn define(
    linker: &mut Linker<Meter>,
    engine: &Engine,
    interface: &str,
    item: &ComponentItem,
) -> Result<()> {
    let ComponentItem::ComponentInstance(instance) = item else {
        bail!("{interface} is not an interface");
    };
    let mut definitions = linker.instance(interface)?;
    for (name, item) in instance.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) => {
                let function = Function::of(interface, name);
                definitions.func_new(name, move |store, ty, parameters, results| {
                    answer(store, function, &ty, parameters, results)
                })?;
            }
            ComponentItem::Resource(_) => {
                definitions.resource(name, ResourceType::host::<Inert>(), |mut store, _| {
                    store.data_mut().resources -= 1;
                    Ok(())
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A function, as far as its answer needs to know.
#[derive(Clone, Copy)]
enum Function {
    /// Ends the program.
    Exit,
    /// Tells which of the things that are waited for are ready.
    Poll,
    /// Tells whether one is.
    Ready,
    /// Random bytes, as many as asked for.
    RandomBytes,
    /// Eight of them.
    RandomNumber,
    /// Tells how much a stream takes.
    CheckWrite,
    /// Writes to a stream.
    Write,
    /// Answers by its type.
    Other,
}

impl Function {
    fn of(interface: &str, name: &str) -> Self {
        let interface = interface.split('@').next().unwrap_or_default();
        match (interface, name) {
            ("wasi:cli/exit", _) => Self::Exit,
            ("wasi:io/poll", "poll") => Self::Poll,
            ("wasi:io/poll", "[method]pollable.ready") => Self::Ready,
            ("wasi:random/random" | "wasi:random/insecure", name) if name.ends_with("-bytes") => {
                Self::RandomBytes
            }
            ("wasi:random/random" | "wasi:random/insecure", _) => Self::RandomNumber,
            ("wasi:io/streams", "[method]output-stream.check-write") => Self::CheckWrite,
            ("wasi:io/streams", name) if name.starts_with("[method]output-stream.") => Self::Write,
            _ => Self::Other,
        }
    }
}

fn answer(
    mut store: StoreContextMut<'_, Meter>,
    function: Function,
    ty: &ComponentFunc,
    parameters: &[Val],
    results: &mut [Val],
) -> Result<()> {
    for (result, ty) in results.iter_mut().zip(ty.results()) {
        *result = match (function, &ty, parameters) {
            (Function::Poll, Type::List(_), [Val::List(all)]) => {
                Val::List((0..).take(all.len()).map(Val::U32).collect())
            }
            (Function::Ready, Type::Bool, _) => Val::Bool(true),
            (Function::RandomBytes, Type::List(_), [Val::U64(length)]) => {
                if *length > RANDOM_BYTES {
                    bail!("{length} random bytes asked for at once, {RANDOM_BYTES} are given");
                }
                Val::List((0..*length).map(|index| Val::U8(random_byte(index))).collect())
            }
            (Function::RandomNumber, Type::U64, _) => Val::U64(
                (0..8).fold(0, |number, index| number << 8 | u64::from(random_byte(index))),
            ),
            (Function::CheckWrite, Type::Result(_), _) => {
                Val::Result(Ok(Some(Box::new(Val::U64(WRITE_BYTES)))))
            }
            (Function::Write, Type::Result(result), _) => Val::Result(Ok(match result.ok() {
                Some(ty) => Some(Box::new(nothing(&mut store, &ty)?)),
                None => None,
            })),
            (_, ty, _) => nothing(&mut store, ty)?,
        };
    }
    let_go(&mut store, parameters)?;
    match function {
        Function::Exit => bail!("it called exit"),
        _ => Ok(()),
    }
}

/// Ends the lending of what a call was lent, and drops what it was given: nothing is kept.
fn let_go<'a>(
    store: &mut StoreContextMut<'_, Meter>,
    values: impl IntoIterator<Item = &'a Val>,
) -> Result<()> {
    for value in values {
        match value {
            Val::Resource(resource) => resource.resource_drop(&mut *store)?,
            Val::List(values) | Val::Tuple(values) => let_go(store, values)?,
            Val::Record(fields) => {
                fields.iter().try_for_each(|(_, value)| let_go(store, [value]))?;
            }
            Val::Option(Some(value))
            | Val::Variant(_, Some(value))
            | Val::Result(Ok(Some(value)) | Err(Some(value))) => let_go(store, [&**value])?,
            _ => {}
        }
    }
    Ok(())
}

/// The byte at a place of the fixed sequence: SplitMix64, whose numbers pass for random.
///
/// Source: Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014.
fn random_byte(index: u64) -> u8 {
    let z = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 56) as u8
}

/// The value of a type that says the least.
fn nothing(store: &mut StoreContextMut<'_, Meter>, ty: &Type) -> Result<Val> {
    let mut boxed = |ty: Option<Type>| ty.map(|ty| nothing(store, &ty).map(Box::new)).transpose();
    Ok(match ty {
        Type::Bool => Val::Bool(false),
        Type::S8 => Val::S8(0),
        Type::U8 => Val::U8(0),
        Type::S16 => Val::S16(0),
        Type::U16 => Val::U16(0),
        Type::S32 => Val::S32(0),
        Type::U32 => Val::U32(0),
        Type::S64 => Val::S64(0),
        Type::U64 => Val::U64(0),
        Type::Float32 => Val::Float32(0.0),
        Type::Float64 => Val::Float64(0.0),
        Type::Char => Val::Char('\0'),
        Type::String => Val::String(String::new()),
        Type::List(_) => Val::List(Vec::new()),
        Type::Flags(_) => Val::Flags(Vec::new()),
        Type::Option(_) => Val::Option(None),
        Type::Result(result) => Val::Result(Err(boxed(result.err())?)),
        Type::Enum(cases) => {
            let known = ERRORS.into_iter().find(|name| cases.names().any(|case| case == *name));
            let name = known.or_else(|| cases.names().next()).unwrap_or_default();
            Val::Enum(name.to_owned())
        }
        Type::Variant(cases) => {
            let rank = |name: &str| ERRORS.iter().position(|known| *known == name);
            let case = cases
                .cases()
                // Best one of those names, best without anything in it.
                .min_by_key(|case| (rank(case.name).unwrap_or(ERRORS.len()), case.ty.is_some()));
            match case {
                Some(case) => Val::Variant(case.name.to_owned(), boxed(case.ty)?),
                None => bail!("a variant without cases"),
            }
        }
        Type::Record(record) => Val::Record(
            record
                .fields()
                .map(|field| Ok((field.name.to_owned(), nothing(store, &field.ty)?)))
                .collect::<Result<_>>()?,
        ),
        Type::Tuple(tuple) => {
            Val::Tuple(tuple.types().map(|ty| nothing(store, &ty)).collect::<Result<_>>()?)
        }
        Type::Own(_) => Val::Resource(resource(store)?),
        Type::Borrow(_)
        | Type::Map(_)
        | Type::Future(_)
        | Type::Stream(_)
        | Type::ErrorContext
        | Type::FixedLengthList(_) => bail!("WASI 0.2 answers with nothing of such a type"),
    })
}

fn resource(store: &mut StoreContextMut<'_, Meter>) -> Result<ResourceAny> {
    let resources = &mut store.data_mut().resources;
    if *resources >= MAX_RESOURCES {
        bail!("more than {MAX_RESOURCES} streams, pollables and other resources of WASI at once");
    }
    *resources += 1;
    ResourceAny::try_from_resource(Resource::<Inert>::new_own(0), store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wasi_is_known_by_its_name() {
        for import in ["wasi:cli/stdout@0.2.0", "wasi:http/types@0.2.10"] {
            assert!(is_wasi(import), "{import}");
        }
        for import in
            ["wasi:cli/stdout@0.3.0", "wasi:cli/stdout", "weir:filter/lookup@0.2.0", "wasi"]
        {
            assert!(!is_wasi(import), "{import}");
        }
    }

    #[test]
    fn random_bytes_are_spread_and_fixed() {
        let bytes: Vec<u8> = (0..4096).map(random_byte).collect();
        let ones: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
        // Half of 32,768 bits, with a standard deviation of 90.
        assert!((16_000..16_768).contains(&ones), "{ones}");
        assert_eq!(bytes[..4], [random_byte(0), random_byte(1), random_byte(2), random_byte(3)]);
    }
}
