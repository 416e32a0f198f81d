//! `/v1/operator/keyring` (`docs/spec/http-api.md` §10).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use types::method::{InternalKeyringOperation, KeyringRequest, KeyringResponse};
use wire::quote::go_quote;

use super::body::decode;
use crate::params::parse_bool;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

/// Most members that pass an answer on.
const RELAY_FACTOR_MAX: u8 = 5;

/// Keys of all pools, and who has them.
pub(crate) async fn list(call: &mut Call) -> Answer {
    let request = KeyringRequest { operation: "list".to_owned(), ..request(call, true)? };
    let pools = call.door.agent.call::<InternalKeyringOperation>(request).await?;
    if let Some(text) = faults(&pools) {
        return Err(Failure::internal(text));
    }
    let views: Vec<PoolView<'_>> = pools.iter().map(PoolView::from).collect();
    Reply::json(&views, call.pretty())
}

/// Gives every member a key.
pub(crate) async fn install(call: &mut Call) -> Answer {
    change(call, "install").await
}

/// Makes every member encrypt with a key.
pub(crate) async fn use_key(call: &mut Call) -> Answer {
    change(call, "use").await
}

/// Takes a key from every member.
pub(crate) async fn remove(call: &mut Call) -> Answer {
    change(call, "remove").await
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "keyringArgs", rename_all = "PascalCase")]
struct KeyBody {
    key: String,
    token: super::body::Dropped,
    relay_factor: super::body::Dropped,
    local_only: super::body::Dropped,
}

async fn change(call: &mut Call, operation: &str) -> Answer {
    let request = request(call, false)?;
    let bytes = call.read_body().await?;
    let body: KeyBody = decode(&bytes)?;
    let _ = (body.token, body.relay_factor, body.local_only);
    let request = KeyringRequest { operation: operation.to_owned(), key: body.key, ..request };
    let pools = call.door.agent.call::<InternalKeyringOperation>(request).await?;
    match faults(&pools) {
        None => Ok(Reply::empty()),
        Some(text) => Err(Failure::internal(text)),
    }
}

fn request(call: &Call, lists: bool) -> Result<KeyringRequest, Failure> {
    let relay = call.query.text("relay-factor");
    let relay_factor = match relay.as_ref() {
        "" => 0,
        text => text.parse::<i64>().map_err(|_| {
            let cause = format!("strconv.Atoi: parsing {}: invalid syntax", go_quote(text));
            Failure::bad_request(format!("Error parsing relay factor: {cause}"))
        })?,
    };
    let relay_factor = u8::try_from(relay_factor).ok().filter(|factor| *factor <= RELAY_FACTOR_MAX);
    let Some(relay_factor) = relay_factor else {
        let text = "Invalid relay-factor: Relay factor must be in range: [0, 5]";
        return Err(Failure::bad_request(text));
    };
    let local = call.query.text("local-only");
    let local_only = match local.as_ref() {
        "" => false,
        text => parse_bool(text).ok_or_else(|| {
            let cause = format!("strconv.ParseBool: parsing {}: invalid syntax", go_quote(text));
            Failure::bad_request(format!("Error parsing local-only: {cause}"))
        })?,
    };
    if local_only && !lists {
        let text = "Invalid use of local-only: local-only can only be set for list requests";
        return Err(Failure::bad_request(text));
    }
    let mut options = call.options()?;
    // It is about every datacenter, whatever the request names.
    options.datacenter.clear();
    Ok(KeyringRequest { relay_factor, local_only, options, ..KeyringRequest::default() })
}

/// What went wrong in the pools, as one text; nothing if all is well.
fn faults(pools: &[KeyringResponse]) -> Option<String> {
    let mut faults = Vec::new();
    for pool in pools.iter().filter(|pool| !pool.error.is_empty()) {
        let name = if pool.wan { "WAN".to_owned() } else { format!("{} (LAN)", pool.datacenter) };
        faults.push(format!("{name} error: {}", pool.error));
        faults.extend(pool.messages.iter().map(|(node, message)| format!("{node}: {message}")));
    }
    if faults.is_empty() {
        return None;
    }
    let list: String = faults.iter().map(|fault| format!("\n\t* {fault}")).collect();
    let count = if faults.len() == 1 { "1 error".to_owned() } else { format!("{} errors", faults.len()) };
    Some(format!("{count} occurred:{list}\n\n"))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PoolView<'a> {
    #[serde(rename = "WAN")]
    wan: bool,
    datacenter: &'a str,
    segment: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    messages: &'a BTreeMap<String, String>,
    keys: &'a BTreeMap<String, i64>,
    primary_keys: &'a BTreeMap<String, i64>,
    num_nodes: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'a str,
}

impl<'a> From<&'a KeyringResponse> for PoolView<'a> {
    fn from(pool: &'a KeyringResponse) -> PoolView<'a> {
        PoolView {
            wan: pool.wan,
            datacenter: &pool.datacenter,
            segment: &pool.segment,
            messages: &pool.messages,
            keys: &pool.keys,
            primary_keys: &pool.primary_keys,
            num_nodes: pool.num_nodes,
            error: &pool.error,
        }
    }
}
