//! Traces by OTLP over HTTP with protobuf: what runs and the operator do, as spans.
//!
//! Where they go is said by OpenTelemetry's own variables: `OTEL_EXPORTER_OTLP_ENDPOINT` or
//! `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, with `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_SERVICE_NAME`. Without an endpoint
//! there are none. `TRACEPARENT` is the span that a process belongs to.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

/// For one request to the collector.
const PATIENCE: Duration = Duration::from_secs(5);
/// For the last spans of a process.
const AT_THE_END: Duration = Duration::from_secs(5);

/// Where spans go.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    parent: Context,
}

/// A span that has begun.
#[derive(Debug, Clone)]
pub struct Begun(Context);

impl Traces {
    /// Those that the environment asks for; `None`: it asks for none. Needs a runtime of tokio.
    ///
    /// # Errors
    /// What is wrong with the variables; for people.
    pub fn from_environment(service: &str) -> Result<Option<Self>, String> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let asked = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
        if !asked.iter().any(|name| variable(name).is_some()) {
            return Ok(None);
        }
        let client = crate::http::client(PATIENCE).map_err(|error| error.to_string())?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender { client, runtime: Handle::current() })
            .build()
            .map_err(|error| error.to_string())?;
        let name = variable("OTEL_SERVICE_NAME").unwrap_or_else(|| service.to_owned());
        let resource = Resource::builder()
            .with_service_name(name)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        let tracer = provider.tracer("cofferdam");
        let parent = variable("TRACEPARENT").and_then(|text| parent(&text)).unwrap_or_default();
        Ok(Some(Self { provider, tracer, parent }))
    }

    /// Begins a span, in another one or in that of the process.
    pub fn begin(
        &self,
        name: &str,
        within: Option<&Begun>,
        attributes: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Begun {
        self.begin_at(name, within, attributes, SystemTime::now())
    }

    fn begin_at(
        &self,
        name: &str,
        within: Option<&Begun>,
        attributes: impl IntoIterator<Item = (&'static str, String)>,
        at: SystemTime,
    ) -> Begun {
        let attributes: Vec<KeyValue> =
            attributes.into_iter().map(|(name, value)| KeyValue::new(name, value)).collect();
        let span = self
            .tracer
            .span_builder(name.to_owned())
            .with_kind(SpanKind::Internal)
            .with_start_time(at)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, within.map_or(&self.parent, |begun| &begun.0));
        Begun(Context::new().with_span(span))
    }

    /// A span that is over.
    pub fn past(
        &self,
        name: &str,
        began: SystemTime,
        attributes: impl IntoIterator<Item = (&'static str, String)>,
        failure: Option<&str>,
    ) {
        self.begin_at(name, None, attributes, began).end(failure);
    }

    /// Sends what is left, for a while.
    pub async fn close(self) {
        let provider = self.provider;
        // It waits for its own thread, which waits for this runtime.
        let closed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(AT_THE_END));
        let _ = tokio::time::timeout(AT_THE_END + PATIENCE, closed).await;
    }
}

impl Begun {
    /// Ends it, well or with why it failed.
    pub fn end(self, failure: Option<&str>) {
        let span = self.0.span();
        if let Some(why) = failure {
            span.set_status(Status::error(why.to_owned()));
        }
        span.end();
    }
}

/// Reads `00-TRACE-SPAN-FLAGS` of W3C's Trace Context.
fn parent(text: &str) -> Option<Context> {
    let parts: Vec<&str> = text.trim().split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else { return None };
    if *version != "00" || trace.len() != 32 || span.len() != 16 || flags.len() != 2 {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, Default::default());
    context.is_valid().then(|| Context::new().with_remote_span_context(context))
}

/// The client of the exporter. It asks from a thread of its own, where there is no runtime: the request is made in ours.
#[derive(Debug)]
struct Sender {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let mut answer = client.execute(request.try_into()?).await?;
            let mut response = Response::builder().status(answer.status());
            if let Some(headers) = response.headers_mut() {
                std::mem::swap(headers, answer.headers_mut());
            }
            let body = answer.bytes().await?;
            Ok::<_, HttpError>(response.body(body)?)
        });
        sent.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_of_the_process_is_read_or_left_out() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        for (text, expected) in [
            (format!("00-{trace}-b7ad6b7169203331-01"), true),
            (format!("00-{trace}-b7ad6b7169203331"), false),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
            (format!("01-{trace}-b7ad6b7169203331-01"), false),
            (String::new(), false),
        ] {
            assert_eq!(parent(&text).is_some(), expected, "{text}");
        }
    }
}
