use ::weir::{Batch, DEFAULT_RULE, Encoding, Engine, Limits, Rule};

use super::Contestant;

/// The default rule, as users run it.
pub(crate) fn fresh(records: &[String]) -> Contestant {
    let engine = Engine::new(Limits::default()).expect("an engine");
    let rule = Rule::load(&engine, DEFAULT_RULE).expect("the default rule");
    let filter = rule.open(r#"{"upper":1.5}"#).expect("an opened rule");
    let mut batch = Batch::with_capacity(Encoding::Base64, records.len(), 0);
    records.iter().for_each(|record| batch.push(record.as_bytes()));
    Contestant {
        name: "Weir".to_owned(),
        terms: "a fresh instance for each batch; time, memory, tables, stack and output limited",
        mark: None,
        classify: Box::new(move || filter.classify(&batch).expect("an outcome").flagged.len()),
    }
}
