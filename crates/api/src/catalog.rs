//! Nodes and services of the datacenter (`docs/spec/http-api.md §4`).

mod service;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::service::{
    AgentService, CatalogService, Expose, ExposePath, MeshGateway, Proxy, ServiceAddress, ServiceConnect,
    ServiceWeights, TransparentProxy, Upstream,
};
use crate::{
    Client, HealthCheck, QueryMeta, QueryOptions, Result, Watch, WriteOptions,
    go::{self, is_default},
};

/// Nodes and services; [`Client::catalog`] makes one.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) client: Client,
}

/// A node of the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Node {
    /// UUID of the node; may be empty.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the node.
    pub node: String,
    /// Its address.
    pub address: String,
    /// Its datacenter.
    pub datacenter: String,
    /// Addresses by purpose: `lan`, `wan`, `lan_ipv4`, …
    #[serde(with = "go::null_map")]
    pub tagged_addresses: BTreeMap<String, String>,
    /// Free for users.
    #[serde(with = "go::null_map")]
    pub meta: BTreeMap<String, String>,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
    /// Admin partition; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    /// Peering the node was imported through.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer_name: String,
}

/// One node and its services by ID.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CatalogNode {
    /// The node.
    pub node: Node,
    /// Its services by ID.
    #[serde(deserialize_with = "go::null_default")]
    pub services: BTreeMap<String, AgentService>,
}

/// One node and its services as a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CatalogNodeServices {
    /// The node; `None` when there is no such node.
    pub node: Option<Node>,
    /// Its services.
    #[serde(deserialize_with = "go::null_default")]
    pub services: Vec<AgentService>,
}

/// A service linked to a gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GatewayService {
    /// The gateway.
    pub gateway: CompoundName,
    /// The service.
    pub service: CompoundName,
    /// `ingress-gateway` or `terminating-gateway`.
    pub gateway_kind: String,
    /// Port of the listener (ingress only).
    #[serde(skip_serializing_if = "is_default")]
    pub port: u16,
    /// Protocol of the listener (ingress only).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// Host names of the listener (ingress only).
    #[serde(with = "go::null_list", skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// CA file the gateway checks the service with (terminating only).
    #[serde(rename = "CAFile", skip_serializing_if = "String::is_empty")]
    pub ca_file: String,
    /// Certificate file of the gateway (terminating only).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cert_file: String,
    /// Key file of the gateway (terminating only).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key_file: String,
    /// TLS server name (terminating only).
    #[serde(rename = "SNI", skip_serializing_if = "String::is_empty")]
    pub sni: String,
    /// Linked by the wildcard `*`.
    #[serde(skip_serializing_if = "is_default")]
    pub from_wildcard: bool,
    /// `service` or `destination`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service_kind: String,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

/// A service name with its enterprise scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CompoundName {
    /// The name.
    pub name: String,
    /// Namespace; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Admin partition; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
}

/// A node, with or without a service and checks, to put into the catalog directly.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CatalogRegistration {
    /// UUID of the node; an empty one clears the stored one.
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Name of the node; required.
    pub node: String,
    /// Its address; required unless `skip_node_update`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Addresses by purpose.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tagged_addresses: BTreeMap<String, String>,
    /// Free for users.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_meta: BTreeMap<String, String>,
    /// Datacenter; the agent's own when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub datacenter: String,
    /// A service of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<AgentService>,
    /// Checks of the node or its services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<HealthCheck>,
    /// Leaves the node itself as it is.
    #[serde(skip_serializing_if = "is_default")]
    pub skip_node_update: bool,
}

/// What to take out of the catalog: a service, a check, or with neither the whole node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CatalogDeregistration {
    /// Name of the node; required.
    pub node: String,
    /// Datacenter; the agent's own when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub datacenter: String,
    /// A service's ID; wins over `check_id`.
    #[serde(rename = "ServiceID", skip_serializing_if = "String::is_empty")]
    pub service_id: String,
    /// A check's ID.
    #[serde(rename = "CheckID", skip_serializing_if = "String::is_empty")]
    pub check_id: String,
}

