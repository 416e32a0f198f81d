//! Virtual IPs of services in the mesh (`docs/spec/dns.md` §5.4).

use types::method::{CatalogVirtualIpForService, ServiceRequest};
use types::{Consistency, RpcError};

use super::Ask;
use crate::address::parse_ip;
use crate::answer::Answer;
use crate::codec::Rcode;
use crate::message::{Data, Record};

/// One address record whatever the type, or nothing. The leader is asked: the address may have been assigned just now.
pub(super) async fn find(ask: &Ask<'_>, service: String, peer: &str) -> Result<Answer, RpcError> {
    let mut answer = Answer::empty(Rcode::NoError);
    // There are no peers yet.
    if !peer.is_empty() {
        return Ok(answer);
    }
    let options = ask.options(&ask.live.settings.datacenter, Consistency::Default);
    let request = ServiceRequest { service, options, ..ServiceRequest::default() };
    let address = ask.context.agent.call::<CatalogVirtualIpForService>(request).await?;
    if let Some(ip) = parse_ip(&address) {
        answer.answer.push(Record { owner: ask.lower_owner(), ttl: ask.live.node_ttl, data: Data::of_ip(ip) });
    }
    Ok(answer)
}
