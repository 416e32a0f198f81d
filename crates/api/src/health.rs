//! Health checks and healthy instances (`docs/spec/http-api.md §5`).

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{AgentService, Client, Node, QueryMeta, QueryOptions, Result, Watch, go};

/// Health checks and healthy instances; [`Client::health`] makes one.
#[derive(Clone, Debug)]
pub struct Health {
    pub(crate) client: Client,
}

/// A health check as the servers keep it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthCheck {
    /// Name of the node.
    pub node: String,
    /// ID, unique on its node.
    #[serde(rename = "CheckID")]
    pub check_id: String,
    /// Name for people.
    pub name: String,
    /// `passing`, `warning` or `critical`.
    pub status: String,
    /// Free text of whoever registered it.
    pub notes: String,
    /// Output of the last run.
    pub output: String,
    /// The service it checks; empty for the node.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    /// Name of that service.
    pub service_name: String,
    /// Tags of that service.
    #[serde(deserialize_with = "go::null_default")]
    pub service_tags: Vec<String>,
    /// `http`, `tcp`, `ttl`, …
    #[serde(rename = "Type")]
    pub kind: String,
    /// Namespace; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Admin partition; never set by the open-source reference.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub partition: String,
    /// Port the check is exposed on by a proxy; 0 for none.
    pub exposed_port: i64,
    /// Peering the check was imported through.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer_name: String,
    /// How it is run.
    #[serde(deserialize_with = "go::null_default")]
    pub definition: CheckDefinition,
    /// Raft index of the creation.
    pub create_index: u64,
    /// Raft index of the last change.
    pub modify_index: u64,
}

/// How a check is run. Written with every member, zero ones too, as the reference's client does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CheckDefinition {
    /// Time between runs.
    #[serde(with = "go::duration_text")]
    pub interval: Duration,
    /// Longest time of one run.
    #[serde(with = "go::duration_text")]
    pub timeout: Duration,
    /// Deregister the service after being critical for this long; zero for never.
    #[serde(with = "go::duration_text")]
    pub deregister_critical_service_after: Duration,
    /// URL to ask.
    #[serde(rename = "HTTP")]
    pub http: String,
    /// Request headers.
    #[serde(with = "go::null_map")]
    pub header: BTreeMap<String, Vec<String>>,
    /// HTTP method.
    pub method: String,
    /// Request body.
    pub body: String,
    /// Name expected in the certificate.
    #[serde(rename = "TLSServerName")]
    pub tls_server_name: String,
    /// Accept any certificate.
    #[serde(rename = "TLSSkipVerify")]
    pub tls_skip_verify: bool,
    /// Address to connect to.
    #[serde(rename = "TCP")]
    pub tcp: String,
    /// Address to send a datagram to.
    #[serde(rename = "UDP")]
    pub udp: String,
    /// gRPC health endpoint.
    #[serde(rename = "GRPC")]
    pub grpc: String,
    /// Service of the operating system.
    #[serde(rename = "OSService")]
    pub os_service: String,
    /// gRPC over TLS.
    #[serde(rename = "GRPCUseTLS")]
    pub grpc_use_tls: bool,
}

/// One instance with its node and the checks of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceEntry {
    /// The node.
    pub node: Node,
    /// The instance.
    pub service: AgentService,
    /// Checks of the node and of the instance.
    #[serde(deserialize_with = "go::null_default")]
    pub checks: Vec<HealthCheck>,
}

/// Which instances [`Health::service`] returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceQuery {
    /// Name of the service.
    pub name: String,
    /// Tags an instance must all have.
    pub tags: Vec<String>,
    /// Only instances whose checks all pass.
    pub passing: bool,
}

impl ServiceQuery {
    /// Every instance of the service.
    pub fn new(name: impl Into<String>) -> Self {
        ServiceQuery { name: name.into(), ..ServiceQuery::default() }
    }

    /// Adds a required tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Only instances whose checks all pass.
    pub fn passing(mut self) -> Self {
        self.passing = true;
        self
    }
}

/// A bare name is every instance.
impl From<&str> for ServiceQuery {
    fn from(name: &str) -> Self {
        ServiceQuery::new(name)
    }
}

impl Health {
    /// Checks of a node.
    ///
    /// # Errors
    /// [`Error::Transport`](crate::Error::Transport), [`Error::UnexpectedResponse`](crate::Error::UnexpectedResponse),
    /// [`Error::Decode`](crate::Error::Decode).
    pub async fn node(&self, node: &str, options: &QueryOptions) -> Result<(Vec<HealthCheck>, QueryMeta)> {
        self.read(&format!("/v1/health/node/{node}"), options).await
    }

    /// Checks of a service.
    ///
    /// # Errors
    /// As [`Health::node`].
    pub async fn checks(&self, service: &str, options: &QueryOptions) -> Result<(Vec<HealthCheck>, QueryMeta)> {
        self.read(&format!("/v1/health/checks/{service}"), options).await
    }

