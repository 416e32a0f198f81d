//! A small client of object stores that speak Amazon's S3: it puts, lists and removes objects of one bucket.

mod sign;
mod xml;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::{Client, Config, Request};
use futures_util::StreamExt;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderName, Method};
use ring::digest;
use time::OffsetDateTime;
use tokio::time::timeout;

use self::sign::Covered;
pub(super) use self::sign::Credentials;
use super::id::{self, NAME_START, SnapshotId};
use crate::error::Error;
use crate::source::{open_error, system_text};

/// How long a listing or a removal may take; uploads are bounded by the snapshot's own limit.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest answer read; a full page of a listing has about 1.5 MB at most.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Pages of a listing read before it counts as endless; a page has a thousand keys.
const MAX_PAGES: usize = 1000;
/// Longest part of an answer shown that is no S3 error.
const MAX_SHOWN_CHARS: usize = 200;
const READ_BYTES: usize = 64 << 10;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const PAYLOAD_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const ENCRYPTION_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");

/// A bucket, and how to store in it.
pub(super) struct Bucket {
    pub(super) name: String,
    pub(super) region: String,
    /// `[http[s]://]HOST[:PORT]` of a store that is not Amazon's.
    pub(super) endpoint: Option<String>,
    /// The bucket stands in the path even at Amazon's.
    pub(super) path_style: bool,
    /// Before the names of snapshots, without slashes around it; may be empty.
    pub(super) prefix: String,
    /// The key of every snapshot, each replacing the one before.
    pub(super) static_name: Option<String>,
    pub(super) encryption: Encryption,
    pub(super) credentials: Credentials,
}

/// How the store encrypts what it keeps.
pub(super) enum Encryption {
    None,
    Aes256,
    /// With a key of the key management service, its default one unless named.
    Kms(Option<String>),
}

/// A client of one bucket.
pub(super) struct S3 {
    client: Client,
    bucket: Bucket,
    /// The `Host` header.
    host: String,
    /// What stands before the key in the path, without a slash at its end.
    root: String,
}

impl S3 {
    /// A client; nothing is sent yet.
    pub(super) fn new(bucket: Bucket) -> Result<S3, Error> {
        let (scheme, host, root) = location(&bucket)?;
        let client = Client::new(Config::default().address(format!("{scheme}://{host}")))
            .map_err(|e| Error::failed(format!("Error connecting to the object store: {e}")))?;
        Ok(S3 { client, bucket, host, root })
    }

    /// Stores a file as the snapshot `id`.
    pub(super) async fn put(&self, id: SnapshotId, path: &Path) -> Result<(), Error> {
        let key = match &self.bucket.static_name {
            Some(name) => name.clone(),
            None => self.key(&id.file_name()),
        };
        let failed = |cause: String| Error::failed(format!("Error uploading {key}: {cause}"));
        let (hash, bytes) = measured(path.to_owned()).await.map_err(failed)?;
        let file =
            tokio::fs::File::open(path).await.map_err(|e| failed(open_error(&path.display().to_string(), &e)))?;
        let mut headers = Vec::new();
        match &self.bucket.encryption {
            Encryption::None => {}
            Encryption::Aes256 => headers.push((ENCRYPTION, "AES256")),
            Encryption::Kms(kms_key) => {
                headers.push((ENCRYPTION, "aws:kms"));
                headers.extend(kms_key.as_deref().map(|kms_key| (ENCRYPTION_KEY, kms_key)));
            }
        }
        let request = self.client.request(Method::PUT, format!("{}/{key}", self.root));
        let request = self.signed(request, Method::PUT, &headers, &hash);
        // With its length, because stores do not take bodies in chunks.
        let request = request.reader(file).header(CONTENT_LENGTH, &bytes.to_string());
        answer(request).await.map_err(failed)?;
        Ok(())
    }

    /// Removes old snapshots so that `retain` stay, `saved` among them. Answers how many were removed.
    pub(super) async fn rotate(&self, saved: SnapshotId, retain: usize) -> Result<usize, Error> {
        if retain == 0 || self.bucket.static_name.is_some() {
            return Ok(0);
        }
        let start = self.key("");
        let keys = self.keys(&self.key(NAME_START)).await?;
        let names = keys.iter().filter_map(|key| key.strip_prefix(start.as_str()));
        let expired = id::expired(names, saved, retain);
        for id in &expired {
            self.remove(&self.key(&id.file_name())).await?;
        }
        Ok(expired.len())
    }

