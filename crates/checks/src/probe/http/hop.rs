//! One request of a run: the first, or what a redirect makes of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, TRAILER, TRANSFER_ENCODING, USER_AGENT,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use url::{ParseError, Url};
use wire::quote::go_quote;

use super::{Call, Redirect};
use crate::probe::escape::percent_decode;

/// Headers that follow from the body, whatever is configured.
static DERIVED: [HeaderName; 3] = [CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER];
const TOO_MANY_HEADERS: &str = "net/http: too many headers";

/// A request, ready to be sent to wherever its URL leads.
pub(super) struct Hop {
    url: Url,
    /// The URL in messages: as it was written, without password.
    shown: String,
    method: Method,
    /// Replaces the URL's host in the `Host` header.
    host: Option<HeaderValue>,
    headers: HeaderMap,
    body: Bytes,
    /// Host of the first URL, which credentials are meant for.
    origin: String,
}

impl Hop {
    /// The request as configured. The error is the whole text.
    pub(super) fn first(call: &Call<'_>) -> Result<Hop, String> {
        let method = Method::from_bytes(call.method().as_bytes())
            .map_err(|_| format!("net/http: invalid method {}", go_quote(call.method())))?;
        let url = parse(call.url).map_err(|problem| match problem {
            Problem::Url(text) => format!("parse {}: {text}", go_quote(call.url)),
            Problem::Use(text) => format!("{}: {text}", label(&method, call.url)),
        })?;
        let shown = shown(call.url, &url);
        let (headers, host) = headers(call).map_err(|text| format!("{}: {text}", label(&method, &shown)))?;
        let body = Bytes::copy_from_slice(call.body.as_bytes());
        let origin = url.host_str().unwrap_or_default().to_owned();
        Ok(Hop { url, shown, method, host, headers, body, origin })
    }

