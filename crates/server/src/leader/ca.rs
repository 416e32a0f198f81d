//! The mesh's built-in certificate authority: its root is made once for a cluster and kept in the replicated state
//! (`docs/spec/connect.md` §1.3-§1.5).
//!
//! What is stored always wins over the agent's own settings: those only start a cluster that has nothing stored yet.

mod provider;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pki::{Certificate, PkiError, PrivateKey, RootRequest};
use state::Outcome;
use tokio::time::Instant;
use types::connect_ca::ProviderSettings;
use types::{CaConfiguration, CaProviderState, CaRequest, CaRoot, MessageType, RpcError};
use wire::GoTime;

use crate::config::ConnectSettings;
use crate::server::Shared;
use provider::Provider;

/// Name of the built-in provider.
const BUILTIN: &str = "consul";
const ROOT_NAME: &str = "Consul CA Primary Cert";

/// Settings of every new authority unless the agent file says otherwise.
const DEFAULTS: [(&str, &str); 3] =
    [(INTERMEDIATE_CERT_TTL, "8760h"), ("LeafCertTTL", "72h"), ("RootCertTTL", "87600h")];
/// A setting that configurations of old versions lack, and what it is completed with.
const INTERMEDIATE_CERT_TTL: &str = "IntermediateCertTTL";
const COMPLETED_INTERMEDIATE_CERT_TTL: &str = "8760h0m0s";

/// Pauses between tries to bring the authority up; they double up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(256);

/// When the authority, which could not be brought up, is tried again.
#[derive(Debug, Default)]
pub(super) struct Retry {
    at: Option<Instant>,
    pause: Duration,
}

impl Retry {
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Notes a failure; answers the pause until the next try.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.at = Some(now + self.pause);
        self.pause
    }

    pub(super) fn clear(&mut self) {
        *self = Retry::default();
    }
}

/// Makes what the authority still lacks, from a configuration to an active root. Does nothing when all is there.
pub(super) async fn initialize(shared: &Shared) -> Result<(), RpcError> {
    let config = configuration(shared).await?;
    if config.provider != BUILTIN {
        return Err(RpcError::other(format!("this version does not have the CA provider {:?} yet", config.provider)));
    }
    let provider = Provider::parse(&config.config).map_err(RpcError::Other)?;
    let certificate = root_certificate(shared, &config, &provider).await?;
    let root = record(&certificate, &config.cluster_id).map_err(refused)?;
    activate(shared, root, &config).await?;
    tracing::info!(target: "agent.connect.ca", provider = BUILTIN, "initialized primary datacenter CA with provider");
    Ok(())
}

/// The stored configuration; stored first if there is none, or completed if it comes from an old version.
async fn configuration(shared: &Shared) -> Result<Arc<CaConfiguration>, RpcError> {
    let config = match shared.store.snapshot().ca_config().1 {
        None => first_configuration(&shared.config.connect),
        Some(stored) => match completed(&stored) {
            None => return Ok(stored),
            Some(config) => config,
        },
    };
    propose(shared, CaRequest { config: Some(config), ..request("set-config") }).await?;
    let stored = shared.store.snapshot().ca_config().1;
    stored.ok_or_else(|| RpcError::other("the CA configuration was stored and is gone"))
}

fn first_configuration(settings: &ConnectSettings) -> CaConfiguration {
    let defaults = DEFAULTS.into_iter().map(|(name, value)| (name.to_owned(), value.into()));
    let config = defaults.chain(settings.ca_config.0.clone()).collect();
    CaConfiguration {
        cluster_id: settings.cluster_id.clone().unwrap_or_else(new_cluster_id),
        provider: BUILTIN.to_owned(),
        config: ProviderSettings(config),
        ..CaConfiguration::default()
    }
}

/// The configuration with what it lacks; nothing if it lacks nothing.
fn completed(stored: &CaConfiguration) -> Option<CaConfiguration> {
    let has_ttl = stored.config.0.contains_key(INTERMEDIATE_CERT_TTL);
    if has_ttl && !stored.cluster_id.is_empty() {
        return None;
    }
    let mut config = stored.clone();
    if config.cluster_id.is_empty() {
        config.cluster_id = new_cluster_id();
    }
    if !has_ttl {
        config.config.0.insert(INTERMEDIATE_CERT_TTL.to_owned(), COMPLETED_INTERMEDIATE_CERT_TTL.into());
    }
    Some(config)
}

fn new_cluster_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The root certificate that belongs to these settings; made and stored with its key if there is none.
async fn root_certificate(shared: &Shared, config: &CaConfiguration, provider: &Provider) -> Result<String, RpcError> {
    let state = provider_state(shared, provider).await?;
    if !state.root_cert.is_empty() {
        return Ok(state.root_cert);
    }
    let key = match [&provider.private_key, &state.private_key].into_iter().find(|pem| !pem.is_empty()) {
        Some(pem) => PrivateKey::from_pem(pem),
        None => PrivateKey::generate(provider.key_kind),
    };
    let key = key.map_err(refused)?;
    let root_cert = if provider.root_cert.is_empty() {
        self_signed(shared, &key, config, provider).await?
    } else {
        provider.root_cert.clone()
    };
    let private_key = key.to_pem().map_err(refused)?;
    let state = CaProviderState { private_key, root_cert: root_cert.clone(), ..state };
    propose(shared, CaRequest { provider_state: Some(state), ..request("set-provider-state") }).await?;
    Ok(root_cert)
}

