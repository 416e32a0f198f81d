//! `/v1/connect/ca/` and `/v1/agent/connect/ca/` (`docs/spec/http-api.md` §13.3, `docs/spec/connect.md` §1.7).

use std::sync::Arc;

use http::StatusCode;
use http::header::{AGE, HeaderName, HeaderValue};
use serde::Serialize;
use types::method::{ConnectCaRoots, DatacenterRequest, Indexed};
use types::{CaRoot, CaRoots, QueryOptions};
use wire::GoTime;

use super::ask;
use super::view::List;
use crate::params::parse_bool;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply, metadata};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const PEM_CHAIN: HeaderValue = HeaderValue::from_static("application/pem-certificate-chain");

/// Roots as everybody may see them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootsView<'a> {
    #[serde(rename = "ActiveRootID")]
    active_root_id: &'a str,
    trust_domain: &'a str,
    roots: Option<List<'a, Arc<CaRoot>, RootView<'a>>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootView<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    serial_number: u64,
    #[serde(rename = "SigningKeyID")]
    signing_key_id: &'a str,
    external_trust_domain: &'a str,
    not_before: GoTime,
    not_after: GoTime,
    root_cert: &'a str,
    intermediate_certs: Option<&'a [String]>,
    active: bool,
    private_key_type: &'a str,
    private_key_bits: i64,
    create_index: u64,
    modify_index: u64,
}

impl<'a> From<&'a CaRoots> for RootsView<'a> {
    fn from(found: &'a CaRoots) -> RootsView<'a> {
        let list = List(&found.roots, |root| RootView::from(&**root));
        RootsView {
            active_root_id: &found.active_root_id,
            trust_domain: &found.trust_domain,
            roots: (!found.roots.is_empty()).then_some(list),
        }
    }
}

impl<'a> From<&'a CaRoot> for RootView<'a> {
    fn from(root: &'a CaRoot) -> RootView<'a> {
        RootView {
            id: &root.id,
            name: &root.name,
            serial_number: root.serial_number,
            signing_key_id: &root.signing_key_id,
            external_trust_domain: &root.external_trust_domain,
            not_before: root.not_before,
            not_after: root.not_after,
            root_cert: &root.root_cert,
            intermediate_certs: (!root.intermediate_certs.is_empty()).then_some(&root.intermediate_certs),
            active: root.active,
            private_key_type: &root.private_key_type,
            private_key_bits: root.private_key_bits,
            create_index: root.create_index,
            modify_index: root.modify_index,
        }
    }
}

/// The roots, as JSON or as PEM.
pub(crate) async fn roots(call: &mut Call) -> Answer {
    let options = call.options()?;
    let as_pem = match &*call.query.text("pem") {
        "" => false,
        text => {
            parse_bool(text).ok_or_else(|| Failure::bad_request("The 'pem' query parameter must be a boolean value"))?
        }
    };
    let token = options.token.clone();
    let reply = read(call, options).await.map_err(Failure::with_zero_metadata)?;
    if as_pem {
        return Ok(Reply::bytes(StatusCode::OK, Some(PEM_CHAIN), chain(&reply.value).into()));
    }
    let json = Reply::json(&RootsView::from(&reply.value), call.pretty())?;
    Ok(json.with_metadata(&metadata(reply.meta, None, &token)))
}

/// The roots, as the agent knows them. It is told of every change at once, so its answer has no age; what it had to
/// wait for counts as a miss.
pub(crate) async fn agent_roots(call: &mut Call) -> Answer {
    let options = call.options()?;
    let token = options.token.clone();
    let known = read(call, QueryOptions { min_index: 0, ..options.clone() }).await?;
    let hit = known.meta.index > options.min_index;
    let reply = if hit { known } else { read(call, options).await? };
    let mut json = Reply::json(&RootsView::from(&reply.value), call.pretty())?;
    json.headers.insert(X_CACHE, HeaderValue::from_static(if hit { "HIT" } else { "MISS" }));
    if hit {
        json.headers.insert(AGE, HeaderValue::from_static("0"));
    }
    Ok(json.with_metadata(&metadata(reply.meta, None, &token)))
}

async fn read(call: &Call, options: QueryOptions) -> Result<Indexed<CaRoots>, Failure> {
    ask::<ConnectCaRoots, _>(call, DatacenterRequest { options, ..DatacenterRequest::default() }).await
}

/// Every root followed by its intermediates.
fn chain(found: &CaRoots) -> String {
    found.roots.iter().flat_map(|root| [&root.root_cert].into_iter().chain(&root.intermediate_certs)).cloned().collect()
}
