use ::extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use ::weir::Limits;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::Contestant;

const PLUGIN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/extism.wasm"));

const WASM_PAGE_BYTES: usize = 1 << 16;

/// One plug-in for all batches: what is fastest with Extism, so the mark is held against it.
pub(crate) fn reused(records: &[String]) -> Contestant {
    let mut plugin = instance(&compiled(Config::new()));
    let batch = batch(records);
    Contestant {
        name: format!("Extism {}, one plug-in", env!("EXTISM_VERSION")),
        terms: "one instance for all batches, a call a batch; time and memory limited",
        mark: Some(2.5),
        classify: Box::new(move || flagged(&mut plugin, &batch)),
    }
}

/// A plug-in for each batch, as Weir does it.
pub(crate) fn fresh(records: &[String]) -> Contestant {
    let compiled = compiled(Config::new());
    let batch = batch(records);
    Contestant {
        name: format!("Extism {}, a plug-in a batch", env!("EXTISM_VERSION")),
        terms: "a fresh instance for each batch, compiled before; time and memory limited",
        mark: None,
        classify: Box::new(move || flagged(&mut instance(&compiled), &batch)),
    }
}

/// The same, out of a pool like the one that Weir takes its instances from.
pub(crate) fn pooled(records: &[String]) -> Contestant {
    let mut pool = PoolingAllocationConfig::new();
    pool.max_memory_size(Limits::default().memory_bytes)
        .linear_memory_keep_resident(1 << 20)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let compiled = compiled(config);
    let batch = batch(records);
    Contestant {
        name: format!("Extism {}, a plug-in a batch, pooled", env!("EXTISM_VERSION")),
        terms: "a fresh instance for each batch, from a pool like Weir's; time and memory limited",
        mark: None,
        classify: Box::new(move || flagged(&mut instance(&compiled), &batch)),
    }
}

/// Within the limits that Weir has by default, as far as Extism has them.
fn compiled(config: Config) -> CompiledPlugin {
    let limits = Limits::default();
    let pages = u32::try_from(limits.memory_bytes / WASM_PAGE_BYTES).expect("at most 4 GiB");
    let manifest =
        Manifest::new([Wasm::data(PLUGIN)]).with_timeout(limits.time).with_memory_max(pages);
    PluginBuilder::new(manifest)
        .with_wasmtime_config(config)
        .with_cache_disabled()
        .compile()
        .expect("a plug-in")
}

fn instance(compiled: &CompiledPlugin) -> Plugin {
    Plugin::new_from_compiled(compiled).expect("an instance")
}

/// Each record behind its length, as the plug-in takes them.
fn batch(records: &[String]) -> Vec<u8> {
    let mut batch = Vec::new();
    for record in records {
        let length = u32::try_from(record.len()).expect("a record is short");
        batch.extend_from_slice(&length.to_le_bytes());
        batch.extend_from_slice(record.as_bytes());
    }
    batch
}

fn flagged(plugin: &mut Plugin, batch: &[u8]) -> usize {
    let verdicts: &[u8] = plugin.call("classify", batch).expect("verdicts");
    assert!(!verdicts.contains(&b'e'), "the records all have a score");
    verdicts.iter().filter(|verdict| **verdict == b'f').count()
}
