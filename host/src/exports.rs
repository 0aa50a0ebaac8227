//! The functions of a rule's classifier, found and checked once a component. The bindings that are
//! generated from the contract do that for each instance, which takes as long as classifying a record
//! or two.

use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Func, Instance, InstancePre, Lift, Lower,
    ResourceAny, TypedFunc,
};
use wasmtime::{AsContextMut, Error, Result};

use crate::bindings::{Filter, FilterPre, rule};
use crate::limits::Meter;
use crate::rule::INTERFACE;

/// A component that is a rule, ready to be instantiated.
#[derive(Clone)]
pub(crate) struct Exports {
    component: InstancePre<Meter>,
    open: ComponentExportIndex,
    classify: ComponentExportIndex,
    snapshot: ComponentExportIndex,
    restore: ComponentExportIndex,
}

/// An instance of it.
pub(crate) struct Exported {
    instance: Instance,
    /// Looked up ahead: it is what an instance is for.
    classify: Func,
}

impl Exports {
    /// Finds the functions. Makes an instance to check their types on, and answers with that as well.
    pub(crate) fn of(
        component: &FilterPre<Meter>,
        mut store: impl AsContextMut<Data = Meter>,
    ) -> Result<(Self, Filter)> {
        // It checks the types of all that the interface has.
        let checked = component.instantiate(&mut store)?;
        let component = component.instance_pre().clone();
        let interface = component.component().get_export_index(None, INTERFACE);
        let function = |name: &str| {
            let index = component.component().get_export_index(interface.as_ref(), name);
            index.ok_or_else(|| missing(name))
        };
        let [open, classify, snapshot, restore] = [
            function("[static]classifier.open")?,
            function("[method]classifier.classify")?,
            function("[method]classifier.snapshot")?,
            function("[method]classifier.restore")?,
        ];
        Ok((Self { component, open, classify, snapshot, restore }, checked))
    }

    /// The component.
    pub(crate) fn component(&self) -> &InstancePre<Meter> {
        &self.component
    }

    /// Makes an instance.
    pub(crate) fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = Meter>,
    ) -> Result<Exported> {
        let instance = self.component.instantiate(&mut store)?;
        let classify = find(store, &instance, &self.classify)?;
        Ok(Exported { instance, classify })
    }

    /// Calls `classifier.open`.
    pub(crate) fn open(
        &self,
        mut store: impl AsContextMut<Data = Meter>,
        exported: &Exported,
        settings: &str,
    ) -> Result<Result<ResourceAny, rule::SettingsError>> {
        let function = find(&mut store, &exported.instance, &self.open)?;
        // SAFETY: the type is that of the generated bindings, which `of` had checked.
        let (opened,) = unsafe { call(store, function, (settings,)) }?;
        Ok(opened)
    }

    /// Calls `classifier.snapshot`.
    pub(crate) fn snapshot(
        &self,
        mut store: impl AsContextMut<Data = Meter>,
        exported: &Exported,
        classifier: ResourceAny,
    ) -> Result<Vec<u8>> {
        let function = find(&mut store, &exported.instance, &self.snapshot)?;
        // SAFETY: as in `open`.
        let (snapshot,) = unsafe { call(store, function, (classifier,)) }?;
        Ok(snapshot)
    }

    /// Calls `classifier.restore`.
    pub(crate) fn restore(
        &self,
        mut store: impl AsContextMut<Data = Meter>,
        exported: &Exported,
        classifier: ResourceAny,
        snapshot: &[u8],
    ) -> Result<Result<(), String>> {
        let function = find(&mut store, &exported.instance, &self.restore)?;
        // SAFETY: as in `open`.
        let (restored,) = unsafe { call(store, function, (classifier, snapshot)) }?;
        Ok(restored)
    }
}

impl Exported {
    /// Calls `classifier.classify`.
    pub(crate) fn classify(
        &self,
        store: impl AsContextMut<Data = Meter>,
        classifier: ResourceAny,
        batch: rule::Batch<'_>,
    ) -> Result<rule::Outcome> {
        // SAFETY: as in `Exports::open`.
        let (outcome,) = unsafe { call(store, self.classify, (classifier, batch)) }?;
        Ok(outcome)
    }
}

/// The function in an instance of the component that the index is of.
fn find(
    store: impl AsContextMut<Data = Meter>,
    instance: &Instance,
    index: &ComponentExportIndex,
) -> Result<Func> {
    // None in an instance of any other component.
    instance.get_func(store, index).ok_or_else(|| missing("a function"))
}

fn missing(name: &str) -> Error {
    Error::msg(format!("{name} is not exported"))
}

/// Calls a function.
///
/// # Safety
///
/// It has this type.
unsafe fn call<P, R>(
    store: impl AsContextMut<Data = Meter>,
    function: Func,
    parameters: P,
) -> Result<R>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    // SAFETY: as the caller says.
    unsafe { TypedFunc::<P, R>::new_unchecked(function) }.call(store, parameters)
}
