//! Body of a service registration (`docs/spec/http-api.md` §1.9, §3.4): every spelling of a field, and what they mean.

use std::collections::BTreeMap;

use config::{ConnectDefinition, Secret, ServiceCheck, ServiceDefinition, ServiceKind, Weights};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;
use types::ServiceAddress;
use wire::json::{self, Unknown};

use super::proxy::ProxyBody;
use crate::reply::Failure;
use crate::routes::agent_check::body::ServiceCheckBody;
use crate::routes::body::{Dropped, WeightsBody, decode};

/// What counts of a field with two spellings: CamelCase, unless it is zero. So a second spelling of a boolean can only
/// turn it on.
pub(crate) fn either<T: Default + PartialEq>(camel: T, snake: T) -> T {
    if camel == T::default() { snake } else { camel }
}

/// Reads a registration, which acts with the token of its request.
///
/// # Errors
/// `Request decode failed: …`
pub(super) fn read(body: &[u8], token: &str) -> Result<ServiceDefinition, Failure> {
    let body: DefinitionBody<ConnectBody> = decode(body)?;
    let token = Secret(token.to_owned());
    Ok(body.into_definition(token.clone(), |connect| connect.into_definition(token)))
}

/// A service; `C` is its `Connect` object.
#[derive(Deserialize, Default)]
#[serde(
    default,
    rename = "ServiceDefinition",
    rename_all = "PascalCase",
    bound(deserialize = "C: Deserialize<'de> + Default")
)]
struct DefinitionBody<C> {
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
    check: ServiceCheckBody,
    checks: Vec<ServiceCheckBody>,
    proxy: Option<ProxyBody>,
    #[serde(deserialize_with = "json::ignore_unknown::deserialize")]
    connect: Option<C>,
    /// Counts within a sidecar only.
    token: String,
}

impl<C> DefinitionBody<C> {
    fn into_definition(self, token: Secret, connect: impl FnOnce(C) -> ConnectDefinition) -> ServiceDefinition {
        let address = |address: ServiceAddress| config::ServiceAddress { address: address.address, port: address.port };
        let tagged = either(self.tagged_addresses, self.snake_tagged_addresses);
        let weights = self.weights.map(|given| Weights { passing: given.passing, warning: given.warning });
        ServiceDefinition {
            kind: ServiceKind::parse(&self.kind),
            id: self.id,
            name: self.name,
            tags: self.tags,
            address: self.address,
            tagged_addresses: tagged.into_iter().map(|(tag, tagged)| (tag, address(tagged))).collect(),
            meta: self.meta,
            port: self.port,
            socket_path: self.socket_path,
            checks: all_checks(self.check, self.checks),
            weights: weights.unwrap_or_default(),
            token,
            enable_tag_override: either(self.enable_tag_override, self.snake_enable_tag_override),
            proxy: self.proxy.map(Into::into),
            connect: self.connect.map(connect),
        }
    }
}

/// The single check comes first; one that says nothing is none.
fn all_checks(single: ServiceCheckBody, list: Vec<ServiceCheckBody>) -> Vec<ServiceCheck> {
    let single = Some(ServiceCheck::from(single)).filter(|check| *check != ServiceCheck::default());
    single.into_iter().chain(list.into_iter().map(ServiceCheck::from)).collect()
}

/// `Connect` of a service. Unknown keys are tolerated here, but not within the sidecar.
#[derive(Deserialize, Default)]
#[serde(default, rename = "ServiceConnect", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct ConnectBody {
    native: bool,
    #[serde(deserialize_with = "sidecar")]
    sidecar_service: Option<Sidecar>,
    #[serde(rename = "sidecar_service", deserialize_with = "sidecar")]
    snake_sidecar_service: Option<Sidecar>,
    peer_meta: Dropped,
}

type Sidecar = Box<DefinitionBody<SidecarConnectBody>>;

