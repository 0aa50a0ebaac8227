//! The functions of the core module that a rule's component consists of, called without the component
//! around it: what that says is done here.
//!
//! Source: WebAssembly Component Model, `CanonicalABI.md`. That the component says no more than this is
//! what [`wrapper`](crate::wrapper) makes sure of.
//!
//! Two things are left out, which only a rule could tell that makes classifiers where it is not asked
//! for any: it may do so while it gives memory, and the handle of the one that it was opened as is not
//! used again.

use wasmtime::{
    Caller, Extern, ExternType, Instance, InstancePre, Linker, Memory, Module, ModuleExport,
    Result, Store, TypedFunc, ValType, WasmParams,
};

use super::lift::{Answer, Malformed};
use super::lower::{self, Address, Arguments};
use super::{CLASSIFY, DESCRIBE, INTERFACE, OPEN, RESTORE, SNAPSHOT, missing};
use crate::bindings::rule;
use crate::engine::Engine;
use crate::limits::Meter;
use crate::outcome::Outcome;

const MEMORY: &str = "memory";
const REALLOC: &str = "cabi_realloc";

/// What the module imports of the component around it, which the component exports: to make a
/// classifier of an address.
const NEW_CLASSIFIER: &str = "[resource-new]classifier";

type OpenParams = (Address, u32);
/// The classifier; bytes and ends of the payloads; their encoding; how many are replayed.
type ClassifyParams = (u32, Address, u32, Address, u32, u32, u32);
type SnapshotParams = (u32,);
type RestoreParams = (u32, Address, u32);

/// A module that is a rule, ready to be instantiated.
#[derive(Clone)]
pub(crate) struct Exports {
    module: InstancePre<Meter>,
    memory: ModuleExport,
    realloc: ModuleExport,
    room: Option<Address>,
    open: ModuleExport,
    classify: ModuleExport,
    snapshot: ModuleExport,
    restore: ModuleExport,
}

/// An instance with its classifier.
pub(crate) struct Classifier {
    instance: Instance,
    arguments: Arguments,
    /// Looked up ahead: it is what an instance is for.
    classify: TypedFunc<ClassifyParams, Address>,
    snapshot: ModuleExport,
    restore: ModuleExport,
    /// What the rule knows it by.
    representation: u32,
}

/// Whether a module has what the component around it says that it has. If not, there is no such
/// component.
pub(crate) fn fits(module: &Module) -> bool {
    let is_function = |ty: &ExternType, parameters: usize| {
        let ExternType::Func(ty) = ty else { return false };
        (ty.params().len(), ty.results().len()) == (parameters, 1)
            && ty.params().chain(ty.results()).all(|ty| matches!(ty, ValType::I32))
    };
    let exports = |name: &str, parameters| {
        module.get_export(name).is_some_and(|ty| is_function(&ty, parameters))
    };
    let interface = [(DESCRIBE, 0), (OPEN, 2), (CLASSIFY, 7), (SNAPSHOT, 1), (RESTORE, 3)];
    let resources = resources();
    matches!(module.get_export(MEMORY), Some(ExternType::Memory(ty)) if !ty.is_64() && !ty.is_shared())
        && exports(REALLOC, 4)
        && interface.into_iter().all(|(name, parameters)| exports(&exported(name), parameters))
        && module.imports().all(|import| {
            (import.module(), import.name()) == (&resources, NEW_CLASSIFIER)
                && is_function(&import.ty(), 1)
        })
}

impl Exports {
    /// Finds the functions, checks their types, and has the rule describe itself.
    pub(super) fn of(engine: &Engine, module: &Module) -> Result<(Self, rule::Description)> {
        let export = |name: &str| module.get_export_index(name).ok_or_else(|| missing(name));
        let of_interface = |name: &str| export(&exported(name));
        let mut exports = Self {
            module: linker(engine)?.instantiate_pre(module)?,
            memory: export(MEMORY)?,
            realloc: export(REALLOC)?,
            room: None,
            open: of_interface(OPEN)?,
            classify: of_interface(CLASSIFY)?,
            snapshot: of_interface(SNAPSHOT)?,
            restore: of_interface(RESTORE)?,
        };
        let describe = of_interface(DESCRIBE)?;

        let mut store = engine.store();
        let instance = exports.module.instantiate(&mut store)?;
        exports.room = lower::room(&mut store, &instance);
        let describe = function::<()>(&mut store, &instance, &describe)?;
        engine.start_time(&mut store, engine.limits().time);
        let address = describe.call(&mut store, ())?;
        let memory = memory(&mut store, &instance, &exports.memory)?;
        let description = answer(&store, &memory).description(address)?;
        Ok((exports, description))
    }

