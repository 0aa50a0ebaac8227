use std::time::Instant;

use super::SnsEntry;
use crate::alert::Alert;
use crate::publish::{PublishError, Publisher};

/// Has another publisher take what [`SnsTopic`](super::SnsTopic) would send, and rejects what that would
/// reject without asking SNS.
#[derive(Debug)]
pub struct DryRun<P> {
    publisher: P,
    max_bytes: usize,
}

impl<P> DryRun<P> {
    /// As a topic that takes `max_bytes` in one request.
    pub fn new(publisher: P, max_bytes: usize) -> Self {
        Self { publisher, max_bytes }
    }
}

impl<P: Publisher> Publisher for DryRun<P> {
    fn keeps_order(&self) -> bool {
        self.publisher.keeps_order()
    }

    async fn publish(
        &self,
        mut alerts: Vec<Alert>,
        deadline: Option<Instant>,
    ) -> Vec<Result<(), PublishError>> {
        let mut results: Vec<Result<(), PublishError>> = alerts
            .iter()
            .map(|alert| SnsEntry::new(0, alert.clone(), self.max_bytes))
            .map(|entry| entry.map(drop).map_err(PublishError::Rejected))
            .collect();
        let mut fits = results.iter().map(Result::is_ok);
        alerts.retain(|_| fits.next().unwrap_or_default());
        let mut published = self.publisher.publish(alerts, deadline).await.into_iter();
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = published.next().unwrap_or_else(|| {
                Err(PublishError::Unconfirmed("nothing is known of it".to_owned()))
            });
        }
        results
    }
}
