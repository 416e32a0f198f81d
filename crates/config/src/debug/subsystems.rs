//! `DebugConfig` fields of subsystems.

use serde_json::{Map, Value, json};

use super::{Field, HIDDEN, masked, number, owned_path, port, shown, sorted, span};
use crate::runtime::*;
use crate::secret::SecretMap;

impl RuntimeConfig {
    pub(super) fn dns_fields(&self) -> Vec<Field> {
        let dns = &self.dns;
        let tcp = dns.addresses.iter().map(|address| format!("tcp://{address}"));
        let udp = dns.addresses.iter().map(|address| format!("udp://{address}"));
        let ttl: Map<String, Value> = dns.service_ttl.iter().map(|(name, ttl)| (name.clone(), span(*ttl))).collect();
        let strategy = match dns.recursor_strategy {
            RecursorStrategy::Sequential => "sequential",
            RecursorStrategy::Random => "random",
        };
        vec![
            ("DNSARecordLimit", json!(dns.a_record_limit)),
            ("DNSAddrs", tcp.chain(udp).map(Value::from).collect()),
            ("DNSAllowStale", json!(dns.allow_stale)),
            ("DNSAltDomain", json!(dns.alt_domain)),
            ("DNSCacheMaxAge", span(dns.cache_max_age)),
            ("DNSDisableCompression", json!(dns.disable_compression)),
            ("DNSDomain", json!(dns.domain)),
            ("DNSEnableTruncate", json!(dns.enable_truncate)),
            ("DNSMaxStale", span(dns.max_stale)),
            ("DNSNodeMetaTXT", json!(dns.node_meta_txt)),
            ("DNSNodeTTL", span(dns.node_ttl)),
            ("DNSOnlyPassing", json!(dns.only_passing)),
            ("DNSPort", port(dns.port)),
            ("DNSRecursorStrategy", json!(strategy)),
            ("DNSRecursorTimeout", span(dns.recursor_timeout)),
            ("DNSRecursors", json!(dns.recursors)),
            (
                "DNSSOA",
                json!({
                    "Expire": dns.soa.expire,
                    "Minttl": dns.soa.min_ttl,
                    "Refresh": dns.soa.refresh,
                    "Retry": dns.soa.retry,
                }),
            ),
            ("DNSServiceTTL", Value::Object(ttl)),
            ("DNSUDPAnswerLimit", json!(dns.udp_answer_limit)),
            ("DNSUseCache", json!(dns.use_cache)),
        ]
    }

    pub(super) fn http_fields(&self) -> Vec<Field> {
        let (http, ui) = (&self.http, &self.ui);
        let headers: Vec<Value> =
            ui.metrics_proxy_headers.iter().map(|(name, _)| json!({ "Name": name, "Value": HIDDEN })).collect();
        vec![
            ("AllowWriteHTTPFrom", shown(&http.allow_write_from)),
            ("DisableHTTPUnprintableCharFilter", json!(http.disable_unprintable_char_filter)),
            ("HTTPAddrs", shown(&http.addresses)),
            ("HTTPBlockEndpoints", json!(http.block_endpoints)),
            ("HTTPMaxHeaderBytes", json!(http.max_header_bytes)),
            ("HTTPPort", port(http.port)),
            ("HTTPResponseHeaders", json!(http.response_headers)),
            ("HTTPSAddrs", shown(&http.https_addresses)),
            ("HTTPSPort", port(http.https_port)),
            ("HTTPUseCache", json!(http.use_cache)),
            (
                "UIConfig",
                json!({
                    "ContentPath": ui.content_path,
                    "DashboardURLTemplates": ui.dashboard_url_templates,
                    "Dir": ui.dir,
                    "Enabled": ui.enabled,
                    "HCPEnabled": ui.hcp_enabled,
                    "MetricsProvider": ui.metrics_provider,
                    "MetricsProviderFiles": ui.metrics_provider_files,
                    "MetricsProviderOptionsJSON": ui.metrics_provider_options_json,
                    "MetricsProxy": {
                        "AddHeaders": headers,
                        "BaseURL": ui.metrics_proxy_base_url,
                        "PathAllowlist": ui.metrics_proxy_paths,
                    },
                }),
            ),
        ]
    }

