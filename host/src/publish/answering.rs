use std::future::Future;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use super::{PublishError, Publisher};
use crate::alert::Alert;

/// How long a publisher, or a queue, is waited for after its deadline. What was confirmed by then comes with
/// its answer, and one that keeps to the deadline may be about to give it.
const GRACE: Duration = Duration::from_millis(250);

/// Has a publisher answer soon after its deadline, with a result for each alert. One that blocks its thread cannot
/// be helped.
pub(crate) struct Answering<P>(pub(crate) P);

impl<P: Publisher> Publisher for Answering<P> {
    fn keeps_order(&self) -> bool {
        self.0.keeps_order()
    }

    async fn publish(
        &self,
        alerts: Vec<Alert>,
        deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        let count = alerts.len();
        let mut results = in_time(self.0.publish(alerts, deadline), deadline).await;
        let error = || PublishError::Unconfirmed("its publisher did not answer for it".to_owned());
        results.resize_with(count, || Err(error()));
        results
    }
}

/// The results, or none if they do not come soon after the deadline.
pub(crate) async fn in_time<R>(
    results: impl Future<Output = Vec<R>>,
    deadline: Option<Instant>,
) -> Vec<R> {
    match deadline.and_then(|deadline| deadline.checked_add(GRACE)) {
        None => results.await,
        Some(end) => timeout_at(end.into(), results).await.unwrap_or_default(),
    }
}
