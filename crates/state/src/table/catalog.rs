//! Registration: a node with a service and checks, in one command (`docs/spec/rpc-and-state.md` §7.4).

use types::{DeregisterRequest, HealthCheck, Node, RegisterRequest};

use crate::root::Tx;
use crate::table::node::same_name;

impl Tx<'_> {
    /// Writes the node, then the service, then the checks; the caller drops everything if one is refused.
    pub(crate) fn register(&mut self, request: RegisterRequest) -> Result<(), String> {
        let name = request.node;
        let peer = request.peer_name;
        let node = Node {
            id: request.id,
            node: name.clone(),
            address: request.address,
            datacenter: request.datacenter,
            peer_name: peer.clone(),
            tagged_addresses: request.tagged_addresses,
            meta: request.node_meta,
            create_index: request.create_index,
            modify_index: request.modify_index,
        };
        let keep_node = request.skip_node_update && self.root.nodes.get(&peer, &name).is_some();
        if !keep_node {
            self.set_node(node).map_err(|e| format!("failed inserting node: {e}"))?;
        }
        if let Some(mut service) = request.service {
            service.peer_name.clone_from(&peer);
            self.set_service(&name, service).map_err(|e| format!("failed inserting service: {e}"))?;
        }
        for check in request.check.into_iter().chain(request.checks) {
            self.register_check(&name, &peer, check)?;
        }
        Ok(())
    }

    fn register_check(&mut self, node: &str, peer: &str, check: HealthCheck) -> Result<(), String> {
        let of_node = wire::quote::go_quote(&check.node);
        if !same_name(&check.node, node) || check.peer_name != peer {
            return Err(format!("check node {of_node} does not match node {}", wire::quote::go_quote(node)));
        }
        self.set_check(check).map_err(|e| format!("failed inserting check on node {of_node}: {e}"))
    }

    /// Removes the service if one is named, else the check, else the node. Unknown objects: no-op.
    pub(crate) fn deregister(&mut self, request: &DeregisterRequest) {
        let (peer, node) = (request.peer_name.as_str(), request.node.as_str());
        if !request.service_id.is_empty() {
            self.delete_service(peer, node, &request.service_id);
        } else if !request.check_id.is_empty() {
            self.delete_check(peer, node, &request.check_id);
        } else {
            self.delete_node(peer, node);
        }
    }
}
