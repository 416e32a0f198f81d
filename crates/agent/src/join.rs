//! Finding others at the start (`docs/spec/gossip.md` §18.7).

use std::time::Duration;

use gossip::Gossip;
use tokio_util::sync::CancellationToken;

/// Where and how often others are looked for.
#[derive(Clone, Debug)]
pub struct RetryJoin {
    /// Addresses; each is resolved anew for every try.
    pub addresses: Vec<String>,
    /// Between two tries.
    pub interval: Duration,
    /// Tries after the first one; 0 for without end.
    pub max: u64,
    /// `LAN` or `WAN`, for the log.
    pub cluster: &'static str,
}

/// Nobody was found in as many tries as are allowed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("agent: max join {cluster} retry exhausted, exiting")]
pub struct Exhausted {
    cluster: &'static str,
}

/// Tries until one address answers. Returns without a result when the agent stops.
///
/// # Errors
/// [`Exhausted`].
pub async fn retry_join(pool: Gossip, plan: RetryJoin, stopping: CancellationToken) -> Result<(), Exhausted> {
    if plan.addresses.is_empty() {
        return Ok(());
    }
    let cluster = plan.cluster;
    tracing::info!(target: "agent", cluster, "Joining cluster...");
    let mut tries = 0;
    loop {
        let joined = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            joined = try_join(&pool, &plan.addresses) => joined,
        };
        let error = match joined {
            Ok(agents) => {
                let num_agents = agents;
                tracing::info!(target: "agent", cluster, num_agents, "Join cluster completed. Synced with initial agents");
                return Ok(());
            }
            Err(error) => error,
        };
        tries += 1;
        if plan.max > 0 && tries > plan.max {
            return Err(Exhausted { cluster });
        }
        let retry_interval = plan.interval;
        tracing::warn!(target: "agent", cluster, retry_interval = ?retry_interval, error, "Join cluster failed, will retry");
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(plan.interval) => {}
        }
    }
}

/// One try. Addresses that ask a cloud for members are refused one by one: the others still count.
async fn try_join(pool: &Gossip, addresses: &[String]) -> Result<usize, String> {
    let mut plain = Vec::new();
    for address in addresses {
        match provider(address) {
            None => plain.push(address.clone()),
            Some(provider) => {
                tracing::error!(target: "agent", provider, "discovery by this provider is not there yet");
            }
        }
    }
    if plain.is_empty() {
        return Err("No servers to join".to_owned());
    }
    tracing::info!(target: "agent", lan_addresses = ?plain, "(LAN) joining");
    pool.join(&plain, true).await
}

/// The provider that an address wants to be asked, if any.
fn provider(address: &str) -> Option<&str> {
    address.split_whitespace().find_map(|part| part.strip_prefix("provider="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_told_from_addresses() {
        assert_eq!(provider("10.0.0.1:8301"), None);
        assert_eq!(provider("provider=aws tag_key=x"), Some("aws"));
        assert_eq!(provider("tag_key=x provider=k8s"), Some("k8s"));
    }
}
