//! The gossip pools of an agent, and what doors may do with them.

use std::net::IpAddr;
use std::sync::Arc;

use gossip::{Gossip, Member};
use serde_json::{Value, json};
use types::RpcError;

use crate::Agent;

/// The pools an agent is a member of.
#[derive(Clone)]
pub struct Pools {
    /// Every agent of the datacenter.
    pub lan: Gossip,
    /// The servers of all datacenters; only on servers.
    pub wan: Option<Gossip>,
}

/// Names of a member's protocol versions in JSON, in the order of its version vector.
const PROTOCOL_VERSIONS: [&str; 6] =
    ["ProtocolMin", "ProtocolMax", "ProtocolCur", "DelegateMin", "DelegateMax", "DelegateCur"];

/// A member as the HTTP API shows it (`docs/spec/gossip.md` §18.10).
pub fn member_json(member: &Member) -> Value {
    let mut shown = json!({
        "Name": member.name,
        "Addr": plain(member.address).to_string(),
        "Port": member.port,
        "Tags": member.tags,
        "Status": member.status as u8,
    });
    for (name, version) in PROTOCOL_VERSIONS.iter().zip(member.vsn) {
        shown[*name] = json!(version);
    }
    shown
}

/// Without the wrapping of an IPv4 address in an IPv6 one.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl Agent {
    /// The agent's gossip pools.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// This agent as a member of its datacenter.
    pub fn member(&self) -> Arc<Member> {
        self.pools.lan.local_member()
    }

    /// Members of the datacenter, or of the pool of servers; none where there is no such pool.
    pub fn members(&self, wan: bool) -> Option<Arc<Vec<Arc<Member>>>> {
        if wan { self.pools.wan.as_ref().map(Gossip::members) } else { Some(self.pools.lan.members()) }
    }

    /// Makes this agent known to those who are reached at `address`, and them to it.
    ///
    /// # Errors
    /// No address answered, or there is no such pool here.
    pub async fn join(&self, address: &str, wan: bool) -> Result<usize, RpcError> {
        let pool = if wan { self.wan_pool("Must be a server to join WAN cluster")? } else { &self.pools.lan };
        let to = [address.to_owned()];
        tracing::info!(target: "agent", address, "(LAN) joining");
        pool.join(&to, true).await.map_err(RpcError::other)
    }

    /// Makes others treat a node that failed as one that left; `prune` makes them forget it.
    ///
    /// # Errors
    /// No pool has such a node, or nobody heard of it in time.
    pub async fn force_leave(&self, node: &str, prune: bool, only_wan: bool) -> Result<(), RpcError> {
        tracing::info!(target: "agent", node, "Force leaving node");
        if only_wan {
            let refused = "Must be a server to force-leave a node from the WAN cluster";
            let wan = self.wan_pool(refused)?;
            return match knows(wan, node) {
                true => wan.force_leave(node, prune).await.map_err(RpcError::other),
                // The name is lost in the reference's answer too.
                false => Err(unknown("")),
            };
        }
        let in_lan = knows(&self.pools.lan, node);
        let wan_name = self.wan_name(node);
        let wan = self.pools.wan.as_ref().filter(|wan| knows(wan, &wan_name));
        if !in_lan && wan.is_none() {
            return Err(unknown(node));
        }
        if in_lan {
            self.pools.lan.force_leave(node, prune).await.map_err(RpcError::other)?;
        }
        match wan {
            Some(wan) => wan.force_leave(&wan_name, prune).await.map_err(RpcError::other),
            None => Ok(()),
        }
    }

    fn wan_pool(&self, refusal: &str) -> Result<&Gossip, RpcError> {
        match &self.pools.wan {
            Some(wan) => Ok(wan),
            None if self.identity().server => Err(RpcError::other("WAN Federation is disabled")),
            None => Err(RpcError::other(refusal)),
        }
    }

    /// A server's name in the pool of servers.
    fn wan_name(&self, node: &str) -> String {
        let suffix = format!(".{}", self.identity().datacenter);
        if node.ends_with(&suffix) { node.to_owned() } else { format!("{node}{suffix}") }
    }
}

fn unknown(node: &str) -> RpcError {
    RpcError::other(format!("agent: No node found with name '{node}'"))
}

fn knows(pool: &Gossip, node: &str) -> bool {
    pool.members().iter().any(|member| member.name.eq_ignore_ascii_case(node))
}
