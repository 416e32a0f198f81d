//! Registrations as they stand in the data directory: the reference's JSON (`docs/spec/server-operations.md` §12.6).

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{CheckSpec, Secret};
use serde::{Deserialize, Serialize};
use types::{GoDuration, HealthCheck, NodeService};
use wire::duration::nanos;

use super::Source;
use super::convert::NewCheck;

const LOCAL: &str = "local";
const REMOTE: &str = "remote";

/// A file of `services/`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PersistedService {
    pub(super) token: String,
    pub(super) service: Arc<NodeService>,
    pub(super) source: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) locally_registered_as_sidecar: bool,
}

impl Default for PersistedService {
    fn default() -> Self {
        PersistedService::new(Arc::default(), &Secret::default())
    }
}

impl PersistedService {
    /// A service that was registered over the API.
    pub(super) fn new(service: Arc<NodeService>, token: &Secret) -> PersistedService {
        let source = REMOTE.to_owned();
        PersistedService { token: token.0.clone(), service, source, locally_registered_as_sidecar: false }
    }
}

/// A file of `checks/`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PersistedCheck {
    pub(super) check: HealthCheck,
    /// Nothing for one without a task, such as maintenance.
    pub(super) chk_type: Option<CheckType>,
    pub(super) token: String,
    pub(super) source: String,
}

impl PersistedCheck {
    /// A check that was registered over the API.
    pub(super) fn new(new: &NewCheck) -> PersistedCheck {
        let has_task = super::kind::Kind::that_runs(&new.spec).is_some();
        PersistedCheck {
            check: new.check.clone(),
            chk_type: has_task.then(|| CheckType::from(&*new.spec)),
            token: new.token.0.clone(),
            source: REMOTE.to_owned(),
        }
    }

    /// The check as it was registered.
    pub(super) fn into_new(self) -> NewCheck {
        let spec = self.chk_type.map(CheckSpec::from).unwrap_or_default();
        NewCheck { check: self.check, spec: Arc::new(spec), token: Secret(self.token) }
    }
}

/// A file of `checks/state/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PersistedState {
    #[serde(rename = "CheckID")]
    pub(super) check_id: String,
    pub(super) output: String,
    pub(super) status: String,
    /// Seconds since 1970 from which on this means nothing any more.
    pub(super) expires: i64,
}

/// Where a definition came from; nothing for a source this version does not know.
pub(super) fn source(text: &str) -> Option<Source> {
    match text {
        "" | REMOTE => Some(Source::Api),
        LOCAL => Some(Source::File),
        _ => None,
    }
}

/// How a check is run, with the reference's members in its order. Durations are nanoseconds.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct CheckType {
    #[serde(rename = "CheckID")]
    check_id: String,
    name: String,
    status: String,
    notes: String,
    script_args: Vec<String>,
    #[serde(rename = "HTTP")]
    http: String,
    #[serde(rename = "H2PING")]
    h2ping: String,
    #[serde(rename = "H2PingUseTLS")]
    h2ping_use_tls: bool,
    header: BTreeMap<String, Vec<String>>,
    method: String,
    body: String,
    disable_redirects: bool,
    #[serde(rename = "TCP")]
    tcp: String,
    #[serde(rename = "UDP")]
    udp: String,
    #[serde(with = "nanos")]
    interval: GoDuration,
    alias_node: String,
    alias_service: String,
    #[serde(rename = "DockerContainerID")]
    docker_container_id: String,
    shell: String,
    #[serde(rename = "GRPC")]
    grpc: String,
    #[serde(rename = "GRPCUseTLS")]
    grpc_use_tls: bool,
    #[serde(rename = "OSService")]
    os_service: String,
    #[serde(rename = "TLSServerName")]
    tls_server_name: String,
    #[serde(rename = "TLSSkipVerify")]
    tls_skip_verify: bool,
    #[serde(with = "nanos")]
    timeout: GoDuration,
    #[serde(rename = "TTL", with = "nanos")]
    ttl: GoDuration,
    success_before_passing: i64,
    failures_before_warning: i64,
    failures_before_critical: i64,
    #[serde(with = "nanos")]
    deregister_critical_service_after: GoDuration,
    output_max_size: i64,
}

