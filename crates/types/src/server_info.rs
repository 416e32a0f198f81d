//! What gossip tells of a server: its tags, read (`docs/spec/gossip.md` §18.2).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Role of a server.
const SERVER_ROLE: &str = "consul";
/// Tags that start so count a feature's version.
const FEATURE_PREFIX: &str = "ft_";
/// Tags that start so name where a server listens in a network segment.
const SEGMENT_PREFIX: &str = "sl_";

/// A server, as its tags in gossip describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// `<node>.<datacenter>`.
    pub name: String,
    /// Name of its node.
    pub short_name: String,
    /// Its node's UUID; empty for a very old one.
    pub id: String,
    /// Where it is.
    pub datacenter: String,
    /// Its server port.
    pub address: SocketAddr,
    /// Its port for gossip between datacenters, if it has one.
    pub wan_join_port: Option<u16>,
    /// First three numbers of its build.
    pub version: (u64, u64, u64),
    /// Version, and what is behind it.
    pub build: String,
    /// Version of the Raft protocol; 0 when untold.
    pub raft_version: i64,
    /// Whether it was told to form a cluster by itself.
    pub bootstrap: bool,
    /// How many servers it waits for before they form a cluster; 0 when it does not.
    pub expect: u32,
    /// Whether it never votes.
    pub read_replica: bool,
    /// Whether its server port speaks TLS.
    pub use_tls: bool,
    /// `1` with access control, `0` without; none when untold.
    pub acls: Option<String>,
    /// Its port for gRPC.
    pub grpc_port: Option<u16>,
    /// Its port for gRPC with TLS.
    pub grpc_tls_port: Option<u16>,
}

impl ServerInfo {
    /// The server with this name (its node's, with or without its datacenter behind it), address and tags. Nothing for
    /// a member that is no server, or whose tags break a rule of servers.
    pub fn from_tags(name: &str, address: IpAddr, tags: &BTreeMap<String, String>) -> Option<ServerInfo> {
        let tag = |key: &str| tags.get(key).map(String::as_str);
        if tag("role") != Some(SERVER_ROLE) {
            return None;
        }
        let datacenter = tag("dc").filter(|datacenter| !datacenter.is_empty())?;
        number::<i64>(tag("vsn")?)?;
        check_prefixed(tags)?;
        let build = tag("build")?;
        let (grpc_port, grpc_tls_port) = grpc_ports(tag("grpc_port"), tag("grpc_tls_port"))?;
        let short_name = name.strip_suffix(datacenter).and_then(|name| name.strip_suffix('.')).unwrap_or(name);
        Some(ServerInfo {
            name: format!("{short_name}.{datacenter}"),
            short_name: short_name.to_owned(),
            id: tag("id").unwrap_or_default().to_owned(),
            datacenter: datacenter.to_owned(),
            address: SocketAddr::new(address, number(tag("port")?)?),
            wan_join_port: port(tag("wan_join_port"))?,
            version: version(build)?,
            build: build.to_owned(),
            raft_version: tag("raft_vsn").map_or(Some(0), number)?,
            bootstrap: tag("bootstrap").is_some(),
            expect: tag("expect").map_or(Some(0), number)?,
            read_replica: tag("read_replica").or(tag("nonvoter")).is_some(),
            use_tls: tag("use_tls").is_some(),
            acls: tag("acls").map(str::to_owned),
            grpc_port,
            grpc_tls_port,
        })
    }
}

/// Checks tags that a whole family of names has.
fn check_prefixed(tags: &BTreeMap<String, String>) -> Option<()> {
    let well_formed = tags.iter().all(|(key, value)| {
        if key.starts_with(FEATURE_PREFIX) {
            return number::<i64>(value).is_some();
        }
        !key.starts_with(SEGMENT_PREFIX) || is_host_and_port(value)
    });
    well_formed.then_some(())
}

/// A tag's number; nothing when it has none, or one out of range.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A port that may be missing; the outer nothing is a port that cannot be read. 0 means there is none.
fn port(tag: Option<&str>) -> Option<Option<u16>> {
    let Some(text) = tag else { return Some(None) };
    let port: i64 = number(text)?;
    Some(u16::try_from(port).ok().filter(|port| *port != 0))
}

/// Both ports of gRPC. One that says it has any must have one.
fn grpc_ports(plain: Option<&str>, tls: Option<&str>) -> Option<(Option<u16>, Option<u16>)> {
    let ports = (port(plain)?, port(tls)?);
    let told = plain.is_some() || tls.is_some();
    (!told || ports.0.is_some() || ports.1.is_some()).then_some(ports)
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    (is_bracketed || !host.contains(':')) && number::<i64>(port).is_some()
}

/// The first three numbers with dots between them.
fn version(build: &str) -> Option<(u64, u64, u64)> {
    let mut rest = build;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (major, behind) = split_digits(rest.get(start..)?);
        if let Some((minor, patch)) = minor_and_patch(behind) {
            return Some((number(major)?, number(minor)?, number(patch)?));
        }
        rest = behind;
    }
    None
}

