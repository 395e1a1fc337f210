//! Floor 5: logs and metrics. Neither ever holds a secret value: what is logged are names, ids, codes and sentences.

use std::{
    fmt,
    io::IsTerminal,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        MetricType,
        counter::ConstCounter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::{Registry, Unit},
};
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Log, LogFormat},
    engine::{Counts, Engine},
};

/// Sends log lines to standard error. A level that cannot be read becomes `info`, with a warning. A panic is logged by
/// its place alone: its message might hold a value.
pub fn init(log: &Log) {
    // The scheduler of upkeep tells about itself at every start.
    let filter = EnvFilter::builder().parse(format!("tokio_cron_scheduler=warn,{}", log.level));
    let is_read = filter.is_ok();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second call in one process (tests) keeps the first subscriber.
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if !is_read {
        tracing::warn!(level = %log.level, "the log level cannot be read: `info` is used");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(%place, "a defect: a task panicked");
    }));
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    store: &'static str,
}

/// The metrics of a daemon.
pub struct Metrics(Registry);

impl Metrics {
    /// The metrics of an engine.
    pub fn of(engine: &Arc<Engine>) -> Self {
        let mut registry = Registry::with_prefix("keywheel");
        let build = Family::<Build, Gauge>::default();
        let store = if engine.store.is_shared() { "postgres" } else { "sqlite" };
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION"), store }).set(1);
        registry.register("build", "The release and its kind of store", build);
        registry.register_collector(Box::new(Counted { engine: Arc::clone(engine), started: engine.clock.boot() }));
        Self(registry)
    }

    /// Renders the metrics in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.0).is_err() {
            tracing::warn!("the metrics could not be rendered");
        }
        text
    }
}

/// When things end, as seconds since 1970: whoever reads them subtracts the time of reading.
fn encode_ends(counts: &Counts, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    let ends = counts.dates.lock().unwrap_or_else(PoisonError::into_inner);
    let kinds = [
        ("certificate_not_after_timestamp", "When the current certificate ends", &ends.certificates),
        ("certificate_renewal_timestamp", "When the certificate is renewed next", &ends.renewals),
        ("tracked_expiry_timestamp", "When what is tracked expires", &ends.tracked),
    ];
    for (name, about, dates) in kinds {
        // A family without members would be a description of nothing.
        if dates.is_empty() {
            continue;
        }
        let mut family = encoder.encode_descriptor(name, about, Some(&Unit::Seconds), MetricType::Gauge)?;
        for (name, at) in dates {
            ConstGauge::new(at.timestamp()).encode(family.encode_family(&[("name", name.as_str())])?)?;
        }
    }
    Ok(())
}

/// Reads the engine's counts at each scrape.
struct Counted {
    engine: Arc<Engine>,
    started: Duration,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = &self.engine.counts;
        let up = self.engine.clock.boot().saturating_sub(self.started).as_secs();
        let gauges = [
            ("uptime_seconds", "Time since the start", i64::try_from(up).unwrap_or(i64::MAX)),
            ("agenda_due", "Agenda rows that are due and wait", counts.due.load(Ordering::Relaxed)),
            ("alerts_open", "Alerts that are open", counts.alerts.load(Ordering::Relaxed)),
            ("claims_held", "Claims that this process holds", counts.claims.load(Ordering::Relaxed)),
            ("secrets", "Secrets that are not deleted", counts.secrets.load(Ordering::Relaxed)),
            ("oldest_send", "Seconds since the oldest undelivered notice", counts.oldest_send.load(Ordering::Relaxed)),
            ("dead_letters", "Notices that a channel gave up", counts.dead_letters.load(Ordering::Relaxed)),
            ("short_of_room", "Whether the store's disk is full", i64::from(self.engine.is_short_of_room())),
        ];
        for (name, about, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, about, None, MetricType::Gauge)?)?;
        }
        let errors = ConstCounter::new(counts.store_errors.load(Ordering::Relaxed));
        let about = "Writes that the store refused or lost";
        errors.encode(encoder.encode_descriptor("store_errors", about, None, MetricType::Counter)?)?;
        let sends = ConstCounter::new(counts.sends.load(Ordering::Relaxed));
        sends.encode(encoder.encode_descriptor(
            "sends",
            "Attempts to deliver a notice",
            None,
            MetricType::Counter,
        )?)?;
        let about = "Rotations that ended, by outcome";
        let mut rotations = encoder.encode_descriptor("rotations", about, None, MetricType::Counter)?;
        for (outcome, count) in counts.rotations() {
            ConstCounter::new(count).encode(rotations.encode_family(&[("outcome", outcome)])?)?;
        }
        encode_ends(counts, &mut encoder)
    }
}