    fn key(&self, name: &str) -> String {
        match self.bucket.prefix.as_str() {
            "" => name.to_string(),
            prefix => format!("{prefix}/{name}"),
        }
    }

    /// The keys that begin with `prefix`.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let failed = |cause: String| Error::failed(format!("Error listing {prefix}*: {cause}"));
        let mut keys = Vec::new();
        let mut continuation: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let path = if self.root.is_empty() { "/" } else { self.root.as_str() };
            let request = self.client.request(Method::GET, path).param("list-type", "2").param("prefix", prefix);
            let request = match continuation.take() {
                Some(token) => request.param("continuation-token", token),
                None => request,
            };
            let text = self.call(request, Method::GET).await.map_err(failed)?;
            let page = xml::page(&text).map_err(|e| failed(e.to_string()))?;
            keys.extend(page.keys);
            match page.continuation {
                Some(token) => continuation = Some(token),
                None => return Ok(keys),
            }
        }
        Err(failed(format!("more than {MAX_PAGES} pages")))
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        let request = self.client.request(Method::DELETE, format!("{}/{key}", self.root));
        let removed = self.call(request, Method::DELETE).await;
        removed.map(drop).map_err(|cause| Error::failed(format!("Error removing {key}: {cause}")))
    }

    /// Sends a request without a body.
    async fn call(&self, request: Request, method: Method) -> Result<String, String> {
        let request = self.signed(request, method, &[], &sign::sha256_hex(b""));
        let in_time = timeout(CALL_TIMEOUT, answer(request)).await;
        in_time.unwrap_or_else(|_| Err(format!("no answer within {} s", CALL_TIMEOUT.as_secs())))
    }

    /// The request with everything in its head that makes it ours.
    fn signed(&self, request: Request, method: Method, extra: &[(HeaderName, &str)], payload_sha256: &str) -> Request {
        let now = OffsetDateTime::now_utc();
        let stamp = sign::timestamp(now);
        let credentials = &self.bucket.credentials;
        let mut headers = vec![(DATE, stamp.as_str()), (PAYLOAD_HASH, payload_sha256)];
        headers.extend(credentials.session_token.as_deref().map(|token| (SESSION_TOKEN, token)));
        headers.extend_from_slice(extra);

        let request = request.escape_strictly();
        let target = request.target();
        let mut covered = vec![("host", self.host.as_str())];
        covered.extend(headers.iter().map(|(name, value)| (name.as_str(), *value)));
        let covered = Covered { method: method.as_str(), target: &target, headers: covered, payload_sha256 };
        let authorization = sign::authorization(&covered, credentials, &self.bucket.region, now);
        let request = request.header(AUTHORIZATION, &authorization);
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}

/// Scheme, host and the path to the bucket.
fn location(bucket: &Bucket) -> Result<(String, String, String), Error> {
    let Bucket { name, region, .. } = bucket;
    let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    for (what, text) in [("bucket", name), ("region", region)] {
        if !is_plain(text) {
            return Err(Error::failed(format!("{text:?} is not the name of a {what}")));
        }
    }
    let in_path = format!("/{name}");
    if let Some(endpoint) = &bucket.endpoint {
        let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", endpoint));
        let host = host.trim_end_matches('/');
        let is_host = !host.is_empty() && !host.contains(|c: char| c.is_ascii_whitespace() || "/?#@\\".contains(c));
        if !matches!(scheme, "http" | "https") || !is_host {
            return Err(Error::failed(format!("The S3 endpoint {endpoint:?} is not of the form https://HOST:PORT")));
        }
        return Ok((scheme.to_string(), host.to_string(), in_path));
    }
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let host = format!("s3.{region}.{domain}");
    // Amazon's certificates do not cover names of buckets with dots.
    if bucket.path_style || name.contains('.') {
        return Ok(("https".to_string(), host, in_path));
    }
    Ok(("https".to_string(), format!("{name}.{host}"), String::new()))
}

/// SHA-256 in hex and length in bytes of a file, read on a thread of its own.
async fn measured(path: PathBuf) -> Result<(String, u64), String> {
    tokio::task::spawn_blocking(move || measure(&path)).await.unwrap_or_else(|e| Err(e.to_string()))
}