/// Two numbers, each with a dot before it.
fn minor_and_patch(text: &str) -> Option<(&str, &str)> {
    let (minor, behind) = split_digits(text.strip_prefix('.')?);
    let (patch, _) = split_digits(behind.strip_prefix('.')?);
    (!minor.is_empty() && !patch.is_empty()).then_some((minor, patch))
}

/// The digits a text begins with, and what is behind them.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    /// Tags of a server of the reference's, with some changed; a changed one without a value is left out.
    fn tags(changed: &[(&str, Option<&str>)]) -> BTreeMap<String, String> {
        let usual = [
            ("role", "consul"),
            ("dc", "dc1"),
            ("segment", ""),
            ("id", "7c1b4a3e-0000-4000-8000-000000000001"),
            ("vsn", "2"),
            ("vsn_min", "2"),
            ("vsn_max", "3"),
            ("build", "1.14.2:0ba7a401"),
            ("raft_vsn", "3"),
            ("port", "8300"),
            ("wan_join_port", "8302"),
            ("grpc_tls_port", "8503"),
            ("expect", "3"),
            ("acls", "0"),
            ("ft_fs", "1"),
            ("ft_si", "1"),
        ];
        let mut tags: BTreeMap<String, String> =
            usual.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        for (key, value) in changed {
            tags.remove(*key);
            tags.extend(value.map(|value| ((*key).to_owned(), value.to_owned())));
        }
        tags
    }

    #[test]
    fn a_server_is_recognised() {
        let server = ServerInfo::from_tags("a", ADDRESS, &tags(&[])).unwrap();
        let want = ServerInfo {
            name: "a.dc1".into(),
            short_name: "a".into(),
            id: "7c1b4a3e-0000-4000-8000-000000000001".into(),
            datacenter: "dc1".into(),
            address: SocketAddr::new(ADDRESS, 8300),
            wan_join_port: Some(8302),
            version: (1, 14, 2),
            build: "1.14.2:0ba7a401".into(),
            raft_version: 3,
            bootstrap: false,
            expect: 3,
            read_replica: false,
            use_tls: false,
            acls: Some("0".into()),
            grpc_port: None,
            grpc_tls_port: Some(8503),
        };
        assert_eq!(server, want);
        assert_eq!(ServerInfo::from_tags("a.dc1", ADDRESS, &tags(&[])), Some(want));
    }

    #[test]
    fn optional_tags_are_read() {
        let changed = [
            ("wan_join_port", None),
            ("raft_vsn", None),
            ("expect", None),
            ("acls", None),
            ("id", None),
            ("bootstrap", Some("1")),
            ("use_tls", Some("")),
            ("nonvoter", Some("1")),
            ("grpc_port", Some("8502")),
            ("grpc_tls_port", Some("0")),
            ("sl_alpha", Some("[::1]:8303")),
        ];
        let server = ServerInfo::from_tags("a", ADDRESS, &tags(&changed)).unwrap();
        assert_eq!((server.wan_join_port, server.raft_version, server.expect, server.acls), (None, 0, 0, None));
        assert!(server.bootstrap && server.use_tls && server.read_replica && server.id.is_empty());
        assert_eq!((server.grpc_port, server.grpc_tls_port), (Some(8502), None));
    }

    #[test]
    fn what_breaks_a_rule_is_no_server() {
        for (key, value) in [
            ("role", Some("node")),
            ("role", None),
            ("dc", None),
            ("port", None),
            ("port", Some("x")),
            ("port", Some("65536")),
            ("vsn", None),
            ("vsn", Some("two")),
            ("build", None),
            ("build", Some("1.14")),
            ("build", Some("99999999999999999999.0.0")),
            ("expect", Some("many")),
            ("wan_join_port", Some("")),
            ("raft_vsn", Some("v3")),
            ("ft_new", Some("yes")),
            ("grpc_port", Some("x")),
            ("grpc_tls_port", Some("0")),
            ("sl_alpha", Some("8303")),
            ("sl_alpha", Some("a:b")),
            ("sl_alpha", Some("::1:8303")),
        ] {
            assert_eq!(ServerInfo::from_tags("a", ADDRESS, &tags(&[(key, value)])), None, "{key} {value:?}");
        }
    }

    #[test]
    fn the_version_is_the_first_three_numbers() {
        for (build, want) in [
            ("1.8.7", Some((1, 8, 7))),
            ("1.8.7+dfsg1:", Some((1, 8, 7))),
            ("v1.10.0dev:deadbeef", Some((1, 10, 0))),
            ("1.2.x 3.4.5", Some((3, 4, 5))),
            ("12.34.56.78", Some((12, 34, 56))),
            ("1..2.3", None),
            ("1.2.", None),
            ("", None),
            ("é1.2.3", Some((1, 2, 3))),
        ] {
            assert_eq!(version(build), want, "{build}");
        }
    }
}
