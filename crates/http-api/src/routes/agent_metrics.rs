//! `/v1/agent/metrics` (`docs/spec/http-api.md` §3.2, `docs/spec/server-operations.md` §17.2, §17.3).

use bytes::Bytes;
use futures_util::StreamExt;
use http::StatusCode;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use serde_json::Value;
use telemetry::metrics;
use wire::json;

use crate::meta::X_CONSUL_REASON;
use crate::pipeline::Call;
use crate::reply::{Answer, Body, Failure, Reply};

const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
/// Why Prometheus reads nothing; with a status of 200, as in the reference.
const PROMETHEUS_DISABLED: HeaderValue =
    HeaderValue::from_static("Prometheus is not enabled since its retention time is not positive");

/// The last finished interval as JSON, or everything as Prometheus reads it.
pub(crate) async fn show(call: &mut Call) -> Answer {
    if call.query.text("format") == "prometheus" || accepts_prometheus(&call.headers) {
        return Ok(prometheus());
    }
    let shown = metrics::display().map_err(|error| Failure::internal(error.to_string()))?;
    Reply::json(&shown, call.pretty())
}

fn prometheus() -> Reply {
    if metrics::prometheus_enabled() {
        return Reply::bytes(StatusCode::OK, Some(PROMETHEUS_TEXT), Bytes::from(metrics::prometheus()));
    }
    let mut reply = Reply::empty();
    reply.headers.insert(X_CONSUL_REASON, PROMETHEUS_DISABLED);
    reply
}

/// One interval after the other, until the client goes away or the agent stops.
pub(crate) async fn stream(call: &mut Call) -> Answer {
    let stopping = call.door.stopping.clone();
    let intervals = futures_util::stream::unfold((), |()| async {
        let interval = metrics::next_interval().await;
        Some((indented(&interval), ()))
    });
    let mut reply = Reply::empty();
    reply.body = Body::Stream(Box::pin(intervals.take_until(stopping.cancelled_owned())), None);
    Ok(reply)
}

fn indented(interval: &Value) -> std::io::Result<Bytes> {
    let mut text = json::to_vec_pretty(interval, json::INDENT_FOUR_SPACES).map_err(std::io::Error::other)?;
    text.push(b'\n');
    Ok(Bytes::from(text))
}

/// Whether `Accept` lists a type that Prometheus asks for: plain text counts with the version in first place only.
fn accepts_prometheus(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(ACCEPT).and_then(|value| value.to_str().ok()) else { return false };
    accept.split(',').any(|media| {
        let mut parts = media.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "application/openmetrics-text" => true,
            "text/plain" => parts.next() == Some("version=0.4.0"),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_is_known_by_what_it_accepts() {
        let cases = [
            ("application/openmetrics-text", true),
            ("application/openmetrics-text ;q=1", true),
            ("application/json,application/openmetrics-text;version=1", true),
            ("text/plain;version=0.4.0", true),
            ("TEXT/PLAIN ; version=0.4.0", true),
            ("*/*, text/plain;version=0.4.0;q=1", true),
            ("text/plain;q=1;version=0.4.0", false),
            ("text/plain;VERSION=0.4.0", false),
            ("text/plain;version=0.0.4", false),
            ("text/plain", false),
            ("*/*", false),
            ("", false),
        ];
        for (accept, expected) in cases {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(accepts_prometheus(&headers), expected, "{accept}");
        }
        assert!(!accepts_prometheus(&HeaderMap::new()));
    }
}