impl From<&CheckSpec> for CheckType {
    fn from(spec: &CheckSpec) -> CheckType {
        let spec = spec.clone();
        CheckType {
            check_id: String::new(),
            name: spec.name,
            status: spec.status,
            notes: spec.notes,
            script_args: spec.args,
            http: spec.http,
            h2ping: spec.h2ping,
            h2ping_use_tls: spec.h2ping_use_tls,
            header: spec.header,
            method: spec.method,
            body: spec.body,
            disable_redirects: spec.disable_redirects,
            tcp: spec.tcp,
            udp: spec.udp,
            interval: spec.interval.into(),
            alias_node: spec.alias_node,
            alias_service: spec.alias_service,
            docker_container_id: spec.docker_container_id,
            shell: spec.shell,
            grpc: spec.grpc,
            grpc_use_tls: spec.grpc_use_tls,
            os_service: spec.os_service,
            tls_server_name: spec.tls_server_name,
            tls_skip_verify: spec.tls_skip_verify,
            timeout: spec.timeout.into(),
            ttl: spec.ttl.into(),
            success_before_passing: spec.success_before_passing,
            failures_before_warning: spec.failures_before_warning,
            failures_before_critical: spec.failures_before_critical,
            deregister_critical_service_after: spec.deregister_critical_service_after.into(),
            output_max_size: spec.output_max_size,
        }
    }
}

impl From<CheckType> for CheckSpec {
    fn from(kept: CheckType) -> CheckSpec {
        CheckSpec {
            name: kept.name,
            notes: kept.notes,
            status: kept.status,
            args: kept.script_args,
            http: kept.http,
            header: kept.header,
            method: kept.method,
            body: kept.body,
            disable_redirects: kept.disable_redirects,
            output_max_size: kept.output_max_size,
            tcp: kept.tcp,
            udp: kept.udp,
            interval: kept.interval.as_std(),
            docker_container_id: kept.docker_container_id,
            shell: kept.shell,
            grpc: kept.grpc,
            grpc_use_tls: kept.grpc_use_tls,
            tls_server_name: kept.tls_server_name,
            tls_skip_verify: kept.tls_skip_verify,
            alias_node: kept.alias_node,
            alias_service: kept.alias_service,
            timeout: kept.timeout.as_std(),
            ttl: kept.ttl.as_std(),
            h2ping: kept.h2ping,
            h2ping_use_tls: kept.h2ping_use_tls,
            os_service: kept.os_service,
            success_before_passing: kept.success_before_passing,
            failures_before_warning: kept.failures_before_warning,
            failures_before_critical: kept.failures_before_critical,
            deregister_critical_service_after: kept.deregister_critical_service_after.as_std(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wire::json::{Unknown, from_slice};

    use super::*;

    #[test]
    fn a_file_of_the_reference_is_read() {
        let file = br#"{"Check":{"Node":"n","CheckID":"service:web","Name":"c","Status":"passing","ServiceID":"web",
            "ServiceTags":null,"Type":"http","Interval":"10s","Definition":{}},"ChkType":{"CheckID":"","Name":"",
            "ScriptArgs":null,"HTTP":"http://127.0.0.1:1/","Header":{"A":["b"]},"Interval":10000000000,"Timeout":0,
            "TTL":0,"ProxyHTTP":"","DeregisterCriticalServiceAfter":60000000000},"Token":"t","Source":"remote"}"#;
        let kept: PersistedCheck = from_slice(file, Unknown::Ignore).unwrap();
        assert_eq!(source(&kept.source), Some(Source::Api));
        let new = kept.into_new();
        assert_eq!((new.check.check_id.as_str(), new.check.interval.as_str()), ("service:web", "10s"));
        assert_eq!((new.spec.http.as_str(), new.spec.interval), ("http://127.0.0.1:1/", Duration::from_secs(10)));
        assert_eq!(new.spec.deregister_critical_service_after, Duration::from_secs(60));
        assert_eq!(new.token, Secret("t".to_owned()));
    }

    #[test]
    fn a_check_without_a_task_is_kept_without_one() {
        let file = br#"{"Check":{"CheckID":"_node_maintenance"},"ChkType":null,"Source":"local"}"#;
        let kept: PersistedCheck = from_slice(file, Unknown::Ignore).unwrap();
        assert!(kept.chk_type.is_none());
        let again = PersistedCheck::new(&kept.into_new());
        assert!(serde_json::to_string(&again).unwrap().contains("\"ChkType\":null"));
    }

    #[test]
    fn a_definition_comes_back_as_it_was() {
        let spec = CheckSpec {
            name: "n".to_owned(),
            args: vec!["a".to_owned()],
            interval: Duration::from_secs(5),
            ttl: Duration::from_millis(1500),
            failures_before_critical: 3,
            output_max_size: 7,
            ..CheckSpec::default()
        };
        let json = serde_json::to_vec(&CheckType::from(&spec)).unwrap();
        let kept: CheckType = from_slice(&json, Unknown::Reject).unwrap();
        assert_eq!(CheckSpec::from(kept), spec);
    }
}
