//! `/v1/agent/health/service/`: health of services as this agent sees it (`docs/spec/http-api.md` §3.8).

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, HeaderValue};
use serde::Serialize;
use types::{CheckStatus, HealthCheck, NodeService};

use super::agent_service::view::AgentService;
use super::view::List;
use crate::meta::X_CONSUL_REASON;
use crate::params::Enterprise;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain");
const NODE_MAINTENANCE: &str = "_node_maintenance";
const SERVICE_MAINTENANCE_PREFIX: &str = "_service_maintenance:";

/// Health of one instance.
pub(crate) async fn by_id(call: &mut Call) -> Answer {
    let id = call.argument_text();
    if id.is_empty() {
        return Err(Failure::internal("Missing serviceID"));
    }
    call.refuse_enterprise(Enterprise::Both)?;
    let local = call.door.agent.local();
    let Some(service) = local.service(&id) else {
        let verdict = Verdict::not_found(format!("ServiceId {id} not found"));
        return answer(call, verdict, &InstanceView { aggregated_status: "critical", service: None, checks: None });
    };
    let instance = Instance::new(service, local.checks_for_service(&id));
    answer(call, Verdict::of(instance.status), &instance.view(&call.door.agent.identity().datacenter))
}

/// Health of every instance of a service; the worst one decides about the status.
pub(crate) async fn by_name(call: &mut Call) -> Answer {
    let name = call.argument_text();
    if name.is_empty() {
        return Err(Failure::internal("Missing service Name"));
    }
    call.refuse_enterprise(Enterprise::Both)?;
    let local = call.door.agent.local();
    let named = local.services().into_iter().filter(|service| service.service == name);
    let instances: Vec<Instance> = named
        .map(|service| {
            let checks = local.checks_for_service(&service.id);
            Instance::new(service, checks)
        })
        .collect();
    let verdict = match worst(&instances) {
        None => Verdict::not_found(format!("ServiceName {name} Not Found")),
        Some(status) => Verdict::of(status),
    };
    let datacenter = &call.door.agent.identity().datacenter;
    let views: Vec<_> = instances.iter().map(|instance| instance.view(datacenter)).collect();
    answer(call, verdict, &views)
}

/// The first of the worst: critical and maintenance weigh the same.
fn worst(instances: &[Instance]) -> Option<Aggregate> {
    let statuses = instances.iter().map(|instance| instance.status);
    statuses.reduce(|worst, status| if status.code() > worst.code() { status } else { worst })
}

/// What many checks come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Passing,
    Warning,
    Critical,
    Maintenance,
    /// A check has a status that does not exist.
    Unknown,
}

impl Aggregate {
    fn of(checks: &[Arc<HealthCheck>]) -> Aggregate {
        let mut aggregate = Aggregate::Passing;
        for check in checks {
            let status = if is_maintenance(&check.check_id) { Aggregate::Maintenance } else { Aggregate::one(check) };
            if status.rank() > aggregate.rank() {
                aggregate = status;
            }
        }
        aggregate
    }

    fn one(check: &HealthCheck) -> Aggregate {
        let is = |status: CheckStatus| check.status == status.as_str();
        if is(CheckStatus::Passing) {
            Aggregate::Passing
        } else if is(CheckStatus::Warning) {
            Aggregate::Warning
        } else if is(CheckStatus::Critical) {
            Aggregate::Critical
        } else {
            Aggregate::Unknown
        }
    }

    /// The greater one prevails.
    fn rank(self) -> u8 {
        match self {
            Aggregate::Passing => 0,
            Aggregate::Warning => 1,
            Aggregate::Critical => 2,
            Aggregate::Maintenance => 3,
            Aggregate::Unknown => 4,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Aggregate::Passing => "passing",
            Aggregate::Warning => "warning",
            Aggregate::Critical => "critical",
            Aggregate::Maintenance => "maintenance",
            Aggregate::Unknown => "",
        }
    }

