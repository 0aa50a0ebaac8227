use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use crate::codegen;
use crate::compiler::Compiler;
use crate::grant::Grant;
use crate::limits::{Limits, Meter};
use crate::session::{Session, Slot};
use crate::slots::{NoSlot, Place, Slots};

/// How many rule instances can live at once in one engine, unless the machine has more than half as many
/// cores. Each reserves address space, not memory.
const INSTANCES: u32 = 64;

/// The fewest that an engine starts with where address space is scarce: some systems, and tools such
/// as valgrind, give a process less than others.
const MIN_INSTANCES: u32 = 4;

/// The most that a 32-bit linear memory can have: what a slot of the pool has address space for.
const MAX_MEMORY_BYTES: u64 = 1 << 32;

/// Linear memory that stays with a slot of the pool from one instance to the next, so that a fresh
/// instance does not fault its pages in again. In bytes.
const KEEP_RESIDENT_BYTES: usize = 4 << 20;

/// The same for a table: a page of the machine's holds those of rules.
const KEEP_RESIDENT_TABLE_BYTES: usize = 4096;

/// The WebAssembly engine: compiles rules and runs them within [`Limits`]. Make one and share it;
/// a clone is the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) wasmtime: wasmtime::Engine,
    limits: Limits,
    slots: Arc<Slots<Box<Session>>>,
    grants: Arc<[Grant]>,
    compiler: Option<Compiler>,
    _clock: Arc<Clock>,
}

impl Engine {
    /// Starts an engine whose rules run within `limits`.
    ///
    /// # Errors
    ///
    /// If the machine cannot give what the engine needs: address space, or a thread. If a limit is beyond
    /// what there can be.
    pub fn new(limits: Limits) -> Result<Self, EngineError> {
        if limits.stack_bytes > Limits::MAX_STACK_BYTES {
            return Err(EngineError::Stack(limits.stack_bytes));
        }
        let (wasmtime, instances) =
            start(&limits).map_err(|error| EngineError::Start(format!("{error:#}")))?;
        let clock = Clock::start(wasmtime.clone()).map_err(EngineError::Clock)?;
        let clock = Arc::new(clock);
        let slots = Arc::new(Slots::new(instances as usize));
        let grants = Arc::default();
        Ok(Self { wasmtime, limits, slots, grants, compiler: None, _clock: clock })
    }

    /// Grants these to rules that are loaded from now on, and nothing else.
    #[must_use]
    pub fn granting(self, grants: impl IntoIterator<Item = Grant>) -> Self {
        Self { grants: grants.into_iter().collect(), ..self }
    }

    /// Has rules that are loaded from now on compiled in processes of their own, within bounds. Otherwise
    /// they are compiled in this one, without any: then what is loaded should be trusted so far, or
    /// [compiled before](crate::Rule::precompile).
    #[must_use]
    pub fn compiling_with(self, compiler: Compiler) -> Self {
        Self { compiler: Some(compiler), ..self }
    }

    /// What compiles rules, if it is not this process.
    pub(crate) fn compiler(&self) -> Option<&Compiler> {
        self.compiler.as_ref()
    }

    /// What rules may import.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// The limits that every rule of this engine runs within.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many instances of rules can live at once: 64, or twice as many as the machine has cores if that is
    /// more; fewer where address space is scarce.
    ///
    /// A [`Filter`](crate::Filter) of a rule that keeps state keeps one from when it is opened, and a
    /// [`Keeper`](crate::state::Keeper) one for each session. While all are kept, no other rule can be loaded,
    /// opened or run: [`Fault::NoRoom`](crate::Fault::NoRoom). Those of stateless rules that are
    /// [kept](crate::Instances::Kept) give way.
    pub fn max_instances(&self) -> usize {
        self.slots.all()
    }

    /// Whether there is room for one instance now. What is idle gives way.
    pub(crate) fn make_room(&self) -> bool {
        self.slots.make_room()
    }

    /// Whether somebody waits for room.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.slots.are_waited_for()
    }

    /// Has sessions that are idle in these places give way to whoever needs room.
    pub(crate) fn look_into(&self, places: &Arc<[Place<Box<Session>>]>) {
        self.slots.look_into(places);
    }

    /// Room for one instance. It waits for some, until the deadline at the latest, while others use
    /// theirs: to open a rule and to have it classify are two calls.
    pub(crate) fn slot(&self, deadline: Option<Instant>) -> Result<Slot, NoSlot> {
        self.slots.take(self.limits.time.saturating_mul(2), deadline)
    }

    /// A store for one instance, with all limits set but the time, which starts with each call.
    pub(crate) fn store(&self) -> Store<Meter> {
        let mut store = Store::new(&self.wasmtime, Meter::new(self.limits));
        store.limiter(|meter| meter);
        store.set_hostcall_fuel(self.limits.output_bytes);
        self.start_time(&mut store, self.limits.time);
        store
    }

    /// Gives the store's next call its time.
    pub(crate) fn start_time(&self, store: &mut Store<Meter>, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let ticks = nanoseconds.div_ceil(const { Limits::TICK.as_nanos() as u64 });
        // The tick that is under way counts for nothing: it may end at once.
        store.set_epoch_deadline(ticks + 1);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Starts an engine for as many instances as there is address space for, and says how many.
fn start(limits: &Limits) -> wasmtime::Result<(wasmtime::Engine, u32)> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut instances = u32::try_from(2 * cores).unwrap_or(INSTANCES).max(INSTANCES);
    loop {
        match wasmtime::Engine::new(&config(limits, instances)?) {
            Err(_) if instances > MIN_INSTANCES => instances /= 2,
            started => return started.map(|engine| (engine, instances)),
        }
    }
}

fn config(limits: &Limits, instances: u32) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * Meter::MAX_MODULES as u32)
        .total_memories(instances)
        .total_tables(instances * Meter::MAX_TABLES as u32)
        // A rule that begins with more than its limit is told so by its meter.
        .max_memory_size(usize::try_from(MAX_MEMORY_BYTES).unwrap_or(usize::MAX))
        .table_elements(limits.table_entries)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto);

    let mut config = codegen::config(None)?;
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .max_wasm_stack(limits.stack_bytes);
    Ok(config)
}

/// Advances the engine's epoch once a [`Limits::TICK`], until it is dropped.
struct Clock {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Clock {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("weir-clock".to_owned()).spawn(move || {
            while stopped.recv_timeout(Limits::TICK) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only counts: it has nothing that could fail.
            let _ = thread.join();
        }
    }
}

/// Why an engine could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The limit of the stack is too high.
    #[error("a stack of {0} bytes is more than threads have room for: {maximum} are allowed", maximum = Limits::MAX_STACK_BYTES)]
    Stack(usize),
    /// The engine itself.
    #[error("cannot start the WebAssembly engine: {0}")]
    Start(String),
    /// The thread that keeps its time.
    #[error("cannot start the engine's clock: {0}")]
    Clock(std::io::Error),
}