    pub(super) fn acl_fields(&self) -> Vec<Field> {
        let acl = &self.acl;
        vec![
            ("ACLEnableKeyListPolicy", json!(acl.key_list_policy)),
            ("ACLInitialManagementToken", json!(HIDDEN)),
            (
                "ACLResolverSettings",
                json!({
                    "ACLDefaultPolicy": acl.default_policy,
                    "ACLDownPolicy": acl.down_policy,
                    "ACLPolicyTTL": span(acl.policy_ttl),
                    "ACLRoleTTL": span(acl.role_ttl),
                    "ACLTokenTTL": span(acl.token_ttl),
                    "ACLsEnabled": acl.enabled,
                    "Datacenter": self.datacenter,
                    "EnterpriseMeta": {},
                    "NodeName": self.node.name,
                }),
            ),
            ("ACLTokenReplication", json!(acl.token_replication)),
            (
                "ACLTokens",
                json!({
                    "ACLAgentRecoveryToken": HIDDEN,
                    "ACLAgentToken": HIDDEN,
                    "ACLDefaultToken": HIDDEN,
                    "ACLReplicationToken": HIDDEN,
                    "DataDir": owned_path(self.data_dir.as_ref()),
                    "EnablePersistence": acl.token_persistence,
                    "EnterpriseConfig": {},
                }),
            ),
            ("ACLsEnabled", json!(acl.enabled)),
        ]
    }

    pub(super) fn gossip_fields(&self) -> Vec<Field> {
        let (gossip, join, autopilot) = (&self.gossip, &self.join, &self.autopilot);
        vec![
            ("AdvertiseReconnectTimeout", span(gossip.advertise_reconnect_timeout)),
            ("DisableKeyringFile", json!(gossip.disable_keyring_file)),
            ("EncryptKey", json!(HIDDEN)),
            (
                "StaticRuntimeConfig",
                json!({
                    "EncryptVerifyIncoming": gossip.verify_incoming,
                    "EncryptVerifyOutgoing": gossip.verify_outgoing,
                }),
            ),
            ("GossipLANGossipInterval", span(gossip.lan.gossip_interval)),
            ("GossipLANGossipNodes", json!(gossip.lan.gossip_nodes)),
            ("GossipLANProbeInterval", span(gossip.lan.probe_interval)),
            ("GossipLANProbeTimeout", span(gossip.lan.probe_timeout)),
            ("GossipLANRetransmitMult", json!(gossip.lan.retransmit_mult)),
            ("GossipLANSuspicionMult", json!(gossip.lan.suspicion_mult)),
            ("GossipWANGossipInterval", span(gossip.wan.gossip_interval)),
            ("GossipWANGossipNodes", json!(gossip.wan.gossip_nodes)),
            ("GossipWANProbeInterval", span(gossip.wan.probe_interval)),
            ("GossipWANProbeTimeout", span(gossip.wan.probe_timeout)),
            ("GossipWANRetransmitMult", json!(gossip.wan.retransmit_mult)),
            ("GossipWANSuspicionMult", json!(gossip.wan.suspicion_mult)),
            ("ReconnectTimeoutLAN", span(gossip.reconnect_timeout_lan)),
            ("ReconnectTimeoutWAN", span(gossip.reconnect_timeout_wan)),
            ("PrimaryGateways", json!(join.primary_gateways)),
            ("PrimaryGatewaysInterval", span(join.primary_gateways_interval)),
            ("RetryJoinIntervalLAN", span(join.retry_interval_lan)),
            ("RetryJoinIntervalWAN", span(join.retry_interval_wan)),
            ("RetryJoinLAN", masked(&join.retry_lan)),
            ("RetryJoinMaxAttemptsLAN", json!(join.retry_max_lan)),
            ("RetryJoinMaxAttemptsWAN", json!(join.retry_max_wan)),
            ("RetryJoinWAN", masked(&join.retry_wan)),
            ("StartJoinAddrsLAN", masked(&join.start_lan)),
            ("StartJoinAddrsWAN", masked(&join.start_wan)),
            ("AutopilotCleanupDeadServers", json!(autopilot.cleanup_dead_servers)),
            ("AutopilotDisableUpgradeMigration", json!(autopilot.disable_upgrade_migration)),
            ("AutopilotLastContactThreshold", span(autopilot.last_contact_threshold)),
            ("AutopilotMaxTrailingLogs", json!(autopilot.max_trailing_logs)),
            ("AutopilotMinQuorum", json!(autopilot.min_quorum)),
            ("AutopilotRedundancyZoneTag", json!(autopilot.redundancy_zone_tag)),
            ("AutopilotServerStabilizationTime", span(autopilot.server_stabilization_time)),
            ("AutopilotUpgradeVersionTag", json!(autopilot.upgrade_version_tag)),
        ]
    }