    /// The request a redirect asks for. The error is the cause alone.
    pub(super) fn redirected(&self, redirect: &Redirect) -> Result<Hop, String> {
        let location = redirect.location.as_str();
        let url = self
            .url
            .join(location)
            .map_err(|error| format!("failed to parse Location header {}: {error}", go_quote(location)))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("unsupported protocol scheme {}", go_quote(url.scheme())));
        }
        let repeated = matches!(redirect.code.as_u16(), 307 | 308);
        let (method, body) = match &self.method {
            method if repeated => (method.clone(), self.body.clone()),
            &Method::HEAD => (Method::HEAD, Bytes::new()),
            _ => (Method::GET, Bytes::new()),
        };
        let relative = Url::parse(location) == Err(ParseError::RelativeUrlWithoutBase);
        let host = if relative { self.host.clone() } else { None };
        let mut headers = self.headers.clone();
        if !is_within(url.host_str().unwrap_or_default(), &self.origin) {
            for secret in [AUTHORIZATION, COOKIE, WWW_AUTHENTICATE] {
                headers.remove(secret);
            }
        }
        let shown = shown(url.as_str(), &url);
        Ok(Hop { url, shown, method, host, headers, body, origin: self.origin.clone() })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// `host:port` to connect to.
    pub(super) fn address(&self) -> String {
        address(&self.url)
    }

    /// What is requested, in messages about its failure: `Get "URL"`.
    pub(super) fn label(&self) -> String {
        label(&self.method, &self.shown)
    }

    /// The same with another URL.
    pub(super) fn label_of(&self, url: &str) -> String {
        label(&self.method, url)
    }

    /// The request as it goes over the wire; proxies want the whole URL. The error is the cause alone.
    pub(super) fn request(&self, absolute: bool) -> Result<Request<Full<Bytes>>, String> {
        let mut uri = if absolute { format!("http://{}", authority(&self.url)) } else { String::new() };
        uri.push_str(self.url.path());
        if let Some(query) = self.url.query() {
            uri.push('?');
            uri.push_str(query);
        }
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        let mut headers = self.headers.clone();
        let full = |_| TOO_MANY_HEADERS.to_owned();
        let host = match &self.host {
            Some(host) => host.clone(),
            None => HeaderValue::try_from(authority(&self.url)).map_err(|error| error.to_string())?,
        };
        headers.try_insert(HOST, host).map_err(full)?;
        headers.try_insert(CONNECTION, HeaderValue::from_static("close")).map_err(full)?;
        if self.body.is_empty() && matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.try_insert(CONTENT_LENGTH, HeaderValue::from_static("0")).map_err(full)?;
        }
        if !headers.contains_key(AUTHORIZATION)
            && let Some(credentials) = basic_credentials(&self.url)
        {
            headers.try_insert(AUTHORIZATION, credentials).map_err(full)?;
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// What is wrong with a URL: it is none, or it cannot be requested.
enum Problem {
    Url(String),
    Use(String),
}

fn parse(text: &str) -> Result<Url, Problem> {
    let no_host = || Problem::Use("http: no Host in request URL".to_owned());
    let url = Url::parse(text).map_err(|error| match error {
        ParseError::RelativeUrlWithoutBase if text.split('/').next().is_some_and(|first| first.contains(':')) => {
            Problem::Url("first path segment in URL cannot contain colon".to_owned())
        }
        ParseError::RelativeUrlWithoutBase => Problem::Use("unsupported protocol scheme \"\"".to_owned()),
        ParseError::EmptyHost => no_host(),
        ParseError::InvalidPort => Problem::Use("dial tcp: invalid port".to_owned()),
        other => Problem::Url(other.to_string()),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Problem::Use(format!("unsupported protocol scheme {}", go_quote(url.scheme()))));
    }
    // Browsers find a host in `http:///path`; a check should not talk to whoever that is.
    let behind_scheme = text.split_once(':').and_then(|(_, rest)| rest.strip_prefix("//"));
    if behind_scheme.is_none_or(|rest| rest.is_empty() || rest.starts_with(['/', '\\', '?', '#'])) {
        return Err(no_host());
    }
    Ok(url)
}

/// The configured headers with the defaults, and the `Host` among them.
fn headers(call: &Call<'_>) -> Result<(HeaderMap, Option<HeaderValue>), String> {
    let full = |_| TOO_MANY_HEADERS.to_owned();
    let mut headers = HeaderMap::new();
    let mut host: Option<HeaderValue> = None;
    for (name, values) in call.header {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("net/http: invalid header field name {}", go_quote(name)))?;
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| format!("net/http: invalid header field value for {}", go_quote(name)))?;
            if key == HOST {
                host = host.or(Some(value));
            } else if !DERIVED.contains(&key) {
                headers.try_append(&key, value).map_err(full)?;
            }
        }
    }
    for (key, default) in [(USER_AGENT, super::USER_AGENT), (ACCEPT, super::ACCEPT)] {
        if headers.get(&key).is_none_or(HeaderValue::is_empty) {
            headers.try_insert(key, HeaderValue::from_static(default)).map_err(full)?;
        }
    }
    Ok((headers, host.filter(|host| !host.is_empty())))
}

fn label(method: &Method, url: &str) -> String {
    let method = method.as_str();
    let (first, rest) = method.split_at_checked(1).unwrap_or((method, ""));
    format!("{first}{} {}", rest.to_ascii_lowercase(), go_quote(url))
}

/// A URL as people may see it.
fn shown(text: &str, url: &Url) -> String {
    if url.password().is_none() {
        return text.to_owned();
    }
    let mut masked = url.clone();
    if masked.set_password(Some("***")).is_err() {
        return authority(url);
    }
    masked.into()
}

/// Host, and port where it is not the scheme's.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// `host:port`.
pub(super) fn address(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

/// User and password of a URL, as a header carries them.
pub(super) fn basic_credentials(url: &Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let user = percent_decode(url.username());
    let password = percent_decode(url.password().unwrap_or_default());
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether a host is `origin` or below it.
fn is_within(host: &str, origin: &str) -> bool {
    host == origin || host.strip_suffix(origin).is_some_and(|front| front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_within_a_domain() {
        let table = [
            ("a.example", "a.example", true),
            ("b.a.example", "a.example", true),
            ("ba.example", "a.example", false),
            ("example", "a.example", false),
        ];
        for (host, origin, expected) in table {
            assert_eq!(is_within(host, origin), expected, "{host} {origin}");
        }
    }

    #[test]
    fn passwords_do_not_show() {
        let text = "http://user:pw@h/x";
        let url = Url::parse(text).unwrap();
        assert_eq!(shown(text, &url), "http://user:***@h/x");
        let text = "http://h";
        assert_eq!(shown(text, &Url::parse(text).unwrap()), "http://h");
    }
}
