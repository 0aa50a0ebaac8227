//! The functions of a component, called by the engine's component model.
//!
//! They are found once a component. The bindings that are generated from the contract do that for each
//! instance, which takes as long as classifying a record or two.

use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Func, Instance, InstancePre, Lift, Lower,
    ResourceAny, TypedFunc,
};
use wasmtime::{Result, Store};

use super::{CLASSIFY, INTERFACE, OPEN, RESTORE, SNAPSHOT, missing};
use crate::bindings::{FilterPre, rule};
use crate::engine::Engine;
use crate::limits::Meter;
use crate::outcome::Outcome;

/// A component that is a rule, ready to be instantiated.
#[derive(Clone)]
pub(crate) struct Exports {
    component: InstancePre<Meter>,
    open: ComponentExportIndex,
    classify: ComponentExportIndex,
    snapshot: ComponentExportIndex,
    restore: ComponentExportIndex,
}

/// An instance with its classifier.
pub(crate) struct Classifier {
    instance: Instance,
    /// Looked up ahead: it is what an instance is for.
    classify: Func,
    snapshot: ComponentExportIndex,
    restore: ComponentExportIndex,
    classifier: ResourceAny,
}

impl Exports {
    /// Finds the functions, checks their types, and has the rule describe itself.
    pub(super) fn of(
        engine: &Engine,
        component: &FilterPre<Meter>,
    ) -> Result<(Self, rule::Description)> {
        let mut store = engine.store();
        // It checks the types of all that the interface has.
        let checked = component.instantiate(&mut store)?;
        let component = component.instance_pre().clone();
        let interface = component.component().get_export_index(None, INTERFACE);
        let function = |name: &str| {
            let index = component.component().get_export_index(interface.as_ref(), name);
            index.ok_or_else(|| missing(name))
        };
        let [open, classify, snapshot, restore] =
            [function(OPEN)?, function(CLASSIFY)?, function(SNAPSHOT)?, function(RESTORE)?];
        engine.start_time(&mut store, engine.limits().time);
        let description = checked.weir_filter_rule().call_describe(&mut store)?;
        Ok((Self { component, open, classify, snapshot, restore }, description))
    }

    /// The names of what the component imports.
    pub(super) fn imported(&self, engine: &Engine) -> Vec<String> {
        names(self.component.component().component_type().imports(&engine.wasmtime))
    }

    /// The names of what it exports.
    pub(super) fn exported(&self, engine: &Engine) -> Vec<String> {
        names(self.component.component().component_type().exports(&engine.wasmtime))
    }

    /// Makes an instance and calls `classifier.open`.
    pub(super) fn open(
        &self,
        store: &mut Store<Meter>,
        settings: &str,
    ) -> Result<Result<Classifier, rule::SettingsError>> {
        let instance = self.component.instantiate(&mut *store)?;
        let classify = find(store, &instance, &self.classify)?;
        let open = find(store, &instance, &self.open)?;
        // SAFETY: the type is that of the generated bindings, which `of` had checked.
        let (opened,): (Result<ResourceAny, _>,) = unsafe { call(store, open, (settings,)) }?;
        let (snapshot, restore) = (self.snapshot, self.restore);
        Ok(opened.map(|classifier| Classifier {
            instance,
            classify,
            snapshot,
            restore,
            classifier,
        }))
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
        // SAFETY: as in `Exports::open`.
        let (answer,): (rule::Outcome,) =
            unsafe { call(store, self.classify, (self.classifier, batch)) }?;
        *outcome = answer.into();
        Ok(())
    }

    /// Calls `classifier.snapshot`.
    pub(super) fn snapshot(&self, store: &mut Store<Meter>) -> Result<Vec<u8>> {
        let function = find(store, &self.instance, &self.snapshot)?;
        // SAFETY: as in `Exports::open`.
        let (snapshot,) = unsafe { call(store, function, (self.classifier,)) }?;
        Ok(snapshot)
    }

    /// Calls `classifier.restore`.
    pub(super) fn restore(
        &self,
        store: &mut Store<Meter>,
        snapshot: &[u8],
    ) -> Result<Result<(), String>> {
        let function = find(store, &self.instance, &self.restore)?;
        // SAFETY: as in `Exports::open`.
        let (restored,) = unsafe { call(store, function, (self.classifier, snapshot)) }?;
        Ok(restored)
    }
}

fn names<'a, T>(items: impl Iterator<Item = (&'a str, T)>) -> Vec<String> {
    items.map(|(name, _)| name.to_owned()).collect()
}

/// The function in an instance of the component that the index is of.
fn find(
    store: &mut Store<Meter>,
    instance: &Instance,
    index: &ComponentExportIndex,
) -> Result<Func> {
    // None in an instance of any other component.
    instance.get_func(store, index).ok_or_else(|| missing("a function"))
}

/// Calls a function.
///
/// # Safety
///
/// It has this type.
unsafe fn call<P, R>(store: &mut Store<Meter>, function: Func, parameters: P) -> Result<R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    // SAFETY: as the caller says.
    unsafe { TypedFunc::<P, R>::new_unchecked(function) }.call(store, parameters)
}
