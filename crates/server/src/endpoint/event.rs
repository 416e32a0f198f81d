//! User events.

use types::method::{EventFire, EventFireRequest};
use types::{RpcError, event};

use crate::server::{Handle, Server};

impl Handle<EventFire> for Server {
    /// Checks that the event may be spread. With one server there is nobody else to tell: its agent keeps the event.
    async fn handle(&self, request: EventFireRequest) -> Result<(), RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        let payload = request.event.to_broadcast().map_err(|e| RpcError::other(e.to_string()))?;
        // The gossip layer names an event by its prefix and name, and counts both with the payload.
        let size = "consul:event:".len() + request.event.name.len() + payload.len();
        if size > event::EVENT_SIZE_LIMIT_BYTES {
            let limit = event::EVENT_SIZE_LIMIT_BYTES;
            let text = format!("user event exceeds configured limit of {limit} bytes before encoding");
            return Err(RpcError::other(format!("error broadcasting event: {text}")));
        }
        Ok(())
    }
}
