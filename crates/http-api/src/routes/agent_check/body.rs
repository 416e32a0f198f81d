//! Bodies of checks (`docs/spec/http-api.md` §3.6): on their own and within a service, which differ in a few fields.

use std::collections::BTreeMap;

use config::{CheckDefinition, CheckSpec, Secret, ServiceCheck};
use serde::Deserialize;
use types::GoDuration;

use crate::routes::agent_service::definition::either;

/// Declares a body with the fields all checks have, besides its own, and how they become a [`CheckSpec`].
macro_rules! check_body {
    ($(#[$about:meta])* struct $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Deserialize, Default)]
        #[serde(default, rename_all = "PascalCase")]
        #[allow(dead_code, reason = "some fields are accepted and not used")]
        pub(crate) struct $name {
            $($own)*
            name: String,
            notes: String,
            status: String,
            #[serde(rename = "ServiceID")]
            service_id: String,
            #[serde(rename = "service_id")]
            snake_service_id: String,
            script_args: Vec<String>,
            #[serde(rename = "args")]
            args: Vec<String>,
            #[serde(rename = "script_args")]
            snake_script_args: Vec<String>,
            #[serde(rename = "HTTP")]
            http: String,
            header: BTreeMap<String, Vec<String>>,
            method: String,
            body: String,
            disable_redirects: bool,
            #[serde(rename = "TCP")]
            tcp: String,
            #[serde(rename = "UDP")]
            udp: String,
            interval: GoDuration,
            #[serde(rename = "DockerContainerID")]
            docker_container_id: String,
            #[serde(rename = "docker_container_id")]
            snake_docker_container_id: String,
            shell: String,
            #[serde(rename = "GRPC")]
            grpc: String,
            #[serde(rename = "GRPCUseTLS")]
            grpc_use_tls: bool,
            #[serde(rename = "grpc_use_tls")]
            snake_grpc_use_tls: bool,
            #[serde(rename = "H2PING")]
            h2ping: String,
            #[serde(rename = "H2PingUseTLS")]
            h2ping_use_tls: Option<bool>,
            #[serde(rename = "h2ping_use_tls")]
            snake_h2ping_use_tls: Option<bool>,
            #[serde(rename = "OSService")]
            os_service: String,
            #[serde(rename = "TLSServerName")]
            tls_server_name: String,
            #[serde(rename = "tls_server_name")]
            snake_tls_server_name: String,
            #[serde(rename = "TLSSkipVerify")]
            tls_skip_verify: bool,
            #[serde(rename = "tls_skip_verify")]
            snake_tls_skip_verify: bool,
            alias_node: String,
            alias_service: String,
            timeout: GoDuration,
            #[serde(rename = "TTL")]
            ttl: GoDuration,
            success_before_passing: i64,
            failures_before_warning: i64,
            failures_before_critical: i64,
            deregister_critical_service_after: GoDuration,
            #[serde(rename = "deregister_critical_service_after")]
            snake_deregister_critical_service_after: GoDuration,
            output_max_size: i64,
        }

        impl From<$name> for CheckSpec {
            fn from(body: $name) -> CheckSpec {
                let deregister_critical_service_after =
                    either(body.deregister_critical_service_after, body.snake_deregister_critical_service_after);
                CheckSpec {
                    name: body.name,
                    notes: body.notes,
                    status: body.status,
                    args: either(either(body.script_args, body.args), body.snake_script_args),
                    http: body.http,
                    header: body.header,
                    method: body.method,
                    body: body.body,
                    disable_redirects: body.disable_redirects,
                    output_max_size: body.output_max_size,
                    tcp: body.tcp,
                    udp: body.udp,
                    interval: body.interval.as_std(),
                    docker_container_id: either(body.docker_container_id, body.snake_docker_container_id),
                    shell: body.shell,
                    grpc: body.grpc,
                    grpc_use_tls: either(body.grpc_use_tls, body.snake_grpc_use_tls),
                    tls_server_name: either(body.tls_server_name, body.snake_tls_server_name),
                    tls_skip_verify: either(body.tls_skip_verify, body.snake_tls_skip_verify),
                    alias_node: body.alias_node,
                    alias_service: body.alias_service,
                    timeout: body.timeout.as_std(),
                    ttl: body.ttl.as_std(),
                    h2ping_use_tls: body
                        .h2ping_use_tls
                        .or(body.snake_h2ping_use_tls)
                        .unwrap_or(!body.h2ping.is_empty()),
                    h2ping: body.h2ping,
                    os_service: body.os_service,
                    success_before_passing: body.success_before_passing,
                    failures_before_warning: either(
                        body.failures_before_warning,
                        body.failures_before_critical.max(0),
                    ),
                    failures_before_critical: body.failures_before_critical,
                    deregister_critical_service_after: deregister_critical_service_after.as_std(),
                }
            }
        }
    };
}

check_body! {
    /// Body of `/v1/agent/check/register`.
    struct CheckBody {
        #[serde(rename = "ID")]
        id: String,
        token: String,
        #[serde(rename = "disable_redirects")]
        snake_disable_redirects: bool,
    }
}

check_body! {
    /// A check within a service; whatever service it names is not looked at.
    struct ServiceCheckBody {
        #[serde(rename = "CheckID")]
        check_id: String,
        #[serde(rename = "ProxyHTTP")]
        proxy_http: String,
        #[serde(rename = "ProxyGRPC")]
        proxy_grpc: String,
    }
}

impl CheckBody {
    /// The definition, registered with the token of the request: the body's own is not used.
    pub(super) fn into_definition(mut self, token: String) -> CheckDefinition {
        let id = std::mem::take(&mut self.id);
        let service_id = either(std::mem::take(&mut self.service_id), std::mem::take(&mut self.snake_service_id));
        self.disable_redirects |= self.snake_disable_redirects;
        CheckDefinition { id, service_id, token: Secret(token), spec: self.into() }
    }
}

impl From<ServiceCheckBody> for ServiceCheck {
    fn from(mut body: ServiceCheckBody) -> ServiceCheck {
        let id = std::mem::take(&mut body.check_id);
        ServiceCheck { id, spec: body.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::routes::body::decode;

    fn registered(body: &str) -> Result<CheckDefinition, String> {
        let decoded: Result<CheckBody, _> = decode(body.as_bytes());
        decoded.map(|body| body.into_definition("t".into())).map_err(|failure| failure.text().to_owned())
    }

    fn embedded(body: &str) -> Result<ServiceCheck, String> {
        let decoded: Result<ServiceCheckBody, _> = decode(body.as_bytes());
        decoded.map(ServiceCheck::from).map_err(|failure| failure.text().to_owned())
    }

    #[test]
    fn each_place_has_fields_of_its_own() {
        for key in ["ID", "Token", "disable_redirects"] {
            let body = format!(r#"{{"{key}":null}}"#);
            assert!(registered(&body).is_ok(), "{key}");
            let expected = format!("Request decode failed: json: unknown field \"{key}\"");
            assert_eq!(embedded(&body).unwrap_err(), expected);
        }
        for key in ["CheckID", "ProxyHTTP", "ProxyGRPC"] {
            let body = format!(r#"{{"{key}":null}}"#);
            assert!(embedded(&body).is_ok(), "{key}");
            let expected = format!("Request decode failed: json: unknown field \"{key}\"");
            assert_eq!(registered(&body).unwrap_err(), expected);
        }
    }

    #[test]
    fn spellings_that_do_not_exist_are_refused_in_both_places() {
        for key in ["os_service", "alias_node", "alias_service", "success_before_passing", "output_max_size", "Type"] {
            let body = format!(r#"{{"{key}":null}}"#);
            let expected = format!("Request decode failed: json: unknown field \"{key}\"");
            assert_eq!(registered(&body).unwrap_err(), expected);
            assert_eq!(embedded(&body).unwrap_err(), expected);
        }
    }

    #[test]
    fn every_alias_is_read() {
        let body = r#"{"id":"i","service_id":"s","args":["a"],"docker_container_id":"d","grpc_use_tls":true,
            "h2ping_use_tls":true,"tls_server_name":"n","tls_skip_verify":true,"disable_redirects":true,
            "deregister_critical_service_after":"90m"}"#;
        let CheckDefinition { id, service_id, token, spec } = registered(body).unwrap();
        assert_eq!((id.as_str(), service_id.as_str(), token.0.as_str()), ("i", "s", "t"));
        assert_eq!(spec.args, ["a"]);
        assert_eq!((spec.docker_container_id.as_str(), spec.tls_server_name.as_str()), ("d", "n"));
        assert!(spec.grpc_use_tls && spec.h2ping_use_tls && spec.tls_skip_verify && spec.disable_redirects);
        assert_eq!(spec.deregister_critical_service_after, Duration::from_secs(5400));
    }

    #[test]
    fn camel_case_wins_unless_it_is_zero() {
        let spec = |body: &str| registered(body).unwrap().spec;
        assert_eq!(spec(r#"{"ScriptArgs":["a"],"args":["b"]}"#).args, ["a"]);
        assert_eq!(spec(r#"{"ScriptArgs":[],"Args":["b"],"script_args":["c"]}"#).args, ["b"]);
        assert!(spec(r#"{"TLSSkipVerify":false,"tls_skip_verify":true}"#).tls_skip_verify);
        assert!(spec(r#"{"TLSSkipVerify":true,"tls_skip_verify":false}"#).tls_skip_verify);
    }

    #[test]
    fn pings_are_encrypted_unless_told_otherwise() {
        let encrypted = |body: &str| embedded(body).unwrap().spec.h2ping_use_tls;
        assert!(encrypted(r#"{"H2PING":"x"}"#));
        assert!(!encrypted(r#"{"H2PING":"x","H2PingUseTLS":false}"#));
        assert!(!encrypted(r#"{"H2PING":"x","h2ping_use_tls":false}"#));
        assert!(!encrypted("{}"));
    }

    #[test]
    fn durations_are_text_or_nanoseconds() {
        let ttl = |text: &str| registered(&format!(r#"{{"TTL":{text}}}"#)).map(|check| check.spec.ttl);
        assert_eq!(ttl(r#""1m30s""#), Ok(Duration::from_secs(90)));
        assert_eq!(ttl("10"), Ok(Duration::from_nanos(10)));
        assert_eq!(ttl("1e9"), Ok(Duration::from_secs(1)));
        assert_eq!(ttl(r#""-5s""#), Ok(Duration::ZERO));
        assert_eq!(ttl("true"), Ok(Duration::ZERO));
        assert_eq!(ttl("{\"a\":1}"), Ok(Duration::ZERO));
        let missing_unit = "Request decode failed: time: missing unit in duration \"10\"";
        assert_eq!(ttl(r#""10""#), Err(missing_unit.to_owned()));
    }

    #[test]
    fn warning_needs_as_many_failures_as_critical_unless_told_otherwise() {
        let failures = |body: &str| registered(body).unwrap().spec.failures_before_warning;
        assert_eq!(failures(r#"{"FailuresBeforeCritical":3}"#), 3);
        assert_eq!(failures(r#"{"FailuresBeforeCritical":3,"FailuresBeforeWarning":1}"#), 1);
        assert_eq!(failures("{}"), 0);
    }

    #[test]
    fn a_check_of_nothing_is_the_default() {
        for body in ["{}", "null", r#"{"ServiceID":"x"}"#, r#"{"ProxyHTTP":"x"}"#] {
            assert_eq!(embedded(body).unwrap(), ServiceCheck::default(), "{body}");
        }
    }
}
