//! Nodes by name or by the beginning of their ID (`docs/spec/dns.md` §5.1).

use std::sync::Arc;

use types::method::{CatalogNodeServices, NodeRequest};
use types::{Consistency, Node, RpcError};

use super::Ask;
use crate::address::{self, Accept, fits, parse_ip};
use crate::answer::{Answer, translation};
use crate::codec::{Kind, Name, Rcode};
use crate::message::{Data, Record};
use crate::name::Place;
use crate::{external, txt};

pub(super) async fn find(ask: &Ask<'_>, name: &str, place: &Place) -> Result<Answer, RpcError> {
    if !matches!(ask.kind, Kind::A | Kind::AAAA | Kind::ANY | Kind::TXT) {
        return Ok(Answer::empty(Rcode::NoError));
    }
    // There are no peers yet.
    if !place.peer.is_empty() {
        return Ok(Answer::not_found());
    }
    let Some(node) = read(ask, name, ask.datacenter(&place.datacenter)).await? else { return Ok(Answer::not_found()) };
    let ttl = ask.live.node_ttl;
    let mut answer = Answer::empty(Rcode::NoError);
    if ask.kind != Kind::TXT {
        answer.answer = records(ask, &node, ask.name, ask.kind).await;
    }
    match ask.kind {
        Kind::TXT | Kind::ANY => answer.answer.extend(txt::records(&node, ask.name, ttl)),
        _ if ask.live.settings.node_meta_txt => answer.additional.extend(txt::records(&node, ask.name, ttl)),
        _ => {}
    }
    Ok(answer)
}

async fn read(ask: &Ask<'_>, name: &str, datacenter: &str) -> Result<Option<Arc<Node>>, RpcError> {
    let request = |consistency| NodeRequest { node: name.to_owned(), options: ask.options(datacenter, consistency) };
    let agent = &ask.context.agent;
    let mut found = agent.call::<CatalogNodeServices>(request(ask.consistency())).await?;
    if ask.must_read_again(found.meta.last_contact) {
        found = agent.call::<CatalogNodeServices>(request(Consistency::Default)).await?;
    }
    Ok(found.value.map(|services| services.node))
}

/// The records of a node's address. A node whose address is a name stands for it (`docs/spec/dns.md` §8.1).
pub(super) async fn records(ask: &Ask<'_>, node: &Node, owner: &Name, kind: Kind) -> Vec<Record> {
    let record = |data| Record { owner: owner.clone(), ttl: ask.live.node_ttl, data };
    let address = address::of_node(node, Accept::of(kind), translation(&ask.live.settings));
    if address.is_empty() {
        return Vec::new();
    }
    if let Some(ip) = parse_ip(address) {
        return if fits(ip, kind) { vec![record(Data::of_ip(ip))] } else { Vec::new() };
    }
    let target = Name::new(&node.address);
    let mut records = vec![record(Data::Cname(target.clone()))];
    records.extend(external::resolve(ask, &target).await);
    records
}
