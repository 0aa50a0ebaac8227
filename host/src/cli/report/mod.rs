//! Reports: pages that need nothing beside themselves.

mod histogram;

mod page;

pub(super) use histogram::{Histogram, Mark, Series};
pub(super) use page::page;