    /// Makes an instance and calls `classifier.open`.
    pub(super) fn open(
        &self,
        store: &mut Store<Meter>,
        settings: &str,
    ) -> Result<Result<Classifier, rule::SettingsError>> {
        let instance = self.module.instantiate(&mut *store)?;
        let memory = memory(&mut *store, &instance, &self.memory)?;
        let realloc = function(&mut *store, &instance, &self.realloc)?;
        let open = function::<OpenParams>(&mut *store, &instance, &self.open)?;
        let classify = function(&mut *store, &instance, &self.classify)?;
        let arguments = Arguments { memory, realloc, room: self.room };
        let at = arguments.write(store, settings.as_bytes())?;
        let address = open.call(&mut *store, (at, settings.len() as u32))?;
        let handle = match answer(store, &arguments.memory).opened(address)? {
            Ok(handle) => handle,
            Err(error) => return Ok(Err(error)),
        };
        let representation = store.data().classifier(handle).ok_or(Malformed::NoClassifier)?;
        let (snapshot, restore) = (self.snapshot, self.restore);
        let classifier =
            Classifier { instance, arguments, classify, snapshot, restore, representation };
        Ok(Ok(classifier))
    }
}

impl Classifier {
    /// Calls `classifier.classify`.
    pub(super) fn classify(
        &self,
        store: &mut Store<Meter>,
        batch: rule::Batch<'_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let rule::Batch { payloads: rule::PayloadsParam { bytes, ends }, encoding, replayed } =
            batch;
        let (at, ends_at) = self.arguments.write_batch(store, bytes, ends)?;
        let batch = (
            self.representation,
            at,
            bytes.len() as u32,
            ends_at,
            ends.len() as u32,
            encoding as u32,
            replayed,
        );
        let address = self.classify.call(&mut *store, batch)?;
        Ok(answer(store, &self.arguments.memory).outcome(address, outcome)?)
    }

    /// Calls `classifier.snapshot`.
    pub(super) fn snapshot(&self, store: &mut Store<Meter>) -> Result<Vec<u8>> {
        let snapshot = function::<SnapshotParams>(store, &self.instance, &self.snapshot)?;
        let address = snapshot.call(&mut *store, (self.representation,))?;
        Ok(answer(store, &self.arguments.memory).snapshot(address)?)
    }

    /// Calls `classifier.restore`.
    pub(super) fn restore(
        &self,
        store: &mut Store<Meter>,
        snapshot: &[u8],
    ) -> Result<Result<(), String>> {
        let restore = function::<RestoreParams>(store, &self.instance, &self.restore)?;
        let at = self.arguments.write(store, snapshot)?;
        let snapshot = (self.representation, at, snapshot.len() as u32);
        let address = restore.call(&mut *store, snapshot)?;
        Ok(answer(store, &self.arguments.memory).restored(address)?)
    }
}

/// What the rule has answered.
fn answer<'a>(store: &'a Store<Meter>, memory: &Memory) -> Answer<'a> {
    Answer::new(memory.data(store), store.hostcall_fuel())
}

/// Gives the module what it can import: the one part of the component model that its functions need.
fn linker(engine: &Engine) -> Result<Linker<Meter>> {
    let mut linker = Linker::new(&engine.wasmtime);
    linker.func_wrap(
        &resources(),
        NEW_CLASSIFIER,
        |mut caller: Caller<'_, Meter>, representation: u32| {
            caller.data_mut().make_classifier(representation)
        },
    )?;
    Ok(linker)
}

fn memory(store: &mut Store<Meter>, instance: &Instance, export: &ModuleExport) -> Result<Memory> {
    let memory = instance.get_module_export(store, export).and_then(Extern::into_memory);
    memory.ok_or_else(|| missing(MEMORY))
}

/// A function, if it is of this type.
fn function<P: WasmParams>(
    store: &mut Store<Meter>,
    instance: &Instance,
    export: &ModuleExport,
) -> Result<TypedFunc<P, Address>> {
    let function = instance.get_module_export(&mut *store, export).and_then(Extern::into_func);
    // None in an instance of any other module.
    function.ok_or_else(|| missing("a function"))?.typed(store)
}

/// The name of the module with what the interface's resources need.
fn resources() -> String {
    format!("[export]{INTERFACE}")
}

/// The name of a function of the interface.
fn exported(name: &str) -> String {
    format!("{INTERFACE}#{name}")
}

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use super::*;
    use crate::exports::Classifier;
    use crate::{Batch, Encoding, FOREST_RULE, Limits, Rule};

    /// Or else each call would ask for memory, or would write where no room is any more.
    #[test]
    fn the_sdk_offers_the_room_that_it_has() {
        let engine = Engine::new(Limits::default()).expect("an engine");
        let rule = Rule::load(&engine, FOREST_RULE).expect("a rule");
        let mut store = engine.store();
        let opened = rule.exports.open(&mut store, r#"{"upper":1.5}"#).expect("a call");
        let Ok(Classifier::CoreModule(classifier)) = opened else { panic!("not called directly") };
        let room = |store: &Store<Meter>| {
            let Arguments { memory, room, .. } = &classifier.arguments;
            let (_, bytes) =
                lower::offered(memory.data(store), room.expect("a global")).expect("room");
            bytes as usize
        };
        let mut batch = Batch::with_capacity(Encoding::Plain, 1, 1000);
        batch.push(&[b' '; 1000]);
        let needed = 1000 + size_of::<u32>();
        assert!(room(&store) < needed);
        let mut ends = Vec::new();
        let batch = batch.lowered(0..1, &mut ends);
        classifier.classify(&mut store, batch, &mut Outcome::default()).expect("an outcome");
        assert!(room(&store) >= needed);
        classifier.snapshot(&mut store).expect("a state");
        assert_eq!(room(&store), 0);
    }
}