    fn code(self) -> StatusCode {
        match self {
            Aggregate::Passing => StatusCode::OK,
            Aggregate::Warning => StatusCode::TOO_MANY_REQUESTS,
            Aggregate::Critical | Aggregate::Maintenance | Aggregate::Unknown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

fn is_maintenance(check_id: &str) -> bool {
    check_id == NODE_MAINTENANCE || check_id.starts_with(SERVICE_MAINTENANCE_PREFIX)
}

/// A service with its checks and those of the node.
struct Instance {
    service: Arc<NodeService>,
    checks: Vec<Arc<HealthCheck>>,
    status: Aggregate,
}

impl Instance {
    fn new(service: Arc<NodeService>, checks: Vec<Arc<HealthCheck>>) -> Instance {
        let status = Aggregate::of(&checks);
        Instance { service, checks, status }
    }

    fn view<'a>(&'a self, datacenter: &'a str) -> InstanceView<'a> {
        InstanceView {
            aggregated_status: self.status.as_str(),
            service: Some(AgentService::new(&self.service, datacenter)),
            checks: Some(List(&self.checks, |check| ClientCheck::from(&**check))),
        }
    }
}

/// The status of an answer, and its text.
struct Verdict {
    code: StatusCode,
    reason: Cow<'static, str>,
}

impl Verdict {
    fn of(status: Aggregate) -> Verdict {
        Verdict { code: status.code(), reason: Cow::Borrowed(status.as_str()) }
    }

    fn not_found(reason: String) -> Verdict {
        Verdict { code: StatusCode::NOT_FOUND, reason: Cow::Owned(reason) }
    }
}

/// The verdict as text, or what led to it as JSON.
fn answer<T: Serialize + ?Sized>(call: &Call, verdict: Verdict, body: &T) -> Answer {
    let reason = HeaderValue::from_bytes(verdict.reason.as_bytes());
    let mut reply = if wants_text(call) {
        Reply::bytes(verdict.code, Some(PLAIN_TEXT), Bytes::from(verdict.reason.into_owned()))
    } else {
        Reply::json(body, call.pretty())?.with_status(verdict.code)
    };
    if let Ok(reason) = reason {
        reply.headers.insert(X_CONSUL_REASON, reason);
    }
    Ok(reply)
}

fn wants_text(call: &Call) -> bool {
    let accepts_text = call.headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"));
    accepts_text || call.query.bytes("format") == b"text"
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceView<'a> {
    aggregated_status: &'a str,
    service: Option<AgentService<'a>>,
    checks: Option<List<'a, Arc<HealthCheck>, ClientCheck<'a>>>,
}

/// A check as clients of the reference know it: without what the agent does for it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClientCheck<'a> {
    node: &'a str,
    #[serde(rename = "CheckID")]
    check_id: &'a str,
    name: &'a str,
    status: &'a str,
    notes: &'a str,
    output: &'a str,
    #[serde(rename = "ServiceID")]
    service_id: &'a str,
    service_name: &'a str,
    service_tags: Option<&'a [String]>,
    r#type: &'static str,
    exposed_port: u16,
    definition: ClientDefinition,
    create_index: u64,
    modify_index: u64,
}

impl<'a> From<&'a HealthCheck> for ClientCheck<'a> {
    fn from(check: &'a HealthCheck) -> ClientCheck<'a> {
        ClientCheck {
            node: &check.node,
            check_id: &check.check_id,
            name: &check.name,
            status: &check.status,
            notes: &check.notes,
            output: &check.output,
            service_id: &check.service_id,
            service_name: &check.service_name,
            service_tags: Some(check.service_tags.as_slice()).filter(|tags| !tags.is_empty()),
            r#type: "",
            exposed_port: 0,
            definition: ClientDefinition::UNSET,
            create_index: check.create_index,
            modify_index: check.modify_index,
        }
    }
}

/// A definition that tells nothing: every member, none set.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ClientDefinition {
    interval: &'static str,
    timeout: &'static str,
    deregister_critical_service_after: &'static str,
    #[serde(rename = "HTTP")]
    http: &'static str,
    header: Option<()>,
    method: &'static str,
    body: &'static str,
    #[serde(rename = "TLSServerName")]
    tls_server_name: &'static str,
    #[serde(rename = "TLSSkipVerify")]
    tls_skip_verify: bool,
    #[serde(rename = "TCP")]
    tcp: &'static str,
    #[serde(rename = "UDP")]
    udp: &'static str,
    #[serde(rename = "GRPC")]
    grpc: &'static str,
    #[serde(rename = "OSService")]
    os_service: &'static str,
    #[serde(rename = "GRPCUseTLS")]
    grpc_use_tls: bool,
}

impl ClientDefinition {
    const UNSET: ClientDefinition = ClientDefinition {
        interval: "0s",
        timeout: "0s",
        deregister_critical_service_after: "0s",
        http: "",
        header: None,
        method: "",
        body: "",
        tls_server_name: "",
        tls_skip_verify: false,
        tcp: "",
        udp: "",
        grpc: "",
        os_service: "",
        grpc_use_tls: false,
    };
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// IDs of checks with their statuses.
    type Statuses<'a> = &'a [(&'a str, &'a str)];

