//! `/v1/agent/service/` and `/v1/agent/services`: services registered with this agent (`docs/spec/http-api.md` §3.4).

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::{NodeService, ServiceAddress, Weights};

use super::body::{Dropped, WeightsBody, decode};
use crate::params::Enterprise;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply};

/// Addresses that stand for "every interface" and cannot be reached.
const ANY_ADDRESSES: [&str; 3] = ["0.0.0.0", "::", "[::]"];
const MOST_META_PAIRS: usize = 64;
const LONGEST_META_KEY_CHARS: usize = 128;
const LONGEST_META_VALUE_CHARS: usize = 512;
const RESERVED_META_PREFIX: &str = "consul-";
/// Largest weight DNS can carry.
const LARGEST_WEIGHT: i64 = 65535;

/// Registers a service, or replaces the one of the same ID.
pub(crate) async fn register(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let body: DefinitionBody = decode(&call.read_body().await?)?;
    let service = body.into_service()?;
    call.door.agent.local().add(service).map_err(|error| Failure::internal(error.to_string()))?;
    Ok(Reply::empty())
}

/// Removes a service.
pub(crate) async fn deregister(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let id = call.required_argument("Missing service ID")?;
    match call.door.agent.local().remove(&id) {
        Ok(true) => Ok(Reply::empty()),
        Ok(false) => {
            let text =
                format!("Unknown service ID {id:?}. Ensure that the service ID is passed, not the service name.");
            Err(Failure::new(StatusCode::NOT_FOUND, text))
        }
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}

/// All services of this agent, by ID.
pub(crate) async fn list(call: &mut Call) -> Answer {
    call.refuse_enterprise(Enterprise::Both)?;
    let filter = call.filter::<NodeService>()?;
    let services = call.door.agent.local().services();
    let datacenter = &call.door.agent.identity().datacenter;
    let kept = services.iter().filter(|service| filter.matches(service));
    let views: BTreeMap<&str, AgentService<'_>> =
        kept.map(|service| (service.id.as_str(), AgentService::new(service, datacenter))).collect();
    Reply::json(&views, call.pretty())
}

/// Body of a registration. Where two spellings of a field are sent, CamelCase wins unless it is zero.
#[derive(Deserialize, Default)]
#[serde(default, rename = "ServiceDefinition", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct DefinitionBody {
    kind: String,
    #[serde(rename = "ID")]
    id: String,
    name: String,
    tags: Vec<String>,
    address: String,
    tagged_addresses: BTreeMap<String, ServiceAddress>,
    #[serde(rename = "tagged_addresses")]
    snake_tagged_addresses: BTreeMap<String, ServiceAddress>,
    meta: BTreeMap<String, String>,
    port: i64,
    socket_path: String,
    weights: Option<WeightsBody>,
    enable_tag_override: bool,
    #[serde(rename = "enable_tag_override")]
    snake_enable_tag_override: bool,
    check: Value,
    checks: Value,
    proxy: Value,
    connect: Value,
    token: Dropped,
}

impl DefinitionBody {
    fn into_service(self) -> Result<NodeService, Failure> {
        if self.name.is_empty() {
            return Err(Failure::bad_request("Missing service name"));
        }
        if ANY_ADDRESSES.contains(&self.address.as_str()) {
            return Err(Failure::bad_request("Invalid service address"));
        }
        check_meta(&self.meta)?;
        if asks(&self.check) || asks(&self.checks) {
            return Err(not_there("health checks of agents are"));
        }
        if !self.kind.is_empty() || asks(&self.proxy) || asks(&self.connect) {
            return Err(not_there("the service mesh is"));
        }
        let weights = weights(self.weights.as_ref())?;
        let mut tagged =
            if self.tagged_addresses.is_empty() { self.snake_tagged_addresses } else { self.tagged_addresses };
        fill_tagged_addresses(&mut tagged, &self.address, self.port)?;
        Ok(NodeService {
            id: if self.id.is_empty() { self.name.clone() } else { self.id },
            service: self.name,
            tags: self.tags,
            address: self.address,
            tagged_addresses: tagged,
            meta: self.meta,
            port: self.port,
            socket_path: self.socket_path,
            weights: Some(weights),
            enable_tag_override: self.enable_tag_override || self.snake_enable_tag_override,
            ..NodeService::default()
        })
    }
}

