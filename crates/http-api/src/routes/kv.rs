//! `/v1/kv/` (`docs/spec/http-api.md` §6).

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use types::method::{KeyListRequest, KeyRequest, KvApply, KvGet, KvList, KvListKeys};
use types::{DirEntry, Key, KvOp, KvRequest, QueryOptions};

use super::{ask, kv_json};
use crate::params::{Enterprise, parse_uint};
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply, metadata};

const MISSING_KEY: &str = "Missing key name";
/// How much of a body that is too large is read, so that its sender gets to read the answer.
const DRAINED_BYTES: usize = 16 << 20;

/// One entry, all entries below a prefix, or their names.
pub(crate) async fn get(call: &mut Call) -> Answer {
    let options = call.options()?;
    if call.query.has("keys") {
        return keys(call, options).await;
    }
    if call.query.has("recurse") {
        return tree(call, options).await;
    }
    let key = Key::from(call.argument());
    if key.is_empty() {
        return Err(Failure::bad_request(MISSING_KEY));
    }
    call.refuse_enterprise(Enterprise::Both)?;
    let token = options.token.clone();
    let reply = ask::<KvGet, _>(call, KeyRequest { key, options }).await?;
    let metadata = metadata(reply.meta, None, &token);
    let Some(entry) = reply.value else {
        return Ok(Reply::status(StatusCode::NOT_FOUND).with_metadata(&metadata));
    };
    let answer = if call.query.has("raw") {
        raw(&entry)
    } else if call.pretty() {
        Reply::json(&[entry], true)?
    } else {
        Reply::written_json(kv_json::entries(&[entry]))
    };
    Ok(answer.with_metadata(&metadata))
}

/// The bare value, guarded against browsers that would take it for a page.
fn raw(entry: &DirEntry) -> Reply {
    let text = HeaderValue::from_static("text/plain");
    let mut reply = Reply::bytes(StatusCode::OK, Some(text), entry.value.clone());
    reply.headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply.headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    reply
}

async fn tree(call: &Call, options: QueryOptions) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let token = options.token.clone();
    let key = Key::from(call.argument());
    let reply = ask::<KvList, _>(call, KeyRequest { key, options }).await?;
    let metadata = metadata(reply.meta, None, &token);
    let answer = if reply.value.is_empty() {
        Reply::status(StatusCode::NOT_FOUND)
    } else if call.pretty() {
        Reply::json(&reply.value, true)?
    } else {
        Reply::written_json(kv_json::entries(&reply.value))
    };
    Ok(answer.with_metadata(&metadata))
}

async fn keys(call: &Call, options: QueryOptions) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let token = options.token.clone();
    let prefix = Key::from(call.argument());
    let of_everything = prefix.is_empty();
    // The second spelling is an old misprint that clients use.
    let name = if call.query.has("separator") { "separator" } else { "seperator" };
    let separator = call.query.bytes(name).to_vec();
    let reply = ask::<KvListKeys, _>(call, KeyListRequest { prefix, separator, options }).await?;
    let metadata = metadata(reply.meta, None, &token);
    let answer = if reply.value.is_empty() && !of_everything {
        Reply::status(StatusCode::NOT_FOUND)
    } else if call.pretty() {
        Reply::json(&reply.value, true)?
    } else {
        Reply::written_json(kv_json::keys(&reply.value))
    };
    Ok(answer.with_metadata(&metadata))
}

/// Writes an entry.
pub(crate) async fn put(call: &mut Call) -> Answer {
    let options = call.options()?;
    call.refuse_enterprise(Enterprise::Both)?;
    let mut entry = DirEntry { key: Key::from(call.argument()), ..DirEntry::default() };
    if entry.key.is_empty() {
        return Err(Failure::bad_request(MISSING_KEY));
    }
    refuse_conflicts(call, &["cas", "acquire", "release"])?;
    if call.query.has("flags") {
        entry.flags = number(call, "flags")?;
    }
    let mut op = KvOp::Set;
    if call.query.has("cas") {
        entry.modify_index = number(call, "cas")?;
        op = KvOp::Cas;
    }
    if call.query.has("acquire") {
        entry.session = call.query.text("acquire").into_owned();
        op = KvOp::Lock;
    }
    if call.query.has("release") {
        entry.session = call.query.text("release").into_owned();
        op = KvOp::Unlock;
    }
    let longest = call.door.settings.kv_max_value_size;
    if let Some(length) = call.content_length().filter(|length| *length > longest) {
        call.drain_body(DRAINED_BYTES).await;
        return Err(too_large(length, longest, "kv_max_value_size"));
    }
    entry.value = call.read_body().await?;
    apply(call, options, op, entry, op != KvOp::Set).await
}

/// Deletes an entry or a prefix.
pub(crate) async fn delete(call: &mut Call) -> Answer {
    let options = call.options()?;
    call.refuse_enterprise(Enterprise::Both)?;
    refuse_conflicts(call, &["recurse", "cas"])?;
    let mut entry = DirEntry { key: Key::from(call.argument()), ..DirEntry::default() };
    if call.query.has("recurse") {
        return apply(call, options, KvOp::DeleteTree, entry, false).await;
    }
    if entry.key.is_empty() {
        return Err(Failure::bad_request(MISSING_KEY));
    }
    if call.query.has("cas") {
        entry.modify_index = number(call, "cas")?;
        return apply(call, options, KvOp::DeleteCas, entry, true).await;
    }
    apply(call, options, KvOp::Delete, entry, false).await
}

/// Runs a write. An unconditional one answers `true` whatever happened.
async fn apply(call: &Call, options: QueryOptions, op: KvOp, entry: DirEntry, conditional: bool) -> Answer {
    let QueryOptions { datacenter, token, .. } = options;
    let request = KvRequest { datacenter, op: op.as_str().to_owned(), dir_ent: entry, token };
    let done = call.door.agent.call::<KvApply>(request).await?;
    Ok(Reply::boolean(done || !conditional, call.pretty()))
}

fn number(call: &Call, name: &str) -> Result<u64, Failure> {
    parse_uint(&call.query.text(name)).map_err(Failure::internal)
}

fn refuse_conflicts(call: &Call, names: &[&str]) -> Result<(), Failure> {
    if names.iter().filter(|name| call.query.has(name)).count() < 2 {
        return Ok(());
    }
    Err(Failure::bad_request(format!("Conflicting flags: {}", call.query.encode_sorted())))
}

/// 413 in the reference's words; `setting` is the limit's name in the configuration.
pub(super) fn too_large(length: u64, longest: u64, setting: &str) -> Failure {
    let text = format!(
        "Request body({length} bytes) too large, max size: {longest} bytes. See https://www.consul.io/docs/agent/config/config-files#{setting}."
    );
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text)
}
