use std::fmt;
use std::time::Duration;

use wasmparser::{Parser, Payload};
use wasmtime::ResourceLimiter;

/// What a rule may use while it classifies one batch. A rule that asks for more is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time for one call into the rule. Kept to [`TICK`](Self::TICK).
    pub time: Duration,
    /// Linear memory, in bytes.
    pub memory_bytes: usize,
    /// Entries of each table.
    pub table_entries: usize,
    /// The call stack, in bytes, up to [`MAX_STACK_BYTES`](Self::MAX_STACK_BYTES). It is part of the stack
    /// of the thread that classifies, which needs 512 KiB more: the process ends if a rule finds less.
    /// Threads of Rust and of tokio have 2 MiB, unless they are told otherwise.
    pub stack_bytes: usize,
    /// What the rule hands back for a batch, in bytes as the host holds them.
    pub output_bytes: usize,
}

impl Limits {
    /// How fine the time limit is: a rule is stopped within one tick after its time is up.
    pub const TICK: Duration = Duration::from_millis(5);

    /// The most that a rule's call stack may have, in bytes.
    pub const MAX_STACK_BYTES: usize = 1 << 20;

    /// What a component exceeds with the largest table that it begins with. The engine has no room for one, and
    /// would refuse the component once it is compiled, for no limit.
    pub(crate) fn exceeded_by_tables(&self, component: &[u8]) -> Option<LimitExceeded> {
        let payloads = Parser::new(0).parse_all(component).map_while(Result::ok);
        let tables = payloads.filter_map(|payload| match payload {
            Payload::TableSection(tables) => Some(tables),
            _ => None,
        });
        let entries = tables.flatten().filter_map(Result::ok).map(|table| table.ty.initial);
        let requested = usize::try_from(entries.max()?).unwrap_or(usize::MAX);
        let maximum = self.table_entries;
        (requested > maximum).then_some(LimitExceeded::Table { current: 0, requested, maximum })
    }
}

impl Default for Limits {
    /// 1 s, 64 MiB of memory, 10,000 table entries, 512 KiB of stack, 32 MiB of output: ample for
    /// a batch of 6 MB, which is the largest event that AWS Lambda takes.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(1),
            memory_bytes: 64 << 20,
            table_entries: 10_000,
            stack_bytes: 512 << 10,
            output_bytes: 32 << 20,
        }
    }
}

/// A limit that a rule ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// It was still running when its time was up.
    Time {
        /// The limit.
        maximum: Duration,
    },
    /// It asked for more linear memory. In bytes.
    Memory {
        /// What it had.
        current: usize,
        /// What it asked for.
        requested: usize,
        /// The limit.
        maximum: usize,
    },
    /// It asked for a larger table. In entries.
    Table {
        /// What it had.
        current: usize,
        /// What it asked for.
        requested: usize,
        /// The limit.
        maximum: usize,
    },
    /// Its calls nested too deep. In bytes.
    Stack {
        /// The limit.
        maximum: usize,
    },
    /// It handed back too much. In bytes.
    Output {
        /// The limit.
        maximum: usize,
    },
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { maximum } => write!(f, "time limit of {maximum:?}"),
            Self::Memory { current, requested, maximum } => write!(
                f,
                "memory limit of {maximum} bytes: it had {current} and asked for {requested}"
            ),
            Self::Table { current, requested, maximum } => write!(
                f,
                "table limit of {maximum} entries: it had {current} and asked for {requested}"
            ),
            Self::Stack { maximum } => write!(f, "stack limit of {maximum} bytes"),
            Self::Output { maximum } => write!(f, "output limit of {maximum} bytes"),
        }
    }
}

impl std::error::Error for LimitExceeded {}

/// Watches over the growth of one instance's memory and tables, and keeps count of the memory. It
/// stops the rule at once: a rule that were told "no" would mostly trap on its own account, and the
/// cause would be lost.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    /// The linear memory that the instance has. It never shrinks.
    pub(crate) memory_bytes: usize,
    /// The resources of the host that it holds.
    pub(crate) resources: usize,
    /// What the rule knows its classifiers by, where the host makes the handles of them: a handle is
    /// the place here, from 1 on.
    classifiers: Vec<u32>,
}

impl Meter {
    /// How many classifiers an instance can make. It is asked for one.
    const MAX_CLASSIFIERS: usize = 1024;

    /// How many core modules a rule can be made of.
    pub(crate) const MAX_MODULES: usize = 16;

    /// How many tables it can have.
    pub(crate) const MAX_TABLES: usize = 8;

    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, memory_bytes: 0, resources: 0, classifiers: Vec::new() }
    }

    /// Makes a handle of what the rule knows a classifier by.
    pub(crate) fn make_classifier(&mut self, representation: u32) -> wasmtime::Result<u32> {
        if self.classifiers.len() == Self::MAX_CLASSIFIERS {
            return Err(wasmtime::Error::msg("it makes too many classifiers"));
        }
        self.classifiers.push(representation);
        Ok(self.classifiers.len() as u32)
    }

    /// What the rule knows a classifier by, if it has made that handle.
    pub(crate) fn classifier(&self, handle: u32) -> Option<u32> {
        self.classifiers.get((handle as usize).checked_sub(1)?).copied()
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        requested: usize,
        declared: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let maximum = self.limits.memory_bytes;
        if requested > maximum {
            return Err(LimitExceeded::Memory { current, requested, maximum }.into());
        }
        // Beyond the maximum that the memory declares for itself, it does not grow.
        if declared.is_none_or(|declared| requested <= declared) {
            self.memory_bytes = requested;
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        requested: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let maximum = self.limits.table_entries;
        if requested > maximum {
            return Err(LimitExceeded::Table { current, requested, maximum }.into());
        }
        Ok(true)
    }

    /// One linear memory: the limit is for all that the rule has.
    fn memories(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        Self::MAX_TABLES
    }

    fn instances(&self) -> usize {
        Self::MAX_MODULES
    }
}
