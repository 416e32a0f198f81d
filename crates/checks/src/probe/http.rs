//! HTTP checks: 2xx passes, 429 warns, anything else is critical.

mod hop;
mod proxy;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper_util::rt::TokioIo;
use tokio::time::timeout_at;
use types::CheckStatus;

use super::link::{self, Link};
use super::tls::Alpn;
use super::{Outcome, Run, cause, dial};
use crate::ProbeTls;
use crate::output::Tail;
use hop::Hop;

pub(super) use proxy::Proxies;

pub(super) const USER_AGENT: &str = "Consul Health Check";
const ACCEPT: &str = "text/plain, text/*, */*";
const TIMED_OUT: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
/// Requests of one run: the first, and one for each redirect.
const MAX_REQUESTS: usize = 10;
/// Of a response's head, and of what is read ahead of its body.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// What is asked.
pub(super) struct Call<'a> {
    pub(super) url: &'a str,
    pub(super) method: &'a str,
    pub(super) header: &'a BTreeMap<String, Vec<String>>,
    pub(super) body: &'a str,
    pub(super) disable_redirects: bool,
    pub(super) tls: &'a ProbeTls,
}

impl Call<'_> {
    fn method(&self) -> &str {
        if self.method.is_empty() { "GET" } else { self.method }
    }
}

/// How far a run came. The deadline may cut it anywhere.
struct Progress {
    /// What is being requested, for messages about its failure.
    label: String,
    answer: Option<Answer>,
    body: Tail,
}

struct Answer {
    code: StatusCode,
    /// Code and reason, as the server gave it.
    text: String,
}

struct Redirect {
    code: StatusCode,
    location: String,
}

pub(super) async fn run(run: &Run<'_>, call: &Call<'_>) -> Outcome {
    let first = match Hop::first(call) {
        Ok(first) => first,
        Err(error) => return Outcome::critical(error),
    };
    let mut progress = Progress { label: first.label(), answer: None, body: Tail::new(run.output_max_bytes) };
    let failure = match timeout_at(run.deadline, fetch(run, call, first, &mut progress)).await {
        Ok(fetched) => fetched.err(),
        Err(_) => Some(TIMED_OUT.to_owned()),
    };
    let Some(answer) = progress.answer else {
        let failure = failure.unwrap_or_else(|| "EOF".to_owned());
        return Outcome::critical(format!("{}: {failure}", progress.label));
    };
    if let Some(error) = failure {
        // The status is known, so the part of the body that came will do.
        tracing::warn!(target: "agent", check = run.check, error = error.as_str(), "Check error while reading body");
    }
    let status = match answer.code.as_u16() {
        200..=299 => CheckStatus::Passing,
        429 => CheckStatus::Warning,
        _ => CheckStatus::Critical,
    };
    let (method, body) = (call.method(), progress.body.into_text());
    Outcome::new(status, format!("HTTP {method} {}: {} Output: {body}", call.url, answer.text))
}

/// Requests and follows redirects until there is an answer, and reads it. The error is the cause alone.
async fn fetch(run: &Run<'_>, call: &Call<'_>, first: Hop, progress: &mut Progress) -> Result<(), String> {
    let mut hop = first;
    for _ in 1..MAX_REQUESTS {
        let Some(redirect) = exchange(run, call, &hop, progress).await? else {
            return Ok(());
        };
        hop = hop.redirected(&redirect)?;
        progress.label = hop.label();
    }
    let Some(redirect) = exchange(run, call, &hop, progress).await? else {
        return Ok(());
    };
    progress.label = hop.label_of(&redirect.location);
    Err(format!("stopped after {MAX_REQUESTS} redirects"))
}

/// One request. A redirect that is to be followed comes back; any other answer goes to `progress`.
async fn exchange(
    run: &Run<'_>,
    call: &Call<'_>,
    hop: &Hop,
    progress: &mut Progress,
) -> Result<Option<Redirect>, String> {
    let proxy = run.net.proxies.of(hop.url())?;
    let Link { stream, ends } = connect(run, call, hop, proxy).await?;
    let absolute = proxy.is_some() && !hop.is_secure();
    let mut request = hop.request(absolute)?;
    if absolute && let Some(credentials) = proxy.and_then(proxy::credentials) {
        let added = request.headers_mut().try_insert(http::header::PROXY_AUTHORIZATION, credentials);
        added.map_err(|error| error.to_string())?;
    }
    let (mut requests, connection) = http1::Builder::new()
        .title_case_headers(true)
        .max_buf_size(MAX_BUFFER_BYTES)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(|error| cause::http_text(&error, &ends))?;
    let exchanged = async {
        let response = requests.send_request(request).await?;
        if !call.disable_redirects
            && let Some(redirect) = redirect(&response)
        {
            return Ok(Some(redirect));
        }
        progress.answer = Some(Answer { code: response.status(), text: status_text(&response) });
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                progress.body.push(data);
            }
        }
        Ok::<_, hyper::Error>(None)
    };
    link::drive(connection, exchanged).await.map_err(|error| cause::http_text(&error, &ends))
}

async fn connect(run: &Run<'_>, call: &Call<'_>, hop: &Hop, proxy: Option<&url::Url>) -> Result<Link, String> {
    let address = hop.address();
    let link = match proxy {
        Some(proxy) => proxy::connect(run, proxy, hop.is_secure().then_some(address.as_str())).await?,
        None => link::plain(run, &address).await.map_err(link::Failure::into_text)?,
    };
    if !hop.is_secure() {
        return Ok(link);
    }
    let (host, _) = dial::split(&address)?;
    link::secured(run, link, host, call.tls, Alpn::Http1).await.map_err(link::Failure::into_text)
}

/// Where a response leads; one that does not say so is an answer.
fn redirect(response: &Response<Incoming>) -> Option<Redirect> {
    let code = response.status();
    if !matches!(code.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.as_bytes();
    let location = String::from_utf8_lossy(location).into_owned();
    (!location.is_empty()).then_some(Redirect { code, location })
}

fn status_text(response: &Response<Incoming>) -> String {
    let code = response.status();
    match response.extensions().get::<ReasonPhrase>() {
        Some(reason) => format!("{} {}", code.as_u16(), String::from_utf8_lossy(reason.as_bytes())),
        None => format!("{} {}", code.as_u16(), code.canonical_reason().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
