//! The glue between a [`Rule`] and the component that exports it: types in and out, no logic.
//!
//! It is written by hand to the canonical ABI of the component model. What a call costs beside its
//! records is mostly glue, and as it is generated it costs several times as much:
//!
//! - What a call answers stays where it is until the next one. So the host need not call once more
//!   for each answer, to have it freed.
//! - The memory of arguments, of decoded payloads and of verdicts serves the next batch as well. The
//!   host may look up where arguments can lie, and need not call for memory: see [`ROOM`].
//! - A classifier has no destructor: there is one in an instance, and it goes with it. The type of a
//!   resource names its destructor before the module that has it is instantiated. That takes two
//!   further modules in the component, and they have to be instantiated as well.

pub mod abi;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::arguments::Arguments;
use crate::batch::{Batch, Payloads};
use crate::outcome::{self, Outcome};
use crate::rule::Rule;
use crate::settings::Settings;
use abi::List;

/// Of what is generated from the contract, only the section of the module that holds its types.
#[allow(dead_code, missing_docs, unreachable_pub, unsafe_op_in_unsafe_fn, clippy::all)]
#[allow(clippy::undocumented_unsafe_blocks)]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "filter" });

    pub(super) use self::__link_custom_section_describing_imports as link_section;
}

/// The standard library's allocator, in a version that begins with the memory that a rule starts
/// with: the one of the standard library asks for more at once.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Where the arguments of the next call can lie, whose memory then need not be asked for: the address,
/// at a multiple of 8, and how many bytes there are. The module exports the address of this as a global.
/// It is an offer beyond the contract: a host that does not know of it loses nothing but time.
///
/// Numbers, not a pointer: what is exported is shared, and they are written one by one.
#[unsafe(export_name = "weir:room-for-arguments")]
pub static ROOM: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

thread_local! {
    /// The arguments of the call.
    static ARGUMENTS: RefCell<Arguments> = const { RefCell::new(Arguments::new()) };

    /// What `open` answered last.
    static OPENED: RefCell<abi::Opened> = const { RefCell::new(abi::Opened::Classifier(0)) };

    /// What was answered last, if it is neither that nor in a classifier.
    static ANSWERED: Cell<Option<Box<dyn Any>>> = const { Cell::new(None) };
}

/// Gives the host memory for an argument, or more of it: the canonical ABI's `realloc`.
///
/// # Safety
///
/// `old` has come from here in this call, for `old_bytes`, unless these are 0.
#[unsafe(export_name = "cabi_realloc")]
unsafe extern "C" fn realloc(
    old: *const u8,
    old_bytes: usize,
    align: usize,
    bytes: usize,
) -> *mut u8 {
    // The first call into an instance is this one or `describe`.
    wit_bindgen::rt::run_ctors_once();
    let new = with_arguments(|arguments| arguments.take(bytes, align));
    if old_bytes > 0 {
        // SAFETY: the old memory is as the caller says, the new is apart from it, and both are as
        // large.
        unsafe { std::ptr::copy_nonoverlapping(old, new, old_bytes.min(bytes)) };
    }
    new
}

/// Does something with the arguments of the call, which may take other memory then.
fn with_arguments<T>(work: impl FnOnce(&mut Arguments) -> T) -> T {
    ARGUMENTS.with_borrow_mut(|arguments| {
        let done = work(arguments);
        let (address, bytes) = arguments.room();
        ROOM[0].store(address, Relaxed);
        ROOM[1].store(bytes, Relaxed);
        done
    })
}

/// Releases the arguments of the call: none is used any more.
fn release_arguments() {
    with_arguments(Arguments::release);
}

/// Gives their memory back as well.
fn give_back_arguments() {
    with_arguments(|arguments| *arguments = Arguments::new());
}

/// Releases what was answered last: the host has read it, or it would not call again.
fn release_answer() {
    ANSWERED.take();
}

/// Where an answer is, in memory.
pub type Address = *const u8;

/// Keeps an answer until the next one takes its place.
fn keep<T: 'static>(answer: T) -> Address {
    let answer = Box::new(answer);
    let address = (&raw const *answer).cast();
    ANSWERED.set(Some(answer));
    address
}

/// The exported function `describe`.
pub fn describe<R: Rule>() -> Address {
    wit_bindgen::rt::run_ctors_once();
    bindings::link_section();
    keep(abi::Description {
        name: List::of_text(R::NAME),
        version: List::of_text(R::VERSION),
        settings_schema: List::of_text(R::SETTINGS_SCHEMA),
        keeps_state: R::KEEPS_STATE,
        rewrites: R::REWRITES,
    })
}

/// The exported resource: an opened rule, with what it answered last.
#[derive(Debug)]
pub struct Classifier<R> {
    rule: R,
    decoded: Vec<u8>,
    outcome: Outcome,
    /// The parts of the outcome that the ABI has in another form.
    flagged: Vec<abi::Flag>,
    failed: Vec<abi::Failure>,
    answer: abi::Outcome,
}

