//! `/v1/txn` (`docs/spec/http-api.md` §7).

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use serde::Serialize;
use types::method::{TxnApply, TxnRead, TxnReadRequest};
use types::{QueryMeta, QueryOptions, TxnError, TxnRequest, TxnResponse, TxnResult};

use super::kv::too_large;
use super::txn_body::{self, TxnBodyError};
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply, metadata};

/// How much of a body that is too large is read, so that its sender gets to read the answer.
const DRAINED_BYTES: usize = 16 << 20;

/// Runs operations, all or nothing.
pub(crate) async fn put(call: &mut Call) -> Answer {
    let settings = &call.door.settings;
    let longest_value = settings.kv_max_value_size;
    let longest_body = settings.txn_max_req_len.max(longest_value);
    let body = read_body(call, longest_body).await?;
    let (ops, writes) = txn_body::decode(&body, longest_value).map_err(refusal)?;
    if writes {
        let datacenter = call.datacenter();
        let request = TxnRequest { datacenter, ops, token: call.token() };
        let response = call.door.agent.call::<TxnApply>(request).await?;
        return answer(call, &response, None);
    }
    // A transaction never blocks, whatever the request says.
    let options = QueryOptions { min_index: 0, ..call.options()? };
    let token = options.token.clone();
    let txn = TxnRequest { datacenter: options.datacenter.clone(), ops, token: token.clone() };
    let reply = call.door.agent.call::<TxnRead>(TxnReadRequest { txn, options }).await?;
    let mut answer = answer(call, &reply.value, Some(&reply.meta))?;
    metadata(reply.meta, None, &token).write_freshness(&mut answer.headers);
    Ok(answer)
}

async fn read_body(call: &mut Call, longest: u64) -> Result<Bytes, Failure> {
    if let Some(length) = call.content_length().filter(|length| *length > longest) {
        call.drain_body(DRAINED_BYTES).await;
        return Err(too_large(length, longest, "txn_max_req_len"));
    }
    let mut body = BytesMut::new();
    while let Some(piece) = call.next_piece().await? {
        if (body.len() + piece.len()) as u64 > longest {
            call.drain_body(DRAINED_BYTES).await;
            let text = format!(
                "Request body too large, max size: {longest} bytes. See https://www.consul.io/docs/agent/config/config-files#txn_max_req_len."
            );
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

fn refusal(error: TxnBodyError) -> Failure {
    let status = match error {
        TxnBodyError::Json(_) | TxnBodyError::NullOperation(_) => StatusCode::BAD_REQUEST,
        TxnBodyError::TooManyOperations(_) | TxnBodyError::ValueTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
    };
    Failure::new(status, error.to_string())
}

/// Results or errors, never both; what a read tells about itself stands beside them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Response<'a> {
    results: Option<&'a [TxnResult]>,
    errors: Option<&'a [TxnError]>,
    #[serde(flatten)]
    meta: Option<EmbeddedMeta>,
}

/// Metadata inside a body (`docs/spec/http-api.md` §1.10).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EmbeddedMeta {
    index: u64,
    last_contact: u64,
    known_leader: bool,
    consistency_level: &'static str,
    not_modified: bool,
    backend: u8,
    #[serde(rename = "ResultsFilteredByACLs")]
    results_filtered_by_acls: bool,
}

fn answer(call: &Call, response: &TxnResponse, meta: Option<&QueryMeta>) -> Answer {
    let failed = !response.errors.is_empty();
    let meta = meta.map(|meta| EmbeddedMeta {
        index: meta.index,
        last_contact: u64::try_from(meta.last_contact.as_nanos()).unwrap_or(u64::MAX),
        known_leader: meta.known_leader,
        consistency_level: "",
        not_modified: false,
        backend: 0,
        results_filtered_by_acls: meta.filtered_by_acls,
    });
    let body =
        Response { results: (!failed).then_some(&response.results), errors: failed.then_some(&response.errors), meta };
    let status = if failed { StatusCode::CONFLICT } else { StatusCode::OK };
    Ok(Reply::json(&body, call.pretty())?.with_status(status))
}