    fn check(id: &str, status: &str) -> Arc<HealthCheck> {
        Arc::new(HealthCheck { check_id: id.to_owned(), status: status.to_owned(), ..HealthCheck::default() })
    }

    fn instance(statuses: Statuses<'_>) -> Instance {
        let checks = statuses.iter().map(|(id, status)| check(id, status)).collect();
        Instance::new(Arc::new(NodeService::default()), checks)
    }

    #[test]
    fn checks_come_to_the_worst_of_them() {
        let cases: [(Statuses<'_>, &str, u16); 8] = [
            (&[], "passing", 200),
            (&[("a", "passing"), ("b", "passing")], "passing", 200),
            (&[("a", "warning"), ("b", "passing")], "warning", 429),
            (&[("a", "warning"), ("b", "critical")], "critical", 503),
            (&[("_node_maintenance", "critical"), ("b", "critical")], "maintenance", 503),
            (&[("_service_maintenance:a", "critical"), ("b", "passing")], "maintenance", 503),
            (&[("service_maintenance:a", "critical")], "critical", 503),
            (&[("_node_maintenance", "critical"), ("b", "maybe")], "", 503),
        ];
        for (statuses, text, code) in cases {
            let status = instance(statuses).status;
            assert_eq!((status.as_str(), status.code().as_u16()), (text, code), "{statuses:?}");
        }
    }

    #[test]
    fn the_first_of_the_worst_instances_decides() {
        let critical = [("a", "critical")];
        let maintained = [("_node_maintenance", "critical")];
        let warned = [("a", "warning")];
        let cases: [(&[Statuses<'_>], Option<Aggregate>); 4] = [
            (&[], None),
            (&[&[], &warned], Some(Aggregate::Warning)),
            (&[&warned, &critical, &maintained], Some(Aggregate::Critical)),
            (&[&maintained, &critical], Some(Aggregate::Maintenance)),
        ];
        for (statuses, expected) in cases {
            let instances: Vec<_> = statuses.iter().map(|statuses| instance(statuses)).collect();
            assert_eq!(worst(&instances), expected, "{statuses:?}");
        }
    }

    #[test]
    fn checks_are_shown_as_clients_know_them() {
        let check = HealthCheck {
            node: "n".into(),
            check_id: "c".into(),
            status: "passing".into(),
            service_tags: vec!["t".into()],
            r#type: "ttl".into(),
            interval: "10s".into(),
            exposed_port: 5,
            ..HealthCheck::default()
        };
        let expected = json!({
            "Node": "n", "CheckID": "c", "Name": "", "Status": "passing", "Notes": "", "Output": "", "ServiceID": "",
            "ServiceName": "", "ServiceTags": ["t"], "Type": "", "ExposedPort": 0,
            "Definition": {
                "Interval": "0s", "Timeout": "0s", "DeregisterCriticalServiceAfter": "0s", "HTTP": "", "Header": null,
                "Method": "", "Body": "", "TLSServerName": "", "TLSSkipVerify": false, "TCP": "", "UDP": "",
                "GRPC": "", "OSService": "", "GRPCUseTLS": false,
            },
            "CreateIndex": 0, "ModifyIndex": 0,
        });
        assert_eq!(serde_json::to_value(ClientCheck::from(&check)).unwrap(), expected);
        let bare = serde_json::to_value(ClientCheck::from(&HealthCheck::default())).unwrap();
        assert_eq!(bare["ServiceTags"], json!(null));
    }
}