fn measure(path: &Path) -> Result<(String, u64), String> {
    let name = path.display().to_string();
    let mut file = std::fs::File::open(path).map_err(|e| open_error(&name, &e))?;
    let (mut hash, mut bytes) = (digest::Context::new(&digest::SHA256), 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let read = file.read(&mut buffer).map_err(|e| format!("read {name}: {}", system_text(&e)))?;
        if read == 0 {
            return Ok((sign::hex(hash.finish().as_ref()), bytes));
        }
        hash.update(buffer.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
}

/// Sends a request and reads its answer. The error is the cause alone.
async fn answer(request: Request) -> Result<String, String> {
    let response = request.send().await.map_err(|e| e.to_string())?;
    let status = response.status();
    let mut chunks = response.into_stream();
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|e| e.to_string())?;
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(format!("the answer has more than {MAX_ANSWER_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    match status {
        200 | 204 => Ok(text),
        _ => Err(refusal(status, &text)),
    }
}

fn refusal(status: u16, text: &str) -> String {
    match xml::refusal(text) {
        Some((code, message)) => format!("the store answers {status}, {code}: {message}"),
        None => {
            let shown: String = text.trim().chars().take(MAX_SHOWN_CHARS).collect();
            format!("the store answers {status} ({shown})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(name: &str, region: &str, endpoint: &str) -> Bucket {
        Bucket {
            name: name.to_string(),
            region: region.to_string(),
            endpoint: Some(endpoint.to_string()).filter(|endpoint| !endpoint.is_empty()),
            path_style: false,
            prefix: String::new(),
            static_name: None,
            encryption: Encryption::None,
            credentials: Credentials {
                access_key_id: "id".to_string(),
                secret_access_key: "s3cret".to_string(),
                session_token: None,
            },
        }
    }

    #[test]
    fn buckets_stand_in_the_host_at_amazon_and_in_the_path_elsewhere() {
        let table = [
            (bucket("b", "eu-west-1", ""), ("https", "b.s3.eu-west-1.amazonaws.com", "")),
            (bucket("b.c", "eu-west-1", ""), ("https", "s3.eu-west-1.amazonaws.com", "/b.c")),
            (bucket("b", "cn-north-1", ""), ("https", "b.s3.cn-north-1.amazonaws.com.cn", "")),
            (Bucket { path_style: true, ..bucket("b", "r", "") }, ("https", "s3.r.amazonaws.com", "/b")),
            (bucket("b", "r", "http://127.0.0.1:9000/"), ("http", "127.0.0.1:9000", "/b")),
            (bucket("b", "r", "store.example"), ("https", "store.example", "/b")),
        ];
        for (bucket, (scheme, host, root)) in table {
            let want = (scheme.to_string(), host.to_string(), root.to_string());
            assert_eq!(location(&bucket).expect("a location"), want);
        }
    }

    #[test]
    fn places_that_cannot_be_are_refused() {
        let table = [
            (bucket("a/b", "r", ""), "\"a/b\" is not the name of a bucket"),
            (bucket("b", "r@x", ""), "\"r@x\" is not the name of a region"),
            (bucket("b", "r", "ftp://h"), "The S3 endpoint \"ftp://h\" is not of the form https://HOST:PORT"),
            (bucket("b", "r", "https://h/p"), "The S3 endpoint \"https://h/p\" is not of the form https://HOST:PORT"),
            (bucket("b", "r", "https:///"), "The S3 endpoint \"https:///\" is not of the form https://HOST:PORT"),
        ];
        for (bucket, message) in table {
            assert_eq!(location(&bucket).map_err(|e| e.to_string()), Err(message.to_string()));
        }
    }

    #[test]
    fn refusals_are_shown_in_short() {
        let xml = "<Error><Code>AccessDenied</Code><Message>No.</Message><StringToSign>x</StringToSign></Error>";
        assert_eq!(refusal(403, xml), "the store answers 403, AccessDenied: No.");
        assert_eq!(refusal(502, " bad gateway\n"), "the store answers 502 (bad gateway)");
        assert_eq!(refusal(500, &"x".repeat(1000)), format!("the store answers 500 ({})", "x".repeat(200)));
    }
}
