//! Prepared queries (`docs/spec/dns.md` §5.3).

use types::method::{PreparedQueryExecute, QueryExecuteReply, QueryExecuteRequest};
use types::{CheckServiceNode, Consistency, GoDuration, QuerySource, RpcError};

use super::{Ask, service};
use crate::answer::{Answer, Origin};
use crate::name::Place;
use crate::ttl;

/// What a server says about a query it does not have.
const NOT_FOUND: &str = "Query not found";

pub(super) async fn find(ask: &Ask<'_>, name: String, place: &Place) -> Result<Answer, RpcError> {
    let found = match execute(ask, name, ask.datacenter(&place.datacenter)).await {
        Err(RpcError::Other(text)) if text.contains(NOT_FOUND) => return Ok(Answer::not_found()),
        found => found?,
    };
    if found.nodes.is_empty() {
        return Ok(Answer::not_found());
    }
    // The query has filtered and sorted them itself.
    let instances: Vec<&CheckServiceNode> = found.nodes.iter().collect();
    let origin = Origin { datacenter: &found.datacenter, peer: &found.peer_name };
    let answer = service::answer_of(ask, origin, ttl_of(ask, &found), &instances).await;
    Ok(Answer { by_subnet: true, ..answer })
}

async fn execute(ask: &Ask<'_>, name: String, datacenter: &str) -> Result<QueryExecuteReply, RpcError> {
    let settings = &ask.live.settings;
    let agent_source = QuerySource {
        datacenter: settings.datacenter.clone(),
        segment: settings.segment.clone(),
        node: settings.node_name.clone(),
    };
    let request = |consistency| QueryExecuteRequest {
        query_id_or_name: name.clone(),
        agent: agent_source.clone(),
        source_ip: ask.source_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        options: ask.options(datacenter, consistency),
        ..QueryExecuteRequest::default()
    };
    let agent = &ask.context.agent;
    let found = agent.call::<PreparedQueryExecute>(request(ask.consistency())).await?;
    if ask.must_read_again(found.meta.last_contact) {
        return agent.call::<PreparedQueryExecute>(request(Consistency::Default)).await;
    }
    Ok(found)
}

/// The query's own time to live, else that of its service as the query spells it.
fn ttl_of(ask: &Ask<'_>, found: &QueryExecuteReply) -> u32 {
    if found.dns.ttl.is_empty() {
        return ask.live.service_ttl.of(&found.service);
    }
    match GoDuration::parse(&found.dns.ttl) {
        Ok(duration) => ttl::seconds(duration.as_std()),
        Err(error) => {
            tracing::warn!(target: "agent.dns", ttl = found.dns.ttl, error = %error,
                "Failed to parse TTL for prepared query , ignoring");
            0
        }
    }
}