/// True for a value that asks for something: not null, not empty, not made of such values only.
fn asks(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Array(items) => items.iter().any(asks),
        Value::Object(fields) => fields.values().any(asks),
        Value::Bool(true) => true,
    }
}

fn not_there(what: &str) -> Failure {
    Failure::new(StatusCode::NOT_IMPLEMENTED, format!("{what} not there yet"))
}

fn weights(body: Option<&WeightsBody>) -> Result<Weights, Failure> {
    let Some(body) = body else { return Ok(Weights::default()) };
    let fault = if body.passing < 1 {
        "Passing must be greater than 0"
    } else if body.warning < 0 {
        "Warning must be greater or equal than 0"
    } else if body.passing > LARGEST_WEIGHT || body.warning > LARGEST_WEIGHT {
        "DNS Weight must be between 0 and 65535"
    } else {
        return Ok(Weights { passing: body.passing, warning: body.warning });
    };
    Err(Failure::bad_request(format!("Invalid Weights: {fault}")))
}

fn check_meta(meta: &BTreeMap<String, String>) -> Result<(), Failure> {
    let invalid = |fault: String| Failure::bad_request(format!("Invalid Service Meta: {fault}"));
    if meta.len() > MOST_META_PAIRS {
        return Err(invalid(format!("Node metadata cannot contain more than {MOST_META_PAIRS} key/value pairs")));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    for (key, value) in meta {
        let fault = if key.is_empty() {
            "Key cannot be blank".to_owned()
        } else if !key.chars().all(allowed) {
            "Key contains invalid characters".to_owned()
        } else if key.chars().count() > LONGEST_META_KEY_CHARS {
            format!("Key is too long (limit: {LONGEST_META_KEY_CHARS} characters)")
        } else if key.starts_with(RESERVED_META_PREFIX) {
            format!("Key prefix '{RESERVED_META_PREFIX}' is reserved for internal use")
        } else if value.chars().count() > LONGEST_META_VALUE_CHARS {
            format!("Value is too long (limit: {LONGEST_META_VALUE_CHARS} characters)")
        } else {
            continue;
        };
        return Err(invalid(format!("Couldn't load metadata pair ('{key}', '{value}'): {fault}")));
    }
    Ok(())
}

/// Checks addresses tagged with a family, and adds those that the service's own address gives.
fn fill_tagged_addresses(
    tagged: &mut BTreeMap<String, ServiceAddress>,
    address: &str,
    port: i64,
) -> Result<(), Failure> {
    for (tag, v4) in [("lan_ipv4", true), ("wan_ipv4", true), ("lan_ipv6", false)] {
        let Some(found) = tagged.get(tag) else { continue };
        if found.address.parse().map(|ip: IpAddr| ip.is_ipv4()) != Ok(v4) {
            let family = if v4 { "ipv4" } else { "ipv6" };
            return Err(Failure::internal(format!("Service tagged address {tag:?} must be a valid {family} address")));
        }
    }
    let Ok(ip) = address.parse::<IpAddr>() else { return Ok(()) };
    let tags = if ip.is_ipv4() { ["lan_ipv4", "wan_ipv4"] } else { ["lan_ipv6", "wan_ipv6"] };
    for tag in tags {
        tagged.entry(tag.to_owned()).or_insert_with(|| ServiceAddress { address: address.to_owned(), port });
    }
    Ok(())
}

/// A service as its agent shows it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AgentService<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    service: &'a str,
    tags: &'a [String],
    meta: &'a BTreeMap<String, String>,
    port: i64,
    address: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    socket_path: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tagged_addresses: &'a BTreeMap<String, ServiceAddress>,
    weights: Weights,
    enable_tag_override: bool,
    datacenter: &'a str,
}

impl<'a> AgentService<'a> {
    fn new(service: &'a NodeService, datacenter: &'a str) -> AgentService<'a> {
        AgentService {
            id: &service.id,
            service: &service.service,
            tags: &service.tags,
            meta: &service.meta,
            port: service.port,
            address: &service.address,
            socket_path: &service.socket_path,
            tagged_addresses: &service.tagged_addresses,
            weights: service.weights.unwrap_or_default(),
            enable_tag_override: service.enable_tag_override,
            datacenter,
        }
    }
}
