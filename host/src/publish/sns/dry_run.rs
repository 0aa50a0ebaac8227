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

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::publish::{AlertFormat, AlertWriter};

    fn alert(subject: &str, message: &str) -> Alert {
        let (subject, message) = (subject.to_owned(), message.to_owned());
        Alert { subject, message, ..Alert::sample() }
    }

    #[test]
    fn what_the_topic_would_not_take_is_rejected_and_the_rest_is_published() {
        let (long, large) = ("s".repeat(101), "m".repeat(1000));
        let alerts = vec![
            alert("s", "one"),
            alert(&long, "m"),
            alert("s", ""),
            alert("s", &large),
            alert("s", "two"),
        ];
        let publisher = DryRun::new(AlertWriter::new(AlertFormat::Ndjson, Vec::new()), 1000);
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let results = runtime.block_on(publisher.publish(alerts, None));
        let is_rejected = |result: &Result<_, _>| matches!(result, Err(PublishError::Rejected(_)));
        let rejected: Vec<bool> = results.iter().map(is_rejected).collect();
        assert_eq!(rejected, [false, true, true, true, false]);
        assert!(results[0].is_ok() && results[4].is_ok(), "{results:?}");
    }
}