impl<R: Rule> Classifier<R> {
    /// The exported function `classifier.open`.
    ///
    /// # Safety
    ///
    /// The host calls it as the canonical ABI says.
    pub unsafe fn open(settings: List<u8>) -> Address {
        // SAFETY: the host has written the whole string, and it is released below.
        let settings = Settings::parse(unsafe { settings.as_text() });
        let opened = settings.and_then(R::open);
        release_arguments();
        let opened = match opened {
            Ok(rule) => {
                let classifier = Box::new(Self {
                    rule,
                    decoded: Vec::new(),
                    outcome: Outcome::default(),
                    flagged: Vec::new(),
                    failed: Vec::new(),
                    answer: abi::Outcome::default(),
                });
                // SAFETY: the host makes a handle of it, and gives the address back with each call.
                let handle = unsafe { abi::new_classifier(Box::into_raw(classifier).cast()) };
                abi::Opened::Classifier(handle)
            }
            Err(error) => abi::Opened::Refused(error.into()),
        };
        OPENED.with_borrow_mut(|answer| {
            *answer = opened;
            (&raw const *answer).cast()
        })
    }

    /// The exported function `classifier.classify`.
    ///
    /// # Safety
    ///
    /// The host calls it as the canonical ABI says.
    pub unsafe fn classify(
        &mut self,
        bytes: List<u8>,
        ends: List<u32>,
        encoding: u32,
        replayed: u32,
    ) -> Address {
        release_answer();
        // SAFETY: the host has written the whole lists, and they are released below.
        let payloads = unsafe { Payloads { bytes: bytes.as_slice(), ends: ends.as_slice() } };
        let batch = Batch { payloads, encoding: abi::encoding(encoding), replayed };
        outcome::classify_into(&mut self.rule, batch, &mut self.decoded, &mut self.outcome);
        release_arguments();

        let Outcome { verdicts, flagged, failed, rewritten } = &self.outcome;
        self.flagged.clear();
        self.flagged.extend(flagged.iter().map(|(index, flag)| abi::Flag::new(*index, flag)));
        self.failed.clear();
        self.failed.extend(failed.iter().map(|(index, why)| abi::Failure::new(*index, why)));
        self.answer = abi::Outcome {
            verdicts: List::of(verdicts),
            flagged: List::of(&self.flagged),
            failed: List::of(&self.failed),
            rewritten: rewritten.as_ref().map(abi::Payloads::new).into(),
        };
        (&raw const self.answer).cast()
    }

    /// The exported function `classifier.snapshot`.
    pub fn snapshot(&mut self) -> Address {
        self.give_back();
        give_back_arguments();
        let mut snapshot = Vec::new();
        self.rule.snapshot(&mut snapshot);
        keep(abi::Owned::new(snapshot))
    }

    /// The exported function `classifier.restore`.
    ///
    /// # Safety
    ///
    /// The host calls it as the canonical ABI says.
    pub unsafe fn restore(&mut self, snapshot: List<u8>) -> Address {
        self.give_back();
        // SAFETY: the host has written the whole list.
        let restored = self.rule.restore(unsafe { snapshot.as_slice() });
        give_back_arguments();
        keep(match restored {
            Ok(()) => abi::Restored::Restored,
            Err(reason) => abi::Restored::Refused(abi::Owned::new(reason.into_bytes())),
        })
    }

    /// Gives back what serves from batch to batch: a state may take all the memory that there is.
    fn give_back(&mut self) {
        release_answer();
        self.decoded = Vec::new();
        self.outcome = Outcome::default();
    }
}

/// Exports the functions of the interface for a rule, under the names by which they are known.
#[doc(hidden)]
#[macro_export]
macro_rules! export_component {
    ($rule:ty) => {
        use $crate::component::{Address, Classifier, abi::List};

        #[unsafe(export_name = "weir:filter/rule@0.2.0#describe")]
        extern "C" fn describe() -> Address {
            $crate::component::describe::<$rule>()
        }

        #[unsafe(export_name = "weir:filter/rule@0.2.0#[static]classifier.open")]
        unsafe extern "C" fn open(settings: *const u8, length: usize) -> Address {
            // SAFETY: the host calls it as the canonical ABI says.
            unsafe { Classifier::<$rule>::open(List::new(settings, length)) }
        }

        #[unsafe(export_name = "weir:filter/rule@0.2.0#[method]classifier.classify")]
        unsafe extern "C" fn classify(
            classifier: *mut u8,
            bytes: *const u8,
            bytes_length: usize,
            ends: *const u32,
            ends_length: usize,
            encoding: u32,
            replayed: u32,
        ) -> Address {
            let (bytes, ends) = (List::new(bytes, bytes_length), List::new(ends, ends_length));
            // SAFETY: the host calls it as the canonical ABI says: with what `open` made, of which
            // nothing else has hold, because it enters an instance once at a time.
            unsafe {
                (*classifier.cast::<Classifier<$rule>>()).classify(bytes, ends, encoding, replayed)
            }
        }

        #[unsafe(export_name = "weir:filter/rule@0.2.0#[method]classifier.snapshot")]
        unsafe extern "C" fn snapshot(classifier: *mut u8) -> Address {
            // SAFETY: as above.
            unsafe { (*classifier.cast::<Classifier<$rule>>()).snapshot() }
        }

        #[unsafe(export_name = "weir:filter/rule@0.2.0#[method]classifier.restore")]
        unsafe extern "C" fn restore(
            classifier: *mut u8,
            snapshot: *const u8,
            length: usize,
        ) -> Address {
            let snapshot = List::new(snapshot, length);
            // SAFETY: as above.
            unsafe { (*classifier.cast::<Classifier<$rule>>()).restore(snapshot) }
        }
    };
}
