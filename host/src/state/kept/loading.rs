use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::super::envelope::{self, Header, MAX_AROUND_BYTES};
use super::super::flagged;
use super::super::storage::Storage;
use super::super::store::{SaveError, Stored, Version};
use super::Kept;
use super::saving::Unsaved;
use super::session::{NotRestored, Session};
use crate::filter::Filter;
use crate::isolate::Stop;
use crate::telemetry;

/// How long the store is left alone after it could not be read.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often in a row a rule may run out of time with a stored state: the machine may be busy. From
/// then on it would do so for ever.
const MAX_TOO_LATE: u32 = 3;

/// What is known of the store.
#[derive(Debug)]
pub(super) enum Known {
    /// Nothing, or that it holds what is to be taken over. Nothing is saved until it is read.
    Unread { look_at: Option<Instant> },
    /// It holds this, or nothing.
    Holds(Option<Version>),
}

impl Kept {
    pub(super) fn is_to_be_read(&self) -> bool {
        match self.stored {
            Known::Unread { look_at } => look_at.is_none_or(|at| at <= Instant::now()),
            Known::Holds(_) => false,
        }
    }

    /// Asks the store whether another has saved meanwhile.
    pub(super) fn look_for_newer(&mut self, storage: &Storage) {
        let Known::Holds(seen) = &self.stored else { return };
        let asked = Handle::current().block_on(storage.store.version(&self.key));
        if asked.is_ok() {
            storage.reads_again(&mut self.is_told);
        }
        match asked {
            Ok(version) if version == *seen => {}
            Ok(Some(_)) => self.stored = Known::Unread { look_at: None },
            Ok(None) => {
                tracing::warn!(partition = %self.partition, "the stored state was taken away");
                self.stored = Known::Holds(None);
            }
            Err(error) if storage.is_news(&mut self.is_told) => {
                tracing::warn!(partition = %self.partition, %error, "the store cannot be asked");
            }
            Err(_) => {}
        }
    }

    /// Takes over what is stored. If the store cannot be read, or the rule refuses what it holds, the
    /// rule goes on with what it has, or begins anew.
    ///
    /// # Errors
    ///
    /// If there is no room or no time to take it over. It is read again for the next batch.
    pub(super) fn read(
        &mut self,
        storage: &Storage,
        filter: &Arc<Filter>,
        deadline: Option<Instant>,
    ) -> Result<(), Stop> {
        let max_bytes = max_bytes(filter);
        let loaded = Handle::current().block_on(storage.store.load(&self.key, max_bytes));
        if loaded.is_ok() {
            storage.reads_again(&mut self.is_told);
        }
        let partition = &self.partition;
        match loaded {
            Ok(None) => {
                tracing::info!(%partition, "nothing is stored");
                telemetry::state_restored("nothing");
                self.stored = Known::Holds(None);
                self.stored_of = None;
            }
            Ok(Some(stored)) if self.is_of_this_session(&stored, storage) => {
                self.stored = Known::Holds(Some(stored.version));
            }
            Ok(Some(stored)) => {
                match Session::of_stored(&stored.bytes, filter, partition, deadline) {
                    Ok((session, header)) => self.go_on(session, header, stored.version),
                    Err(NotRestored::Untried(stop)) => return Err(self.read_later(stop)),
                    Err(NotRestored::TooLate(fault))
                        if filter.is_on_trial() || self.too_late + 1 < MAX_TOO_LATE =>
                    {
                        self.too_late += u32::from(!filter.is_on_trial());
                        return Err(self.read_later(Stop::Opening(fault)));
                    }
                    Err(NotRestored::TooLate(fault)) => {
                        self.refuse(storage, stored, fault.to_string())
                    }
                    Err(NotRestored::Refused(reason)) => self.refuse(storage, stored, reason),
                }
            }
            Err(error) => {
                if storage.is_news(&mut self.is_told) {
                    tracing::error!(
                        %partition,
                        %error,
                        "the store cannot be read: the rule goes on without, and saves nothing until it can"
                    );
                }
                telemetry::state_restored("unavailable");
                self.stored = Known::Unread { look_at: Some(Instant::now() + LOOK_AGAIN_AFTER) };
            }
        }
        Ok(())
    }