    pub(super) fn mesh_fields(&self) -> Vec<Field> {
        let (connect, auto) = (&self.connect, &self.auto_config);
        vec![
            ("ConnectCAConfig", ca_config(&connect.ca_config)),
            ("ConnectCAProvider", json!(connect.ca_provider)),
            ("ConnectEnabled", json!(connect.enabled)),
            ("ConnectMeshGatewayWANFederationEnabled", json!(connect.mesh_gateway_wan_federation)),
            ("ConnectServerlessPluginEnabled", json!(connect.serverless_plugin)),
            ("ConnectSidecarMaxPort", json!(connect.sidecar_ports.1)),
            ("ConnectSidecarMinPort", json!(connect.sidecar_ports.0)),
            ("ExposeMaxPort", json!(connect.expose_ports.1)),
            ("ExposeMinPort", json!(connect.expose_ports.0)),
            ("PeeringEnabled", json!(self.peering_enabled)),
            ("AutoEncryptAllowTLS", json!(self.auto_encrypt.allow_tls)),
            ("AutoEncryptDNSSAN", json!(self.auto_encrypt.dns_san)),
            ("AutoEncryptIPSAN", ip_bytes(&self.auto_encrypt.ip_san)),
            ("AutoEncryptTLS", json!(self.auto_encrypt.tls)),
            (
                "AutoConfig",
                json!({
                    "Authorizer": authorizer(&auto.authorization),
                    "DNSSANs": auto.dns_sans,
                    "Enabled": auto.enabled,
                    "IPSANs": ip_bytes(&auto.ip_sans),
                    "IntroToken": HIDDEN,
                    "IntroTokenFile": auto.intro_token_file,
                    "ServerAddresses": auto.server_addresses,
                }),
            ),
            (
                "Cloud",
                json!({
                    "AuthURL": self.cloud.auth_url,
                    "ClientID": self.cloud.client_id,
                    "ClientSecret": HIDDEN,
                    "Hostname": self.cloud.hostname,
                    "ResourceID": self.cloud.resource_id,
                    "ScadaAddress": self.cloud.scada_address,
                }),
            ),
        ]
    }

    pub(super) fn tls_fields(&self) -> Vec<Field> {
        let tls = json!({
            "AutoTLS": self.auto_encrypt.tls || self.auto_config.enabled,
            "Domain": self.dns.domain,
            "EnableAgentTLSForChecks": self.check.use_agent_tls,
            "GRPC": protocol_tls(&self.tls.grpc),
            "HTTPS": protocol_tls(&self.tls.https),
            "InternalRPC": protocol_tls(&self.tls.internal_rpc),
            "NodeName": self.node.name,
            "ServerMode": self.server.enabled,
            "ServerName": self.server.tls_name,
        });
        vec![("TLS", tls)]
    }

    pub(super) fn telemetry_fields(&self) -> Vec<Field> {
        let telemetry = &self.telemetry;
        let circonus = |key: &str| telemetry.circonus.get(key).cloned().unwrap_or_default();
        let value = json!({
            "AllowedPrefixes": telemetry.allowed_prefixes,
            "BlockedPrefixes": telemetry.blocked_prefixes,
            "CirconusAPIApp": circonus("telemetry.circonus_api_app"),
            "CirconusAPIToken": HIDDEN,
            "CirconusAPIURL": circonus("telemetry.circonus_api_url"),
            "CirconusBrokerID": circonus("telemetry.circonus_broker_id"),
            "CirconusBrokerSelectTag": circonus("telemetry.circonus_broker_select_tag"),
            "CirconusCheckDisplayName": circonus("telemetry.circonus_check_display_name"),
            "CirconusCheckForceMetricActivation": circonus("telemetry.circonus_check_force_metric_activation"),
            "CirconusCheckID": circonus("telemetry.circonus_check_id"),
            "CirconusCheckInstanceID": circonus("telemetry.circonus_check_instance_id"),
            "CirconusCheckSearchTag": circonus("telemetry.circonus_check_search_tag"),
            "CirconusCheckTags": circonus("telemetry.circonus_check_tags"),
            "CirconusSubmissionInterval": circonus("telemetry.circonus_submission_interval"),
            "CirconusSubmissionURL": circonus("telemetry.circonus_submission_url"),
            "Disable": false,
            "DisableHostname": telemetry.disable_hostname,
            "DogstatsdAddr": telemetry.dogstatsd_address,
            "DogstatsdTags": telemetry.dogstatsd_tags,
            "FilterDefault": telemetry.filter_default,
            "MetricsPrefix": telemetry.metrics_prefix,
            "PrometheusOpts": {
                "CounterDefinitions": [],
                "Expiration": span(telemetry.prometheus_retention),
                "GaugeDefinitions": [],
                "Name": telemetry.metrics_prefix,
                "Registerer": null,
                "SummaryDefinitions": [],
            },
            "RetryFailedConfiguration": telemetry.retry_failed_connection,
            "StatsdAddr": telemetry.statsd_address,
            "StatsiteAddr": telemetry.statsite_address,
        });
        vec![("Telemetry", value)]
    }
}