/// `Connect` of a sidecar: whether it has a sidecar of its own, which is refused, is all that counts of it.
#[derive(Deserialize, Default)]
#[serde(default, rename = "ServiceConnect", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct SidecarConnectBody {
    native: bool,
    sidecar_service: Option<Dropped>,
    #[serde(rename = "sidecar_service")]
    snake_sidecar_service: Option<Dropped>,
    peer_meta: Dropped,
}

/// A sidecar, strict although it stands where unknown keys are tolerated.
fn sidecar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sidecar>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_null() {
        return Ok(None);
    }
    let text = serde_json::to_vec(&value).map_err(D::Error::custom)?;
    json::from_slice(&text, Unknown::Reject).map(Some).map_err(D::Error::custom)
}

impl ConnectBody {
    fn into_definition(self, token: Secret) -> ConnectDefinition {
        let sidecar = self.sidecar_service.or(self.snake_sidecar_service).map(|sidecar| {
            let own_token = Secret(sidecar.token.clone());
            let token = if own_token.is_empty() { token } else { own_token };
            Box::new(sidecar.into_definition(token, SidecarConnectBody::into_definition))
        });
        ConnectDefinition { native: self.native, sidecar_service: sidecar }
    }
}

impl SidecarConnectBody {
    fn into_definition(self) -> ConnectDefinition {
        let nested = self.sidecar_service.or(self.snake_sidecar_service);
        ConnectDefinition { native: self.native, sidecar_service: nested.map(|_| Box::default()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(body: &str) -> Result<ServiceDefinition, String> {
        read(body.as_bytes(), "t").map_err(|failure| failure.text().to_owned())
    }

    #[test]
    fn keys_are_read_in_any_case_and_in_their_second_spelling() {
        let body = r#"{"name":"web","ID":"w1","TAGS":["t"],"port":80,"meta":{"A":"b"},"enable_tag_override":true,
            "tagged_addresses":{"lan":{"address":"10.9.8.7","port":81}},"weights":{"passing":3,"warning":2},
            "check":{"name":"c","checkid":"web-c","ttl":"30s"}}"#;
        let service = definition(body).unwrap();
        assert_eq!((service.name.as_str(), service.id.as_str(), service.port), ("web", "w1", 80));
        assert!(service.enable_tag_override);
        assert_eq!(service.tagged_addresses["lan"].address, "10.9.8.7");
        assert_eq!(service.weights, Weights { passing: 3, warning: 2 });
        assert_eq!((service.checks[0].id.as_str(), service.checks[0].spec.name.as_str()), ("web-c", "c"));
    }

    #[test]
    fn unknown_keys_are_refused_where_the_reference_does() {
        let cases = [
            (r#"{"socket_path":"/x"}"#, "socket_path"),
            (r#"{"service":"x"}"#, "service"),
            (r#"{"Datacenter":"x"}"#, "Datacenter"),
            (r#"{"ContentHash":"x"}"#, "ContentHash"),
            (r#"{"Namespace":"x"}"#, "Namespace"),
            (r#"{"Check":{"check_id":"x"}}"#, "check_id"),
            (r#"{"Checks":[{"ID":"x"}]}"#, "ID"),
            (r#"{"Proxy":{"EnvoyExtensions":[]}}"#, "EnvoyExtensions"),
            (r#"{"Proxy":{"transparent_proxy":{"outbound_listener_port":1}}}"#, "outbound_listener_port"),
            (r#"{"Proxy":{"Upstreams":[{"centrally_configured":true}]}}"#, "centrally_configured"),
            (r#"{"Connect":{"SidecarService":{"bogus":1}}}"#, "bogus"),
            (r#"{"Connect":{"SidecarService":{"Proxy":{"bogus":1}}}}"#, "bogus"),
            (r#"{"Connect":{"sidecar_service":{"Check":{"bogus":1}}}}"#, "bogus"),
        ];
        for (body, key) in cases {
            let expected = format!("Request decode failed: json: unknown field \"{key}\"");
            assert_eq!(definition(body).unwrap_err(), expected, "{body}");
        }
        for body in [
            r#"{"Connect":{"bogus":1}}"#,
            r#"{"Connect":{"PeerMeta":{"bogus":1}}}"#,
            r#"{"Connect":{"SidecarService":{"Connect":{"bogus":1}}}}"#,
        ] {
            assert!(definition(body).is_ok(), "{body}");
        }
    }

    #[test]
    fn weights_left_out_are_one_and_a_weight_left_out_is_zero() {
        let weights = |body: &str| definition(body).unwrap().weights;
        assert_eq!(weights("{}"), Weights { passing: 1, warning: 1 });
        assert_eq!(weights(r#"{"Weights":null}"#), Weights { passing: 1, warning: 1 });
        assert_eq!(weights(r#"{"Weights":{"Passing":3}}"#), Weights { passing: 3, warning: 0 });
    }

    #[test]
    fn the_single_check_comes_first_and_an_empty_one_is_none() {
        let ids = |body: &str| -> Vec<String> {
            definition(body).unwrap().checks.into_iter().map(|check| check.id).collect()
        };
        assert_eq!(ids(r#"{"Check":{"CheckID":"a"},"Checks":[{"CheckID":"b"}]}"#), ["a", "b"]);
        assert_eq!(ids(r#"{"Check":{},"Checks":[{"CheckID":"b"}]}"#), ["b"]);
        assert_eq!(ids(r#"{"Check":{"ServiceID":"x"}}"#), Vec::<String>::new());
        assert_eq!(ids(r#"{"Checks":[{}]}"#), [""]);
    }

    #[test]
    fn a_proxy_is_read_in_both_spellings() {
        let body = r#"{"proxy":{"destination_service_name":"d","DestinationServiceID":"i","local_service_port":7,
            "transparent_proxy":{"OutboundListenerPort":15},"mesh_gateway":{"mode":"local"},"config":{"a_b":1},
            "upstreams":[{"destination_name":"u","local_bind_port":9},{"DestinationType":"prepared_query"}],
            "expose":{"paths":[{"listener_port":5,"parsed_from_check":true}]}}}"#;
        let proxy = definition(body).unwrap().proxy.unwrap();
        assert_eq!((proxy.destination_service_name.as_str(), proxy.destination_service_id.as_str()), ("d", "i"));
        assert_eq!((proxy.local_service_port, proxy.outbound_listener_port), (7, 15));
        assert_eq!((proxy.mesh_gateway_mode.as_str(), &proxy.config["a_b"]), ("local", &1.into()));
        assert_eq!((proxy.upstreams[0].destination_name.as_str(), proxy.upstreams[0].local_bind_port), ("u", 9));
        let types: Vec<_> = proxy.upstreams.iter().map(|upstream| upstream.destination_type.as_str()).collect();
        assert_eq!(types, ["service", "prepared_query"]);
        assert_eq!(proxy.expose_paths[0].listener_port, 5);
        assert_eq!(definition("{}").unwrap().proxy, None);
    }

    #[test]
    fn a_sidecar_acts_with_its_own_token_if_it_has_one() {
        let token = |body: &str| {
            let sidecar = definition(body).unwrap().connect.unwrap().sidecar_service.unwrap();
            sidecar.token.0
        };
        assert_eq!(token(r#"{"Token":"x","Connect":{"SidecarService":{"Token":"own"}}}"#), "own");
        assert_eq!(token(r#"{"Token":"x","Connect":{"SidecarService":{}}}"#), "t");
        assert_eq!(definition(r#"{"Token":"x"}"#).unwrap().token.0, "t");
    }

    #[test]
    fn no_sidecar_is_none() {
        for body in [r#"{"Connect":{}}"#, r#"{"Connect":{"SidecarService":null}}"#] {
            assert_eq!(definition(body).unwrap().connect.unwrap().sidecar_service, None, "{body}");
        }
        assert_eq!(definition(r#"{"Connect":null}"#).unwrap().connect, None);
    }
}
