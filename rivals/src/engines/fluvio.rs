use ::weir::Limits;
use fluvio_smartengine::{SmartEngine, SmartModuleChainBuilder, SmartModuleConfig};
use fluvio_smartmodule::dataplane::smartmodule::SmartModuleInput;
use fluvio_smartmodule::{Record, SMARTMODULE_TIMESTAMPS_VERSION};

use super::Contestant;

const SMARTMODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fluvio.wasm"));

/// One chain for all batches, as Fluvio keeps one for a consumer's stream. The records are encoded
/// before, as Fluvio stores them; the engine asks to own its input, so it gets a copy.
pub(crate) fn reused(records: &[String]) -> Contestant {
    let config = SmartModuleConfig::builder()
        .smartmodule_names(vec!["rival".to_owned()])
        .build()
        .expect("all that is required");
    let mut builder = SmartModuleChainBuilder::default();
    builder.set_store_memory_limit(Limits::default().memory_bytes);
    builder.add_smart_module(config, SMARTMODULE.to_vec());
    let mut chain = builder.initialize(&SmartEngine::new()).expect("a chain");

    let records = records.iter().map(|record| Record::new(record.as_str())).collect();
    let input = SmartModuleInput::try_from_records(records, SMARTMODULE_TIMESTAMPS_VERSION)
        .expect("records that can be encoded");
    Contestant {
        name: format!("Fluvio's smartengine {}, a filter", env!("FLUVIO_VERSION")),
        terms: "one instance for all batches, a call a batch; fuel and memory limited",
        mark: Some(12.0),
        classify: Box::new(move || {
            let output = chain.process(input.clone()).expect("an output");
            assert!(output.error.is_none(), "the records all have a score: {:?}", output.error);
            output.successes.len()
        }),
    }
}
