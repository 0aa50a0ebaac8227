use std::net::SocketAddr;

use anyhow::{Context, anyhow};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use super::exit::Failure;
use crate::telemetry;

/// The upper bounds of the buckets of time, in seconds.
const BUCKETS: [f64; 14] =
    [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// Serves metrics as Prometheus reads them, until the process ends.
pub(super) fn serve(address: SocketAddr) -> Result<(), Failure> {
    let mut builder = PrometheusBuilder::new().with_http_listener(address);
    for name in telemetry::HISTOGRAMS {
        builder = builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), &BUCKETS)
            .map_err(Failure::runtime)?;
    }
    let (recorder, serving) = builder
        .build()
        .with_context(|| format!("cannot serve metrics on {address}"))
        .map_err(Failure::Usage)?;
    metrics::set_global_recorder(recorder)
        .map_err(|_| Failure::Runtime(anyhow!("metrics are recorded already")))?;
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(?error, "metrics are no longer served");
        }
    });
    telemetry::describe();
    Ok(())
}
