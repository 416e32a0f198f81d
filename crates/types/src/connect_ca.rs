//! The certificate authority of the service mesh: its roots, its configuration, the secret state of the built-in one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wire::GoTime;

use crate::service::ConfigMap;
use crate::shape::{is_zero, null_if_empty};

/// A root certificate and what is known of it (`docs/spec/connect.md` §1.5).
///
/// The reference has two more fields, `SigningCert` and `SigningKey`, that it never fills.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaRoot {
    /// SHA-1 of the certificate, colon-separated hex.
    #[serde(rename = "ID")]
    pub id: String,
    /// For people.
    #[serde(rename = "Name")]
    pub name: String,
    /// The certificate's.
    #[serde(rename = "SerialNumber")]
    pub serial_number: u64,
    /// Name of the key that signs leaf certificates, colon-separated hex.
    #[serde(rename = "SigningKeyID")]
    pub signing_key_id: String,
    /// The trust domain without its suffix: the cluster's ID.
    #[serde(rename = "ExternalTrustDomain")]
    pub external_trust_domain: String,
    /// Start of its validity.
    #[serde(rename = "NotBefore")]
    pub not_before: GoTime,
    /// End of its validity.
    #[serde(rename = "NotAfter")]
    pub not_after: GoTime,
    /// The certificate in PEM, with a line end after it.
    #[serde(rename = "RootCert")]
    pub root_cert: String,
    /// Certificates between a leaf and this root, in PEM.
    #[serde(rename = "IntermediateCerts", serialize_with = "null_if_empty")]
    pub intermediate_certs: Vec<String>,
    /// Whether leaf certificates are signed under it; true for one root.
    #[serde(rename = "Active")]
    pub active: bool,
    /// When another root became active; never shown over HTTP.
    #[serde(rename = "RotatedOutAt", skip_serializing_if = "is_zero")]
    pub rotated_out_at: GoTime,
    /// `ec` or `rsa`.
    #[serde(rename = "PrivateKeyType")]
    pub private_key_type: String,
    /// Length of its key.
    #[serde(rename = "PrivateKeyBits")]
    pub private_key_bits: i64,
    /// Index of creation.
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    /// Index of the last change.
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}

/// Settings of a provider by name, kept exactly as given. They may hold keys and tokens: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderSettings(pub ConfigMap);

impl fmt::Debug for ProviderSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How the authority works. Only the agent file of the very first leader counts; afterwards this does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaConfiguration {
    /// UUID of the cluster, the first label of its trust domain.
    #[serde(rename = "ClusterID")]
    pub cluster_id: String,
    /// `consul`, `vault` or `aws-pca`.
    #[serde(rename = "Provider")]
    pub provider: String,
    /// The provider's settings.
    #[serde(rename = "Config", serialize_with = "null_if_empty")]
    pub config: ProviderSettings,
    /// What the provider wants to remember.
    #[serde(rename = "State", serialize_with = "null_if_empty")]
    pub state: BTreeMap<String, String>,
    /// Let a new root take over without a certificate from the old one.
    #[serde(rename = "ForceWithoutCrossSigning")]
    pub force_without_cross_signing: bool,
    /// Index of creation.
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    /// Index of the last change.
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}

/// What the built-in provider remembers. A secret that never leaves the servers: `Debug` does not show the key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaProviderState {
    /// Hash of the settings it was made for.
    #[serde(rename = "ID")]
    pub id: String,
    /// The signing key in PEM.
    #[serde(rename = "PrivateKey")]
    pub private_key: String,
    /// The root certificate in PEM.
    #[serde(rename = "RootCert")]
    pub root_cert: String,
    /// In a secondary datacenter, the certificate that signs there.
    #[serde(rename = "IntermediateCert")]
    pub intermediate_cert: String,
    /// Index of creation.
    #[serde(rename = "CreateIndex")]
    pub create_index: u64,
    /// Index of the last change.
    #[serde(rename = "ModifyIndex")]
    pub modify_index: u64,
}

impl fmt::Debug for CaProviderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaProviderState")
            .field("id", &self.id)
            .field("root_cert", &self.root_cert)
            .finish_non_exhaustive()
    }
}

/// Command 13 of the replicated log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CaRequest {
    /// `set-config`, `set-roots`, `set-roots-config`, `set-provider-state`, `delete-provider-state` or
    /// `increment-provider-serial`.
    pub op: String,
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// Roots are replaced only if this is their table's index.
    pub index: u64,
    /// All roots there shall be.
    #[serde(serialize_with = "null_if_empty")]
    pub roots: Vec<CaRoot>,
    /// The configuration; one with a modify index replaces only one with the same.
    pub config: Option<CaConfiguration>,
    /// The provider's state; only its ID matters for deleting.
    pub provider_state: Option<CaProviderState>,
    /// Secret of the caller's token.
    pub token: String,
}

/// What mesh members need to know of the authority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaRoots {
    /// ID of the root that signs; empty while there is none.
    pub active_root_id: String,
    /// Host of every identity in the mesh.
    pub trust_domain: String,
    /// Every root that is still trusted.
    pub roots: Vec<Arc<CaRoot>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let state = CaProviderState { private_key: "secret".into(), ..CaProviderState::default() };
        let settings = ProviderSettings(ConfigMap::from([("Token".to_owned(), "secret".into())]));
        let config = CaConfiguration { config: settings, ..CaConfiguration::default() };
        let request = CaRequest { config: Some(config), provider_state: Some(state), ..CaRequest::default() };
        let text = format!("{request:?}");
        assert!(text.contains("Token") && !text.contains("secret"), "{text}");
    }
}
