//! What an agent tells about itself in gossip (`docs/spec/gossip.md` §18.2).

use std::collections::BTreeMap;

use types::COMPATIBLE_VERSION;

/// What goes into an agent's tags.
#[derive(Clone, Debug, Default)]
pub struct TagSource {
    /// Datacenter, lower case.
    pub datacenter: String,
    /// UUID of the node.
    pub node_id: String,
    /// What only servers tell.
    pub server: Option<ServerTags>,
    /// How long others wait before they forget this client, as a Go duration; empty for their own rule.
    pub reconnect_timeout: String,
}

/// What servers tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerTags {
    /// Server RPC port as bound.
    pub port: u16,
    /// Port of the pool of servers, if there is one; told in the datacenter's pool only.
    pub wan_join_port: Option<u16>,
    /// Plaintext gRPC port, if any.
    pub grpc_port: Option<u16>,
    /// gRPC port with TLS, if any.
    pub grpc_tls_port: Option<u16>,
    /// It starts a cluster by itself.
    pub bootstrap: bool,
    /// How many servers it waits for; 0 for none.
    pub expect: u64,
    /// It never votes.
    pub read_replica: bool,
    /// Its RPC port takes TLS.
    pub use_tls: bool,
    /// Access control is on.
    pub acls: bool,
}

/// The tags of the datacenter's pool.
pub fn lan_tags(source: &TagSource) -> BTreeMap<String, String> {
    let mut tags = wan_tags(source);
    if let Some(port) = source.server.as_ref().and_then(|server| server.wan_join_port) {
        tags.insert("wan_join_port".to_owned(), port.to_string());
    }
    tags
}

/// The tags of the pool of servers.
pub fn wan_tags(source: &TagSource) -> BTreeMap<String, String> {
    let mut tags: BTreeMap<&str, String> = BTreeMap::new();
    let mut tell = |tag, value: &str| drop(tags.insert(tag, value.to_owned()));
    tell("role", if source.server.is_some() { "consul" } else { "node" });
    tell("dc", &source.datacenter);
    tell("segment", "");
    tell("id", &source.node_id);
    tell("vsn", "2");
    tell("vsn_min", "2");
    tell("vsn_max", "3");
    tell("build", &format!("{COMPATIBLE_VERSION}:"));
    if let Some(server) = &source.server {
        tell_server(server, &mut tell);
    } else if !source.reconnect_timeout.is_empty() {
        tell("rc_tm", &source.reconnect_timeout);
    }
    tags.into_iter().map(|(tag, value)| (tag.to_owned(), value)).collect()
}

fn tell_server(server: &ServerTags, tell: &mut impl FnMut(&'static str, &str)) {
    tell("raft_vsn", "3");
    tell("port", &server.port.to_string());
    tell("acls", if server.acls { "1" } else { "0" });
    tell("ft_fs", "1");
    tell("ft_si", "1");
    for (tag, port) in [("grpc_port", server.grpc_port), ("grpc_tls_port", server.grpc_tls_port)] {
        if let Some(port) = port {
            tell(tag, &port.to_string());
        }
    }
    if server.bootstrap {
        tell("bootstrap", "1");
    }
    if server.expect > 0 {
        tell("expect", &server.expect.to_string());
    }
    if server.read_replica {
        tell("nonvoter", "1");
        tell("read_replica", "1");
    }
    if server.use_tls {
        tell("use_tls", "1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(server: Option<ServerTags>) -> TagSource {
        TagSource { datacenter: "dc1".to_owned(), node_id: "id".to_owned(), server, ..TagSource::default() }
    }

    #[test]
    fn a_client_tells_little() {
        let tags = lan_tags(&TagSource { reconnect_timeout: "15m0s".to_owned(), ..source(None) });
        let names: Vec<&str> = tags.keys().map(String::as_str).collect();
        assert_eq!(names, ["build", "dc", "id", "rc_tm", "role", "segment", "vsn", "vsn_max", "vsn_min"]);
        assert_eq!(tags["role"], "node");
    }

    #[test]
    fn a_server_is_recognised_by_its_tags() {
        let server = ServerTags { port: 8300, wan_join_port: Some(8302), expect: 3, ..ServerTags::default() };
        let tags = lan_tags(&source(Some(server)));
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let info = types::server_info::ServerInfo::from_tags("a", address, &tags).unwrap();
        assert_eq!((info.expect, info.address.port()), (3, 8300));
        assert!(!wan_tags(&source(Some(server))).contains_key("wan_join_port"));
    }
}