    /// Goes on with a session that has taken over what is stored.
    fn go_on(&mut self, session: Session, header: Header, version: Version) {
        let other_settings = header.is_of_other_settings(&session.of);
        let Header { rule_version, generation, learnt, flagged, .. } = header;
        tracing::info!(
            partition = %self.partition,
            rule_version,
            other_settings,
            generation,
            position = learnt.position.as_ref().map(tracing::field::display),
            records = learnt.records,
            "state restored"
        );
        telemetry::state_restored("restored");
        if self.unsaved.since.is_some() {
            self.tell_superseded();
        }
        self.session = Some(session);
        flagged::lock(&self.flagged).restore(flagged);
        self.stored_of.clone_from(&learnt.beginning);
        self.learnt = learnt;
        self.learnt_in = self.stored_in;
        self.is_unconfirmed = false;
        self.generation = generation;
        self.too_late = 0;
        self.unsaved = Unsaved::default();
        self.stored = Known::Holds(Some(version));
    }

    /// Whether a state is this session's own, from a save whose confirmation was lost: it has learnt more since.
    /// One of an earlier session is not, which this one has not seen if the store could not be read.
    fn is_of_this_session(&self, stored: &Stored, storage: &Storage) -> bool {
        let is_own = |(header, _): (Header, _)| header.writer == storage.writer;
        self.is_unconfirmed && self.is_open() && envelope::open(&stored.bytes).is_ok_and(is_own)
    }

    /// What is stored is as good as before: it cannot be taken over now.
    fn read_later(&mut self, stop: Stop) -> Stop {
        tracing::error!(
            partition = %self.partition,
            reason = %stop,
            "the stored state cannot be taken over now: the next batch tries again"
        );
        telemetry::state_restored("unavailable");
        self.stored = Known::Unread { look_at: None };
        stop
    }

    fn refuse(&mut self, storage: &Storage, stored: Stored, reason: String) {
        tracing::error!(
            partition = %self.partition,
            reason,
            "the stored state is refused: the rule goes on without it"
        );
        telemetry::state_restored("refused");
        self.too_late = 0;
        self.set_aside(storage, stored);
    }

    /// Keeps a state that is refused under another key, before it may be overwritten.
    fn set_aside(&mut self, storage: &Storage, refused: Stored) {
        let Stored { bytes, version } = refused;
        let key = format!("{}.refused-{:.16}", self.key, Version::of(&bytes).0);
        let saved = Handle::current().block_on(storage.store.save(&key, bytes, None));
        self.stored = match saved {
            // It was set aside before, if there is one of that name.
            Ok(_) | Err(SaveError::Conflict) => {
                tracing::warn!(partition = %self.partition, key, "the refused state is set aside");
                Known::Holds(Some(version))
            }
            Err(SaveError::Store(error)) => {
                tracing::error!(
                    partition = %self.partition,
                    %error,
                    "the refused state cannot be set aside: nothing is saved until it can"
                );
                Known::Unread { look_at: Some(Instant::now() + LOOK_AGAIN_AFTER) }
            }
        };
    }

    pub(super) fn tell_superseded(&self) {
        tracing::warn!(
            partition = %self.partition,
            "another state of this partition was saved: it is taken over, and what was learnt beside it is \
             dropped"
        );
        telemetry::state_lost("superseded");
    }
}

/// How large a stored state of a rule can be, in bytes.
pub(super) fn max_bytes(filter: &Filter) -> usize {
    filter.limits().output_bytes.saturating_add(MAX_AROUND_BYTES)
}
