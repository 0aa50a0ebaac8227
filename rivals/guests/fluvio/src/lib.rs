//! The rule as a SmartModule for Fluvio: a filter, which keeps the records that are flagged. The
//! code around it, which takes a batch apart and puts the answer together, is Fluvio's own macro's.

use std::cell::RefCell;

use fluvio_smartmodule::{Result, SmartModuleRecord, eyre, smartmodule};
use rival_rule::Threshold;

thread_local! {
    static RULE: RefCell<Threshold> = RefCell::new(Threshold::default());
}

/// Whether a record is flagged. One that has no score ends the batch, as is Fluvio's way.
#[smartmodule(filter)]
pub fn filter(record: &SmartModuleRecord) -> Result<bool> {
    RULE.with_borrow_mut(|rule| rule.is_flagged(record.value().as_ref()))
        .map_err(|reason| eyre!(reason))
}
