//! The functions of a rule: where they are found, and how they are called.
//!
//! A component says how values of the contract's types go into its functions and out of them: it wraps
//! core modules, whose functions take and give numbers and memory. The engine follows what it says for
//! whatever component there is, and each call then costs as much as classifying several records. But
//! the components of rules that the SDK makes are all wrapped alike. [`core_module`] knows what that
//! wrapper says, and calls what is wrapped; [`component`] leaves all other rules to the engine.

mod component;

pub(crate) mod core_module;

mod lower;

mod lift;

use wasmtime::{Error, Module, Result, Store};

use crate::bindings::{FilterPre, rule};
use crate::engine::Engine;
use crate::limits::Meter;
use crate::outcome::Outcome;

pub(crate) use self::lift::Malformed;

/// The interface that a rule exports, with the version that this host speaks.
pub const INTERFACE: &str = "weir:filter/rule@0.2.0";

/// The names of its functions.
const DESCRIBE: &str = "describe";
const OPEN: &str = "[static]classifier.open";
const CLASSIFY: &str = "[method]classifier.classify";
const SNAPSHOT: &str = "[method]classifier.snapshot";
const RESTORE: &str = "[method]classifier.restore";

/// The functions of a rule, ready to be instantiated.
#[derive(Clone)]
pub(crate) enum Exports {
    Component(component::Exports),
    CoreModule(core_module::Exports),
}

/// An instance of a rule, opened: the contract's classifier. It lives in one store.
pub(crate) enum Classifier {
    Component(component::Classifier),
    CoreModule(core_module::Classifier),
}

impl Exports {
    /// Finds the functions of a component, checks their types, and has the rule describe itself.
    pub(crate) fn of_component(
        engine: &Engine,
        component: &FilterPre<Meter>,
    ) -> Result<(Self, rule::Description)> {
        let (exports, description) = component::Exports::of(engine, component)?;
        Ok((Self::Component(exports), description))
    }

    /// Does the same for the core module of a component that is wrapped as those of the SDK are.
    pub(crate) fn of_core_module(
        engine: &Engine,
        module: &Module,
    ) -> Result<(Self, rule::Description)> {
        let (exports, description) = core_module::Exports::of(engine, module)?;
        Ok((Self::CoreModule(exports), description))
    }

    /// Whether calls go without the engine's component model.
    pub(crate) fn are_called_directly(&self) -> bool {
        matches!(self, Self::CoreModule(_))
    }

    /// The names of what the component imports.
    pub(crate) fn imported(&self, engine: &Engine) -> Vec<String> {
        match self {
            Self::Component(exports) => exports.imported(engine),
            // As the wrapper has it.
            Self::CoreModule(_) => Vec::new(),
        }
    }

    /// The names of what the component exports.
    pub(crate) fn exported(&self, engine: &Engine) -> Vec<String> {
        match self {
            Self::Component(exports) => exports.exported(engine),
            // As the wrapper has it.
            Self::CoreModule(_) => vec![INTERFACE.to_owned()],
        }
    }

    /// Makes an instance and calls `classifier.open`.
    pub(crate) fn open(
        &self,
        store: &mut Store<Meter>,
        settings: &str,
    ) -> Result<Result<Classifier, rule::SettingsError>> {
        Ok(match self {
            Self::Component(exports) => exports.open(store, settings)?.map(Classifier::Component),
            Self::CoreModule(exports) => exports.open(store, settings)?.map(Classifier::CoreModule),
        })
    }
}

impl Classifier {
    /// Calls `classifier.classify`. The answer goes into an empty outcome, of which the host holds no
    /// more than the store's fuel for calls says. After an error the outcome means nothing.
    pub(crate) fn classify(
        &self,
        store: &mut Store<Meter>,
        batch: rule::Batch<'_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        match self {
            Self::Component(classifier) => classifier.classify(store, batch, outcome),
            Self::CoreModule(classifier) => classifier.classify(store, batch, outcome),
        }
    }

    /// Calls `classifier.snapshot`.
    pub(crate) fn snapshot(&self, store: &mut Store<Meter>) -> Result<Vec<u8>> {
        match self {
            Self::Component(classifier) => classifier.snapshot(store),
            Self::CoreModule(classifier) => classifier.snapshot(store),
        }
    }

    /// Calls `classifier.restore`.
    pub(crate) fn restore(
        &self,
        store: &mut Store<Meter>,
        snapshot: &[u8],
    ) -> Result<Result<(), String>> {
        match self {
            Self::Component(classifier) => classifier.restore(store, snapshot),
            Self::CoreModule(classifier) => classifier.restore(store, snapshot),
        }
    }
}

fn missing(name: &str) -> Error {
    Error::msg(format!("{name} is not exported"))
}
