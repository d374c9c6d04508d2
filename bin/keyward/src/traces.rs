//! Traces over OTLP (OpenTelemetry protocol, protobuf over HTTP).

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::exit::Failure;

/// Collects spans and sends them in batches from a thread of its own. When the collector does not
/// answer, spans are dropped and nothing waits. What is left is sent when this is dropped.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends to the collector at `endpoint`, such as `http://127.0.0.1:4318`.
    pub(crate) fn start(endpoint: &str) -> Result<Self, Failure> {
        // The client of the exporter takes the one of the process. If there is one already, it is
        // this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .build()
            .map_err(|error| {
                Failure::configuration(format!(
                    "cannot send traces to OTEL_EXPORTER_OTLP_ENDPOINT: {error}"
                ))
            })?;
        let resource = Resource::builder()
            .with_service_name("keyward")
            .with_attribute(opentelemetry::KeyValue::new(
                "service.version",
                env!("CARGO_PKG_VERSION"),
            ))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        Ok(Self { provider })
    }

    /// Hands spans over, and nothing else: no log line gets into a trace.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let spans = Targets::new().with_target(keyward_core::SPANS, LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("keyward"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(spans)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces may not have been sent");
        }
    }
}
