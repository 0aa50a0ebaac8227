use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::offer::Offer;
use super::rule::LiveRule;
use super::supply::{Supply, SupplyError};
use crate::filter::Filter;
use crate::source::FetchProblem;
use crate::telemetry;

/// Looks after a rule's source: what is new there is offered in the place of what serves.
///
/// Whatever is wrong with the source, or with what it brings, the rule that serves goes on. It is
/// logged once, and not again until it is another thing that is wrong.
pub struct Watcher {
    supply: Supply,
    rule: LiveRule,
    /// What was not offered yet, or has to wait until a probation ends.
    waiting: Option<Arc<Filter>>,
    /// What is being done to the rule, on a thread for what blocks.
    changing: Option<JoinHandle<()>>,
    /// What is in the way of a rule that is not refused, as it was logged.
    failing: Option<Failing>,
}

/// What is in the way, as far as it is worth another line in the log.
#[derive(Clone, Debug, PartialEq)]
enum Failing {
    /// Of fetching it.
    Source(Discriminant<FetchProblem>),
    /// Of verifying it.
    Host(SupplyError),
}

impl Watcher {
    /// A watcher that offers what `supply` brings from now on.
    pub fn new(supply: Supply, rule: LiveRule) -> Self {
        Self { supply, rule, waiting: None, changing: None, failing: None }
    }

    /// Looks every so often, and never comes to an end.
    pub async fn run(mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            self.look().await;
        }
    }

    /// Looks once.
    ///
    /// It is cancel safe: dropped before its end, as by a `select!` or a timeout, it loses nothing. What
    /// is new is offered by the next look.
    pub async fn look(&mut self) {
        match self.supply.next().await {
            Ok(next) => {
                if let Some(Failing::Source(_)) = self.failing.take() {
                    tracing::info!(source = %self.supply, "the rule can be fetched again");
                }
                let next = next.map(|verified| Arc::new(verified.filter));
                if let Some(candidate) = next.or_else(|| self.waiting.clone()) {
                    self.offer(candidate).await;
                }
            }
            Err(error) => {
                self.tell(&error);
                // What cannot be fetched may still be there.
                if !matches!(error, SupplyError::Fetch(_)) {
                    self.withdraw().await;
                }
            }
        }
    }

    async fn offer(&mut self, candidate: Arc<Filter>) {
        // The answer may not be waited for: then it is offered again.
        self.waiting = Some(Arc::clone(&candidate));
        if self.change(move |rule| rule.offer(candidate)).await != Some(Offer::Later) {
            self.waiting = None;
        }
    }

    /// What was to take over is no longer what the source holds.
    async fn withdraw(&mut self) {
        self.waiting = None;
        self.change(|rule| rule.withdraw_undecided("the source holds something else by now")).await;
    }

    /// It takes as long as a rule needs to take over a state.
    async fn change<T: Send + 'static>(
        &mut self,
        change: impl FnOnce(&LiveRule) -> T + Send + 'static,
    ) -> Option<T> {
        // One after the other, also if a look was dropped in the middle of one.
        self.end_change().await;
        let rule = self.rule.clone();
        let (tell, mut told) = oneshot::channel();
        let change = move || drop(tell.send(change(&rule)));
        self.changing = Some(tokio::task::spawn_blocking(change));
        self.end_change().await;
        told.try_recv().ok()
    }

    async fn end_change(&mut self) {
        let Some(changing) = &mut self.changing else { return };
        if let Err(error) = changing.await {
            tracing::error!(source = %self.supply, %error, "what is at the source was not considered");
        }
        self.changing = None;
    }

    fn tell(&mut self, error: &SupplyError) {
        match error {
            SupplyError::Fetch(fetch) => {
                self.tell_once(Failing::Source(discriminant(&fetch.problem)), error);
            }
            error if error.is_of_the_host() => self.tell_once(Failing::Host(error.clone()), error),
            // The supply does not bring again what was refused.
            error => {
                let serving = self.rule.digest();
                tracing::warn!(%serving, "{error}; the rule that serves goes on");
                telemetry::rule_changed("refused");
                self.failing = None;
            }
        }
    }

    /// Logs what the supply tries again.
    fn tell_once(&mut self, failing: Failing, error: &SupplyError) {
        if self.failing.as_ref() != Some(&failing) {
            let serving = self.rule.digest();
            tracing::warn!(%serving, "{error}; the rule that serves goes on");
            self.failing = Some(failing);
        }
    }
}

#[cfg(all(test, feature = "default-rule"))]
mod tests {
    use futures_util::FutureExt;
    use tokio::task::spawn_blocking;

    use super::super::fixture::{Gate, runtime, supply};
    use super::super::policy::UpdatePolicy;
    use super::*;
    use crate::{DEFAULT_RULE, Engine, Limits, Rule};

    #[test]
    fn what_is_to_wait_is_offered_later_though_a_look_is_dropped() {
        let engine = Engine::new(Limits::default()).expect("an engine");
        let rule = Rule::load(&engine, DEFAULT_RULE).expect("a rule");
        let [first, second, new] = [1, 2, 3].map(|upper| format!(r#"{{"upper":{upper}}}"#));
        let open = |settings: &str| rule.open(settings).expect("an opened rule");
        let rollback_window = Duration::from_secs(3600);
        let policy = UpdatePolicy { rollback_window, ..UpdatePolicy::default() };
        let live = LiveRule::new(open(&first), policy);
        assert_eq!(live.offer(open(&second)), Offer::Serves);

        runtime().block_on(async {
            let mut watcher = Watcher::new(supply(&engine, &new), live.clone());
            let verifying = Gate::closed();
            let mut look = Box::pin(watcher.look());
            assert!(look.as_mut().now_or_never().is_none(), "it is being verified");
            let mut offering = Gate::closed();
            drop(verifying);
            (&mut offering.reached).await.expect("it was verified");
            assert!(look.as_mut().now_or_never().is_none(), "it is being offered");
            drop(look);
            drop(offering);
            spawn_blocking(|| ()).await.expect("it was offered");
            assert_eq!(live.serving().filter.settings(), second, "it is to wait");
            live.swap(open(&first));
            watcher.look().await;
        });
        assert_eq!(live.serving().filter.settings(), new);
    }
}