    /// Checks in a state: `any`, `passing`, `warning`, `critical`.
    ///
    /// # Errors
    /// As [`Health::node`]; [`Error::InvalidArgument`](crate::Error::InvalidArgument) for any other state.
    pub async fn state(&self, state: &str, options: &QueryOptions) -> Result<(Vec<HealthCheck>, QueryMeta)> {
        if !matches!(state, "any" | "passing" | "warning" | "critical") {
            return Err(crate::Error::InvalidArgument(format!("Unsupported state: {state}")));
        }
        self.read(&format!("/v1/health/state/{state}"), options).await
    }

    /// Instances of a service.
    ///
    /// # Errors
    /// As [`Health::node`].
    pub async fn service(
        &self,
        query: impl Into<ServiceQuery>,
        options: &QueryOptions,
    ) -> Result<(Vec<ServiceEntry>, QueryMeta)> {
        self.instances("service", &query.into(), options).await
    }

    /// Mesh-capable instances of a service: its proxies, or itself where it is native.
    ///
    /// # Errors
    /// As [`Health::node`].
    pub async fn connect(
        &self,
        query: impl Into<ServiceQuery>,
        options: &QueryOptions,
    ) -> Result<(Vec<ServiceEntry>, QueryMeta)> {
        self.instances("connect", &query.into(), options).await
    }

    /// Ingress gateways of a service.
    ///
    /// # Errors
    /// As [`Health::node`].
    pub async fn ingress(
        &self,
        query: impl Into<ServiceQuery>,
        options: &QueryOptions,
    ) -> Result<(Vec<ServiceEntry>, QueryMeta)> {
        self.instances("ingress", &query.into(), options).await
    }

    /// Follows the instances of a service.
    ///
    /// ```
    /// # api::test_support::run(|agent| async move {
    /// # let client = agent.client()?;
    /// use api::{QueryOptions, ServiceQuery};
    /// let mut servers = client.health().watch_service(ServiceQuery::new("consul").passing(), QueryOptions::new());
    /// let (instances, _) = servers.changed().await?;
    /// assert_eq!(instances.len(), 1);
    /// # Ok(()) });
    /// ```
    pub fn watch_service(&self, query: impl Into<ServiceQuery>, options: QueryOptions) -> Watch<Vec<ServiceEntry>> {
        let (health, query) = (self.clone(), query.into());
        Watch::new(options, move |options| {
            let (health, query) = (health.clone(), query.clone());
            async move { health.instances("service", &query, &options).await }
        })
    }

    /// Follows the checks of a service.
    pub fn watch_checks(&self, service: impl Into<String>, options: QueryOptions) -> Watch<Vec<HealthCheck>> {
        let (health, service) = (self.clone(), service.into());
        Watch::new(options, move |options| {
            let (health, service) = (health.clone(), service.clone());
            async move { health.checks(&service, &options).await }
        })
    }

    /// Follows the checks in a state; see [`Health::state`].
    pub fn watch_state(&self, state: impl Into<String>, options: QueryOptions) -> Watch<Vec<HealthCheck>> {
        let (health, state) = (self.clone(), state.into());
        Watch::new(options, move |options| {
            let (health, state) = (health.clone(), state.clone());
            async move { health.state(&state, &options).await }
        })
    }

    async fn read(&self, path: &str, options: &QueryOptions) -> Result<(Vec<HealthCheck>, QueryMeta)> {
        let (checks, meta) = self.client.query::<Option<Vec<HealthCheck>>>(path, options).await?;
        Ok((checks.unwrap_or_default(), meta))
    }

    async fn instances(
        &self,
        family: &str,
        query: &ServiceQuery,
        options: &QueryOptions,
    ) -> Result<(Vec<ServiceEntry>, QueryMeta)> {
        let request = self.client.get(format!("/v1/health/{family}/{}", query.name));
        let mut request = query.tags.iter().fold(request, |request, tag| request.param("tag", tag));
        if query.passing {
            request = request.param("passing", "1");
        }
        let answer = request.query_options(options).send().await?.ok().await?;
        let (instances, meta) = answer.json_with_meta::<Option<_>>().await?;
        Ok((instances.unwrap_or_default(), meta))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_have_every_member() {
        let expected = concat!(
            r#"{"Interval":"0s","Timeout":"0s","DeregisterCriticalServiceAfter":"0s","HTTP":"","Header":null,"#,
            r#""Method":"","Body":"","TLSServerName":"","TLSSkipVerify":false,"TCP":"","UDP":"","GRPC":"","#,
            r#""OSService":"","GRPCUseTLS":false}"#
        );
        assert_eq!(serde_json::to_string(&CheckDefinition::default()).unwrap(), expected);
    }

    #[test]
    fn instances_survive_a_round_trip() {
        let text = concat!(
            r#"{"Node":{"ID":"","Node":"n1","Address":"1.1.1.1","Datacenter":"dc1","TaggedAddresses":null,"Meta":null,"#,
            r#""CreateIndex":24,"ModifyIndex":33},"Service":{"ID":"web","Service":"web","Tags":["a"],"Meta":null,"#,
            r#""Port":80,"Address":"","Weights":{"Passing":1,"Warning":1},"EnableTagOverride":false,"CreateIndex":67,"#,
            r#""ModifyIndex":67,"Proxy":{"MeshGateway":{},"Expose":{}},"Connect":{}},"Checks":[]}"#
        );
        let entry: ServiceEntry = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
    }
}
