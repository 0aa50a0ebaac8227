//! Generated from the rule contract, `wit/filter.wit`. Nothing here leaves the crate.

#![allow(missing_docs, unreachable_pub, clippy::all)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "filter",
    // A batch is handed over from where it is.
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(crate) use exports::weir::filter::rule;
