//! From what people write to addresses: `[<node>/]<host>[:<port>]` (`docs/spec/gossip.md` §8).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::JoinTarget;

/// How long the system's resolver may take for one name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Every place an entry names. An address is one place and asks nobody; a name is each of its addresses.
///
/// # Errors
/// Why the entry names no place, in the words the operator gets.
pub(super) async fn resolve(entry: &str, default_port: u16) -> Result<Vec<JoinTarget>, String> {
    let place = parse(entry, default_port).map_err(|why| failure(entry, &why))?;
    let addresses = match place.host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, place.port)],
        Err(_) => look_up(place.host, place.port).await.map_err(|why| failure(entry, &why))?,
    };
    let target = |address| JoinTarget { entry: entry.to_owned(), node: place.node.map(str::to_owned), address };
    Ok(addresses.into_iter().map(target).collect())
}

fn failure(entry: &str, why: &str) -> String {
    format!("Failed to resolve {entry}: {why}")
}

#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    node: Option<&'a str>,
    host: &'a str,
    port: u16,
}

fn parse(entry: &str, default_port: u16) -> Result<Place<'_>, String> {
    let (node, rest) = match entry.split_once('/') {
        Some(("", _)) => return Err("empty node name provided".to_owned()),
        Some((node, rest)) => (Some(node), rest),
        None => (None, entry),
    };
    let (host, port) = split_port(rest);
    let port = port.map_or(Ok(default_port), parse_port)?;
    Ok(Place { node, host, port })
}

/// The host without brackets, and the text after its colon. A bare IPv6 address has colons, but no port.
fn split_port(rest: &str) -> (&str, Option<&str>) {
    if let Some(inner) = rest.strip_prefix('[') {
        return match inner.split_once(']') {
            Some((host, after)) => (host, after.strip_prefix(':')),
            None => (rest, None),
        };
    }
    match rest.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (rest, None),
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    let why = |why: &str| format!("strconv.ParseUint: parsing {text:?}: {why}");
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(why("invalid syntax"));
    }
    text.parse().map_err(|_| why("value out of range"))
}

async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let failed = |why: &str| format!("lookup {host}: {why}");
    if host.is_empty() {
        return Err("lookup : no such host".to_owned());
    }
    let found = match tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, port))).await {
        Err(_) => return Err(failed("i/o timeout")),
        Ok(Err(error)) if error.to_string().contains("Temporary failure") => return Err(failed("server misbehaving")),
        Ok(Err(_)) => return Err(failed("no such host")),
        Ok(Ok(found)) => found,
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(failed("no such host")) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_taken_apart() {
        let cases = [
            ("10.0.0.1", None, "10.0.0.1", 8301),
            ("10.0.0.1:7", None, "10.0.0.1", 7),
            ("web", None, "web", 8301),
            ("web:7", None, "web", 7),
            ("::1", None, "::1", 8301),
            ("[::1]", None, "::1", 8301),
            ("[::1]:7", None, "::1", 7),
            ("n.dc2/10.0.0.1:8302", Some("n.dc2"), "10.0.0.1", 8302),
            ("a/b/web:7", Some("a"), "b/web", 7),
            ("a/", Some("a"), "", 8301),
            ("", None, "", 8301),
        ];
        for (entry, node, host, port) in cases {
            assert_eq!(parse(entry, 8301), Ok(Place { node, host, port }), "{entry}");
        }
    }

    #[tokio::test]
    async fn what_names_no_place_is_refused_in_the_reference_s_words() {
        let cases = [
            ("/10.0.0.1:1", "empty node name provided"),
            ("127.0.0.1:99999", "strconv.ParseUint: parsing \"99999\": value out of range"),
            ("127.0.0.1:abc", "strconv.ParseUint: parsing \"abc\": invalid syntax"),
            ("127.0.0.1:+1", "strconv.ParseUint: parsing \"+1\": invalid syntax"),
            ("127.0.0.1:", "strconv.ParseUint: parsing \"\": invalid syntax"),
            ("a/", "lookup : no such host"),
            ("", "lookup : no such host"),
        ];
        for (entry, why) in cases {
            let text = resolve(entry, 8301).await.unwrap_err();
            assert_eq!(text, format!("Failed to resolve {entry}: {why}"));
        }
    }

    #[tokio::test]
    async fn an_address_is_itself() {
        let targets = resolve("a/[::1]:7", 8301).await.unwrap();
        let found: Vec<_> = targets.iter().map(|t| (t.entry.as_str(), t.node.as_deref(), t.address)).collect();
        assert_eq!(found, [("a/[::1]:7", Some("a"), "[::1]:7".parse().unwrap())]);
    }
}