impl Catalog {
    /// Registers; everything given in one step or nothing.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse),
    /// [`Error::Decode`](crate::Error::Decode).
    pub async fn register(&self, registration: &CatalogRegistration, options: &WriteOptions) -> Result<()> {
        self.client.write_empty("/v1/catalog/register", registration, options).await
    }

    /// Deregisters; what the agents know they register again.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn deregister(&self, deregistration: &CatalogDeregistration, options: &WriteOptions) -> Result<()> {
        self.client.write_empty("/v1/catalog/deregister", deregistration, options).await
    }

    /// Names of the known datacenters, nearest first.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn datacenters(&self) -> Result<Vec<String>> {
        Ok(self.read("/v1/catalog/datacenters", &QueryOptions::new()).await?.0)
    }

    /// Nodes; honours `near`, `node_meta` and `filter`.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn nodes(&self, options: &QueryOptions) -> Result<(Vec<Node>, QueryMeta)> {
        self.read("/v1/catalog/nodes", options).await
    }

    /// Service names with the union of their tags.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn services(&self, options: &QueryOptions) -> Result<(BTreeMap<String, Vec<String>>, QueryMeta)> {
        self.read("/v1/catalog/services", options).await
    }

    /// Instances of a service that have all of `tags`.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn service(
        &self,
        name: &str,
        tags: &[&str],
        options: &QueryOptions,
    ) -> Result<(Vec<CatalogService>, QueryMeta)> {
        let request = self.client.get(format!("/v1/catalog/service/{name}"));
        let request = tags.iter().fold(request, |request, tag| request.param("tag", *tag));
        let (instances, meta) =
            request.query_options(options).send().await?.ok().await?.json_with_meta::<Option<_>>().await?;
        Ok((instances.unwrap_or_default(), meta))
    }

    /// Mesh-capable instances of a service: its proxies, or itself where it is native.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn connect(&self, name: &str, options: &QueryOptions) -> Result<(Vec<CatalogService>, QueryMeta)> {
        self.read(&format!("/v1/catalog/connect/{name}"), options).await
    }

    /// One node and its services by ID; `None` when there is no such node.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn node(&self, node: &str, options: &QueryOptions) -> Result<(Option<CatalogNode>, QueryMeta)> {
        self.client.query(&format!("/v1/catalog/node/{node}"), options).await
    }

    /// One node and its services as a list.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn node_services(&self, node: &str, options: &QueryOptions) -> Result<(CatalogNodeServices, QueryMeta)> {
        self.client.query(&format!("/v1/catalog/node-services/{node}"), options).await
    }

    /// Services linked to a gateway.
    ///
    /// # Errors
    /// As [`Catalog::register`].
    pub async fn gateway_services(
        &self,
        gateway: &str,
        options: &QueryOptions,
    ) -> Result<(Vec<GatewayService>, QueryMeta)> {
        self.read(&format!("/v1/catalog/gateway-services/{gateway}"), options).await
    }

    /// Follows the nodes.
    pub fn watch_nodes(&self, options: QueryOptions) -> Watch<Vec<Node>> {
        let catalog = self.clone();
        Watch::new(options, move |options| {
            let catalog = catalog.clone();
            async move { catalog.nodes(&options).await }
        })
    }

    /// Follows the service names and tags.
    pub fn watch_services(&self, options: QueryOptions) -> Watch<BTreeMap<String, Vec<String>>> {
        let catalog = self.clone();
        Watch::new(options, move |options| {
            let catalog = catalog.clone();
            async move { catalog.services(&options).await }
        })
    }

    /// `null` reads as nothing.
    async fn read<T: DeserializeOwned + Default>(&self, path: &str, options: &QueryOptions) -> Result<(T, QueryMeta)> {
        let (data, meta) = self.client.query::<Option<T>>(path, options).await?;
        Ok((data.unwrap_or_default(), meta))
    }
}
