use ::weir::{Batch, DEFAULT_RULE, Encoding, Engine, Instances, Limits, Rule};

use super::Contestant;

/// The default rule, as it runs unless told otherwise.
pub(crate) fn fresh(records: &[String]) -> Contestant {
    contestant(
        "Weir",
        "a fresh instance for each batch; time, memory, tables, stack and output limited",
        Instances::Fresh,
        records,
    )
}

/// The same in an instance that is kept, as the others keep theirs.
pub(crate) fn reused(records: &[String]) -> Contestant {
    contestant(
        "Weir, an instance kept",
        "one instance for all batches, a call a batch; limits as above",
        Instances::Kept,
        records,
    )
}

fn contestant(
    name: &str,
    terms: &'static str,
    instances: Instances,
    records: &[String],
) -> Contestant {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let rule = Rule::load(&engine, DEFAULT_RULE).expect("the default rule");
    let filter = rule.open(r#"{"upper":1.5}"#).expect("an opened rule").instances(instances);
    let mut batch = Batch::with_capacity(Encoding::Base64, records.len(), 0);
    records.iter().for_each(|record| batch.push(record.as_bytes()));
    Contestant {
        name: name.to_owned(),
        terms,
        mark: None,
        classify: Box::new(move || filter.classify(&batch).expect("an outcome").flagged.len()),
    }
}