/// Provider settings without their secrets, which the reference prints.
fn ca_config(config: &SecretMap) -> Value {
    const SECRETS: [&str; 5] = ["Token", "PrivateKey", "AuthMethod", "auth_method", "RootCert"];
    let visible = |(name, value): (&String, &Value)| {
        let lower = name.to_lowercase();
        let secret =
            SECRETS.contains(&name.as_str()) || ["token", "secret", "password"].iter().any(|word| lower.contains(word));
        // A nested map may hold anything.
        let value = if secret || value.is_object() { json!(HIDDEN) } else { value.clone() };
        (name.clone(), value)
    };
    sorted(&config.0.iter().map(visible).collect())
}

fn protocol_tls(tls: &ProtocolTls) -> Value {
    let suites: Vec<&str> = tls.cipher_suites.iter().map(|suite| suite.as_str()).collect();
    json!({
        "CAFile": owned_path(tls.ca_file.as_ref()),
        "CAPath": owned_path(tls.ca_path.as_ref()),
        "CertFile": owned_path(tls.cert_file.as_ref()),
        "CipherSuites": suites,
        "KeyFile": HIDDEN,
        "TLSMinVersion": tls.min_version.as_str(),
        "UseAutoCert": tls.use_auto_cert,
        "VerifyIncoming": tls.verify_incoming,
        "VerifyOutgoing": tls.verify_outgoing,
        "VerifyServerHostname": tls.verify_server_hostname,
    })
}

fn authorizer(authorization: &AutoConfigAuthorization) -> Value {
    json!({
        "AllowReuse": authorization.allow_reuse,
        "AuthMethod": {
            "ACLAuthMethodEnterpriseFields": {},
            "Config": {
                "BoundAudiences": or_null(&authorization.bound_audiences),
                "BoundIssuer": authorization.bound_issuer,
                "ClaimMappings": (!authorization.claim_mappings.is_empty()).then_some(&authorization.claim_mappings),
                "ClockSkewLeeway": nanos(authorization.clock_skew_leeway),
                "ExpirationLeeway": nanos(authorization.expiration_leeway),
                "JWKSCACert": authorization.jwks_ca_cert,
                "JWKSURL": authorization.jwks_url,
                "JWTSupportedAlgs": or_null(&authorization.jwt_supported_algs),
                "JWTValidationPubKeys": or_null(&authorization.jwt_validation_pub_keys),
                "ListClaimMappings":
                    (!authorization.list_claim_mappings.is_empty()).then_some(&authorization.list_claim_mappings),
                "NotBeforeLeeway": nanos(authorization.not_before_leeway),
                "OIDCDiscoveryCACert": authorization.oidc_discovery_ca_cert,
                "OIDCDiscoveryURL": authorization.oidc_discovery_url,
            },
            "Description": "",
            "DisplayName": "",
            "EnterpriseMeta": {},
            "MaxTokenTTL": "0s",
            "Name": "Auto Config Authorizer",
            "RaftIndex": { "CreateIndex": 0, "ModifyIndex": 0 },
            "TokenLocality": "",
            "Type": "jwt",
        },
        "ClaimAssertions": authorization.claim_assertions,
        "Enabled": authorization.enabled,
    })
}

fn or_null(list: &[String]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

fn nanos(duration: std::time::Duration) -> Value {
    number(duration.as_nanos() as f64)
}

/// Addresses as Go's raw 16-byte slices, as the reference prints them here.
fn ip_bytes(ips: &[std::net::IpAddr]) -> Value {
    let bytes = |ip: &std::net::IpAddr| match ip {
        std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        std::net::IpAddr::V6(ip) => ip.octets(),
    };
    ips.iter().map(|ip| json!(bytes(ip))).collect()
}
