//! Where flagged records go.

mod writer;

mod ordering;

mod cooldown;

mod answering;

#[cfg(feature = "sns")]
pub mod sns;

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use crate::alert::Alert;

pub use crate::receipt::PublishError;
pub(crate) use answering::{Answering, in_time};
pub use cooldown::Cooldown;
pub(crate) use cooldown::{Message, Window};
pub(crate) use ordering::{Chain, held_back, held_back_by, publish_in_order};
pub use ordering::{Ordering, UnknownOrdering};
pub use writer::{AlertFormat, AlertWriter};

/// Publishes alerts, and says of each whether it was confirmed.
pub trait Publisher: Send + Sync {
    /// Whether it keeps the order of the alerts of a group. By default it does not.
    fn keeps_order(&self) -> bool {
        false
    }

    /// Publishes alerts. Answers once each of them is confirmed or given up, at the latest at the
    /// deadline: one result an alert, in order.
    ///
    /// An answer that has not come 250 ms after the deadline is not waited for, and the future is dropped:
    /// then none of these alerts counts as confirmed. Neither does one that the answer has no result for.
    /// Without a deadline it is waited for as long as it takes.
    fn publish(
        &self,
        alerts: Vec<Alert>,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send;
}

impl<P: Publisher> Publisher for &P {
    fn keeps_order(&self) -> bool {
        (**self).keeps_order()
    }

    fn publish(
        &self,
        alerts: Vec<Alert>,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send {
        (**self).publish(alerts, deadline)
    }
}

/// One publisher can serve several pipelines.
impl<P: Publisher> Publisher for Arc<P> {
    fn keeps_order(&self) -> bool {
        (**self).keeps_order()
    }

    fn publish(
        &self,
        alerts: Vec<Alert>,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Vec<Result<(), PublishError>>> + Send {
        (**self).publish(alerts, deadline)
    }
}
