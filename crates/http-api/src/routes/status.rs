//! `/v1/status/` (`docs/spec/http-api.md` §9).

use types::method::{StatusLeader, StatusPeers};

use crate::pipeline::Call;
use crate::reply::{Answer, Reply};

/// Address of the leader.
pub(crate) async fn leader(call: &mut Call) -> Answer {
    let options = call.options()?;
    let address = call.door.agent.call::<StatusLeader>(options.datacenter).await?;
    Reply::json(&address, call.pretty())
}

/// Addresses of all servers.
pub(crate) async fn peers(call: &mut Call) -> Answer {
    let options = call.options()?;
    let addresses = call.door.agent.call::<StatusPeers>(options.datacenter).await?;
    Reply::json(&addresses, call.pretty())
}
