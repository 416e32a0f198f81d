//! User events.

use bytes::Bytes;
use types::RpcError;
use types::method::{EventFire, EventFireRequest};

use crate::server::{Handle, Server};

/// What names of user events begin with in gossip.
const PREFIX: &str = "consul:event:";

impl Handle<EventFire> for Server {
    /// Spreads the event over the datacenter; it comes back to this agent too.
    async fn handle(&self, request: EventFireRequest) -> Result<(), RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        let payload = request.event.to_broadcast().map_err(|e| RpcError::other(e.to_string()))?;
        let name = format!("{PREFIX}{}", request.event.name);
        let fired = self.shared.members.lan().user_event(&name, Bytes::from(payload), false).await;
        fired.map(drop).map_err(|error| RpcError::other(format!("error broadcasting event: {error}")))
    }
}
