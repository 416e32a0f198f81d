//! What an agent prints before its log (`docs/spec/cli.md` §2.1).

use std::fmt::Write as _;
use std::net::IpAddr;

/// Labels are right-aligned so that their colon stands in this column.
const LABEL_WIDTH: usize = 21;

/// The facts of the banner.
#[derive(Debug)]
pub(super) struct Banner<'a> {
    pub(super) node_id: &'a str,
    pub(super) node_name: &'a str,
    pub(super) datacenter: &'a str,
    pub(super) bootstrap: bool,
    pub(super) client_addresses: &'a [IpAddr],
    /// HTTP, HTTPS, gRPC, gRPC with TLS, DNS; -1 for none.
    pub(super) ports: [i32; 5],
    pub(super) advertise: IpAddr,
    /// Gossip in the datacenter, and between datacenters; -1 for none.
    pub(super) gossip_ports: [i32; 2],
    pub(super) https_verify_incoming: bool,
    pub(super) https_verify_outgoing: bool,
    pub(super) tls_min_version: &'a str,
}

impl Banner<'_> {
    /// The whole text, with its trailing blank line.
    pub(super) fn render(&self) -> String {
        let [http, https, grpc, grpc_tls, dns] = self.ports;
        let [lan, wan] = self.gossip_ports;
        let addresses: Vec<String> = self.client_addresses.iter().map(IpAddr::to_string).collect();
        let client = format!(
            "[{}] (HTTP: {http}, HTTPS: {https}, gRPC: {grpc}, gRPC-TLS: {grpc_tls}, DNS: {dns})",
            addresses.join(" ")
        );
        let min = self.tls_min_version;
        let rows = [
            ("Version", format!("'{}'", types::COMPATIBLE_VERSION)),
            ("Build Date", "'2022-11-30 16:24:29 +0000 UTC'".to_owned()),
            ("Node ID", format!("'{}'", self.node_id)),
            ("Node name", format!("'{}'", self.node_name)),
            ("Datacenter", format!("'{}' (Segment: '<all>')", self.datacenter)),
            ("Server", format!("true (Bootstrap: {})", self.bootstrap)),
            ("Client Addr", client),
            ("Cluster Addr", format!("{} (LAN: {lan}, WAN: {wan})", self.advertise)),
            ("Gossip Encryption", "false".to_owned()),
            ("Auto-Encrypt-TLS", "false".to_owned()),
            (
                "HTTPS TLS",
                format!(
                    "Verify Incoming: {}, Verify Outgoing: {}, Min Version: {min}",
                    self.https_verify_incoming, self.https_verify_outgoing
                ),
            ),
            ("gRPC TLS", "Verify Incoming: false, Min Version: TLSv1_2".to_owned()),
            (
                "Internal RPC TLS",
                "Verify Incoming: false, Verify Outgoing: false (Verify Hostname: false), Min Version: TLSv1_2".to_owned(),
            ),
        ];
        let mut text = "==> Starting Consul agent...\n".to_owned();
        for (label, value) in rows {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:>LABEL_WIDTH$}: {value}");
        }
        text.push_str("\n==> Log data will now stream in as it occurs:\n\n");
        text
    }
}
