use std::sync::Arc;
use std::time::Instant;

use super::super::envelope::{self, Header};
use crate::contract::Partition;
use crate::fault::Fault;
use crate::filter::{Filter, RestoreError};
use crate::isolate::Stop;
use crate::limits::LimitExceeded;
use crate::session::{Interrupted, Stage};

/// The rule, running.
#[derive(Clone, Debug)]
pub(in crate::state) struct Session {
    pub(super) filter: Arc<Filter>,
    /// What it was made from: the pipeline's.
    pub(super) of: Arc<Filter>,
}

/// Why a state is not taken over.
#[derive(Debug)]
pub(super) enum NotRestored {
    /// The rule does not take it, or it is none of the rule's.
    Refused(String),
    /// The rule ran out of time with it.
    TooLate(Fault),
    /// It was not tried: there is no room for an instance, or none that can be opened.
    Untried(Stop),
}

impl Session {
    pub(super) fn anew(of: &Arc<Filter>) -> Self {
        Self { filter: Arc::new(of.anew()), of: Arc::clone(of) }
    }

    /// A session of another filter that goes on from this one's state. It does not wait for room
    /// while this one has some: others may wait for that.
    pub(super) fn hand_over(&self, snapshot: &[u8], to: &Arc<Filter>) -> Result<Self, NotRestored> {
        envelope::check_rule(&self.of.description().name, to).map_err(NotRestored::Refused)?;
        Self::restored(to, snapshot, Some(Instant::now()))
    }

    /// A session that goes on from a stored state of a partition, and what is said of that state.
    pub(super) fn of_stored(
        stored: &[u8],
        filter: &Arc<Filter>,
        partition: &Partition,
        deadline: Option<Instant>,
    ) -> Result<(Self, Header), NotRestored> {
        let (header, snapshot) = envelope::open(stored).map_err(NotRestored::Refused)?;
        header.check(filter, partition.as_str()).map_err(NotRestored::Refused)?;
        Ok((Self::restored(filter, snapshot, deadline)?, header))
    }

    /// A session that goes on from a state.
    fn restored(
        of: &Arc<Filter>,
        snapshot: &[u8],
        deadline: Option<Instant>,
    ) -> Result<Self, NotRestored> {
        let session = Self::anew(of);
        match session.filter.restore_until(snapshot, deadline) {
            Ok(Ok(())) => Ok(session),
            Ok(Err(reason)) => Err(NotRestored::Refused(RestoreError::Refused(reason).to_string())),
            Err(Interrupted { fault, stage }) => Err(match stage {
                Stage::Late | Stage::CutShort => NotRestored::Untried(Stop::Deadline),
                Stage::Opening | Stage::NoRoom => NotRestored::Untried(Stop::Opening(fault)),
                Stage::Classifying => match fault {
                    Fault::Limit(LimitExceeded::Time { .. }) => NotRestored::TooLate(fault),
                    _ => NotRestored::Refused(RestoreError::Fault(fault).to_string()),
                },
            }),
        }
    }
}
