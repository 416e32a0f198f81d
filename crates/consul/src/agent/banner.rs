//! What an agent prints before its log (`docs/spec/cli.md` §2.1).

use std::fmt;
use std::net::IpAddr;

use config::RuntimeConfig;

/// Labels are right-aligned so that their colon stands behind this column.
const LABEL_WIDTH: usize = 21;

/// The banner of an agent with this configuration.
pub(super) struct Banner<'a> {
    config: &'a RuntimeConfig,
    node_id: &'a str,
}

impl<'a> Banner<'a> {
    pub(super) fn new(config: &'a RuntimeConfig, node_id: &'a str) -> Banner<'a> {
        Banner { config, node_id }
    }

    fn rows(&self) -> [(&'static str, String); 13] {
        let config = self.config;
        let https = &config.tls.https;
        [
            ("Version", format!("'{}'", types::COMPATIBLE_VERSION)),
            ("Build Date", "'2022-11-30 16:24:29 +0000 UTC'".to_owned()),
            ("Node ID", format!("'{}'", self.node_id)),
            ("Node name", format!("'{}'", config.node.name)),
            ("Datacenter", format!("'{}' (Segment: '{}')", config.datacenter, self.segment())),
            ("Server", format!("{} (Bootstrap: {})", config.server.enabled, config.server.bootstrap)),
            ("Client Addr", self.client()),
            ("Cluster Addr", self.cluster()),
            ("Gossip Encryption", (!config.gossip.encrypt.0.is_empty()).to_string()),
            ("Auto-Encrypt-TLS", "false".to_owned()),
            (
                "HTTPS TLS",
                format!(
                    "Verify Incoming: {}, Verify Outgoing: {}, Min Version: {}",
                    https.verify_incoming,
                    https.verify_outgoing,
                    https.min_version.as_str()
                ),
            ),
            ("gRPC TLS", format!("Verify Incoming: false, Min Version: {}", config.tls.grpc.min_version.as_str())),
            (
                "Internal RPC TLS",
                format!(
                    "Verify Incoming: false, Verify Outgoing: false (Verify Hostname: false), Min Version: {}",
                    config.tls.internal_rpc.min_version.as_str()
                ),
            ),
        ]
    }

    /// Servers are in every segment, clients in the default one.
    fn segment(&self) -> &'static str {
        if self.config.server.enabled { "<all>" } else { "" }
    }

    fn client(&self) -> String {
        let config = self.config;
        let addresses: Vec<String> = config.network.client.iter().map(IpAddr::to_string).collect();
        format!(
            "[{}] (HTTP: {}, HTTPS: {}, gRPC: {}, gRPC-TLS: {}, DNS: {})",
            addresses.join(" "),
            port(config.http.port),
            port(config.http.https_port),
            port(config.grpc.port),
            port(config.grpc.tls_port),
            port(config.dns.port)
        )
    }

    fn cluster(&self) -> String {
        let network = &self.config.network;
        format!(
            "{} (LAN: {}, WAN: {})",
            network.advertise_lan,
            port(network.serf_lan_port),
            port(network.serf_wan_port)
        )
    }
}

/// A port as the banner shows it: -1 when there is none.
fn port(port: Option<u16>) -> i32 {
    port.map_or(-1, i32::from)
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "==> Starting Consul agent...")?;
        for (label, value) in self.rows() {
            writeln!(f, "{label:>LABEL_WIDTH$}: {value}")?;
        }
        write!(f, "\n==> Log data will now stream in as it occurs:\n\n")
    }
}
