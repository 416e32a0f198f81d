//! Servers that stand in for an agent and an object store, as far as the snapshot agent needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The index of every answer: a read that waits for a later one never ends.
const INDEX: &str = "7";
const SESSION: &str = "5e551017-0000-0000-0000-000000000001";
/// Keys on one page of a listing.
const PAGE_KEYS: usize = 2;

/// A request as a server got it.
pub(crate) struct Seen {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Status and body; `None` is never answered.
type Answer = Option<(u16, Vec<u8>)>;

/// Starts a server and answers its address.
pub(crate) fn start(runtime: &Runtime, site: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> String {
    let site = Arc::new(site);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let site = Arc::clone(&site);
            let service = service_fn(move |request: Request<Incoming>| {
                let site = Arc::clone(&site);
                async move {
                    let (head, body) = request.into_parts();
                    let seen = Seen {
                        method: head.method,
                        path: unescaped(head.uri.path()),
                        query: head.uri.query().unwrap_or_default().to_string(),
                        headers: head.headers,
                        body: body.collect().await?.to_bytes(),
                    };
                    let answer = site(&seen);
                    let Some((status, body)) = answer else { return std::future::pending().await };
                    let mut response = Response::new(Full::new(Bytes::from(body)));
                    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                    response.headers_mut().insert("x-consul-index", INDEX.parse().expect("a value"));
                    Ok::<_, hyper::Error>(response)
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

impl Seen {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn param(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(given, _)| *given == name).map(|(_, value)| unescaped(value)).next()
    }
}

/// A text of a URL with its escapes resolved.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("an escape"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).expect("a text")
}

#[derive(Default)]
struct AgentState {
    holder: Option<String>,
    checks: BTreeSet<String>,
}

/// An agent that gives out `archive` as its snapshot, knows one lock, and tells of writes: what was done, and its body.
pub(crate) fn agent(archive: Vec<u8>, told: Sender<(String, Value)>) -> impl Fn(&Seen) -> Answer + Send + Sync {
    let state = Mutex::new(AgentState::default());
    move |seen: &Seen| {
        let mut state = state.lock().expect("the state");
        let body = serde_json::from_slice(&seen.body).unwrap_or(Value::Null);
        let done = |status: u16, answer: Value| Some((status, answer.to_string().into_bytes()));
        let unknown = || Some((404, b"Unknown check ID".to_vec()));
        let path = seen.path.strip_prefix("/v1/").unwrap_or_default();
        if seen.method == Method::GET {
            return match (path, &state.holder) {
                ("agent/self", _) => done(200, json!({"Config": {"Datacenter": "dc1"}})),
                ("snapshot", _) => Some((200, archive.clone())),
                ("kv/consul-snapshot/lock", _) if seen.param("index").is_some() => None,
                ("kv/consul-snapshot/lock", Some(holder)) => {
                    let flags = api::LOCK_FLAGS;
                    done(200, json!([{"Key": "consul-snapshot/lock", "Flags": flags, "Session": holder}]))
                }
                _ => Some((404, Vec::new())),
            };
        }
        let (action, id) = match path.rsplit_once('/') {
            Some((action @ ("agent/check/update" | "agent/check/deregister"), id)) => (action, id),
            Some((action @ ("agent/service/deregister" | "session/destroy" | "session/renew"), id)) => (action, id),
            _ => (path, ""),
        };
        let answer = match action {
            "agent/service/register" => {
                state.checks.extend(body["Checks"][0]["CheckID"].as_str().map(str::to_string));
                done(200, Value::Null)
            }
            "agent/check/register" => {
                state.checks.extend(body["ID"].as_str().map(str::to_string));
                done(200, Value::Null)
            }
            "agent/check/update" if !state.checks.contains(id) => return unknown(),
            "agent/check/deregister" if !state.checks.remove(id) => return unknown(),
            "session/create" => done(200, json!({"ID": SESSION})),
            "session/renew" => done(200, json!([{"ID": SESSION, "TTL": "15s"}])),
            "kv/consul-snapshot/lock" => {
                state.holder = seen.param("acquire");
                done(200, json!(true))
            }
            _ => done(200, json!(true)),
        };
        // The test may have seen enough.
        let _ = told.send((path.to_string(), body));
        answer
    }
}

/// The objects of a store, by key.
pub(crate) type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A store with the bucket `backups`, for whoever signs as `AKID` in `us-east-1` and sends what was signed.
pub(crate) fn object_store(objects: Objects) -> impl Fn(&Seen) -> Answer + Send + Sync {
    move |seen: &Seen| {
        let hash = ring::digest::digest(&ring::digest::SHA256, &seen.body);
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let authorization = seen.header("authorization");
        let signed = "/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date";
        let is_signed = authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/")
            && authorization.contains(signed)
            && seen.header("x-amz-content-sha256") == hash;
        let Some(key) = seen.path.strip_prefix("/backups").filter(|_| is_signed) else {
            let error = "<Error><Code>AccessDenied</Code><Message>Not you.</Message></Error>";
            return Some((403, error.as_bytes().to_vec()));
        };
        let mut objects = objects.lock().expect("the objects");
        match (&seen.method, key.strip_prefix('/')) {
            (&Method::PUT, Some(key)) if seen.header("content-length") == seen.body.len().to_string() => {
                objects.insert(key.to_string(), seen.body.to_vec());
                Some((200, Vec::new()))
            }
            (&Method::DELETE, Some(key)) => {
                objects.remove(key);
                Some((204, Vec::new()))
            }
            (&Method::GET, None) => Some((200, listing(seen, &objects).into_bytes())),
            _ => Some((400, Vec::new())),
        }
    }
}

fn listing(seen: &Seen, objects: &BTreeMap<String, Vec<u8>>) -> String {
    let (prefix, after) = (seen.param("prefix").unwrap_or_default(), seen.param("continuation-token"));
    let keys = objects.keys().filter(|key| key.starts_with(&prefix) && Some(key.as_str()) > after.as_deref());
    let keys: Vec<&String> = keys.collect();
    let page = &keys[..keys.len().min(PAGE_KEYS)];
    let contents: String = page.iter().map(|key| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    let more = match page.last() {
        Some(last) if page.len() < keys.len() => {
            format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>")
        }
        _ => "<IsTruncated>false</IsTruncated>".to_string(),
    };
    format!(
        "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{more}{contents}\
         </ListBucketResult>"
    )
}