/// What is stored for these settings, moved to today's ID if an old version left it under another; empty if nothing is.
async fn provider_state(shared: &Shared, provider: &Provider) -> Result<CaProviderState, RpcError> {
    let [id, older @ ..] = provider.state_ids();
    let snapshot = shared.store.snapshot();
    if let Some(state) = snapshot.ca_provider_state(&id).1 {
        return Ok(CaProviderState::clone(&state));
    }
    let Some(old) = older.iter().find_map(|id| snapshot.ca_provider_state(id).1) else {
        return Ok(CaProviderState { id, ..CaProviderState::default() });
    };
    let old = CaProviderState::clone(&old);
    let moved = CaProviderState { id, ..old.clone() };
    propose(shared, CaRequest { provider_state: Some(moved.clone()), ..request("set-provider-state") }).await?;
    propose(shared, CaRequest { provider_state: Some(old), ..request("delete-provider-state") }).await?;
    Ok(moved)
}

async fn self_signed(
    shared: &Shared,
    key: &PrivateKey,
    config: &CaConfiguration,
    provider: &Provider,
) -> Result<String, RpcError> {
    let Outcome::Serial(serial_number) = propose(shared, request("increment-provider-serial")).await? else {
        return Err(RpcError::other("the CA's serial number has an unexpected form"));
    };
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|e| RpcError::other(e.to_string()))?;
    let root = RootRequest {
        cluster_id: &config.cluster_id,
        serial_number,
        random: uuid::Uuid::new_v4().as_u64_pair().1.cast_signed(),
        not_before: GoTime::from_unix(since_1970.as_secs().cast_signed(), 0),
        ttl: provider.root_cert_ttl,
    };
    root.sign(key).map_err(refused)
}

fn record(certificate: &str, cluster_id: &str) -> Result<CaRoot, PkiError> {
    let read = Certificate::from_pem(certificate)?;
    Ok(CaRoot {
        id: read.id,
        name: ROOT_NAME.to_owned(),
        serial_number: read.serial_number,
        signing_key_id: read.subject_key_id,
        external_trust_domain: cluster_id.to_owned(),
        not_before: read.not_before,
        not_after: read.not_after,
        root_cert: format!("{}\n", certificate.trim_end_matches('\n')),
        active: true,
        private_key_type: read.key.name().to_owned(),
        private_key_bits: read.key.bits().into(),
        ..CaRoot::default()
    })
}

/// Stores the root as the active one, unless it is already.
async fn activate(shared: &Shared, root: CaRoot, config: &CaConfiguration) -> Result<(), RpcError> {
    let (index, stored) = shared.store.snapshot().ca_roots();
    if let Some(active) = stored.iter().find(|stored| stored.active) {
        if active.id == root.id {
            return Ok(());
        }
        return Err(RpcError::other(format!("stored CA root {:?} is not the active root ({})", root.id, active.id)));
    }
    let others = stored.iter().filter(|stored| stored.id != root.id).map(|stored| CaRoot::clone(stored));
    let roots = others.chain([root.clone()]).collect();
    let request = CaRequest { index, roots, config: Some(config.clone()), ..request("set-roots-config") };
    if propose(shared, request).await? == Outcome::Bool(false) {
        return Err(RpcError::other("could not atomically update roots and config"));
    }
    tracing::info!(target: "agent.connect.ca", id = root.id.as_str(), "root certificate of the primary datacenter created");
    Ok(())
}

fn request(op: &str) -> CaRequest {
    CaRequest { op: op.to_owned(), ..CaRequest::default() }
}

async fn propose(shared: &Shared, request: CaRequest) -> Result<Outcome, RpcError> {
    match shared.propose(MessageType::ConnectCa, &request).await? {
        Outcome::Error(text) => Err(RpcError::Other(text)),
        outcome => Ok(outcome),
    }
}

fn refused(error: PkiError) -> RpcError {
    RpcError::other(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut retry = Retry::default();
        let now = Instant::now();
        let pauses: Vec<u64> = (0..9).map(|_| retry.failed(now).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 256]);
        retry.clear();
        assert_eq!((retry.at(), retry.failed(now).as_secs()), (None, 2));
    }

    #[test]
    fn the_agent_s_settings_overwrite_the_defaults() {
        let settings = ConnectSettings {
            enabled: true,
            cluster_id: Some("id".to_owned()),
            ca_config: ProviderSettings([("RootCertTTL".to_owned(), "9000h".into())].into()),
        };
        let config = first_configuration(&settings);
        let values: Vec<_> = config.config.0.iter().map(|(k, v)| (k.as_str(), v.as_str().unwrap())).collect();
        assert_eq!(values, [("IntermediateCertTTL", "8760h"), ("LeafCertTTL", "72h"), ("RootCertTTL", "9000h")]);
        assert_eq!(config.cluster_id, "id");
    }

    #[test]
    fn an_old_configuration_is_completed_and_a_complete_one_left_alone() {
        let old = CaConfiguration { cluster_id: "id".to_owned(), modify_index: 5, ..CaConfiguration::default() };
        let new = completed(&old).unwrap();
        assert_eq!(new.config.0[INTERMEDIATE_CERT_TTL], COMPLETED_INTERMEDIATE_CERT_TTL);
        assert_eq!((new.cluster_id.as_str(), new.modify_index), ("id", 5));
        assert_eq!(completed(&new), None);
    }
}
