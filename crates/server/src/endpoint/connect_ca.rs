//! The mesh's certificate authority (`docs/spec/connect.md` §1.6).

use state::{Snapshot, Topic};
use types::method::{ConnectCaRoots, DatacenterRequest, Indexed};
use types::{CaRoots, RpcError};

use crate::server::{Handle, Server};

impl Handle<ConnectCaRoots> for Server {
    /// The roots, once the authority has a name. A read that waits also waits for that.
    async fn handle(&self, request: DatacenterRequest) -> Result<Indexed<CaRoots>, RpcError> {
        if !self.shared.config.connect.enabled {
            return Err(RpcError::other("Connect must be enabled in order to use this endpoint"));
        }
        let topics = || vec![Topic::ca_roots(), Topic::ca_config()];
        let found = self.shared.read(&request.options, topics, roots).await?;
        let value = found.value.ok_or_else(|| RpcError::other("CA has not finished initializing"))?;
        Ok(Indexed { value, meta: found.meta })
    }
}

fn roots(snapshot: &Snapshot) -> (u64, Option<CaRoots>) {
    let (roots_index, roots) = snapshot.ca_roots();
    let (config_index, config) = snapshot.ca_config();
    let index = roots_index.max(config_index);
    let Some(config) = config.filter(|config| !config.cluster_id.is_empty()) else { return (index, None) };
    let active = roots.iter().find(|root| root.active);
    let found = CaRoots {
        active_root_id: active.map(|root| root.id.clone()).unwrap_or_default(),
        trust_domain: pki::trust_domain(&config.cluster_id),
        roots,
    };
    (index, Some(found))
}
