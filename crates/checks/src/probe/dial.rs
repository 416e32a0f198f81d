//! Addresses of checks, and the connections to them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::cause;

/// Connects to `host:port`, trying every address of the host until the deadline. The error is the whole text.
pub(super) async fn tcp(address: &str, deadline: Instant) -> Result<TcpStream, String> {
    let peers = timeout_at(deadline, resolve("tcp", address))
        .await
        .map_err(|_| format!("dial tcp: lookup {address}: i/o timeout"))??;
    let count = u32::try_from(peers.len()).unwrap_or(u32::MAX);
    let mut failure = None;
    for (peer, left) in peers.iter().zip((1..=count).rev()) {
        // An address that swallows packets leaves time for the others.
        let share = deadline.saturating_duration_since(Instant::now()) / left;
        let reason = match timeout(share, TcpStream::connect(peer)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => format!("connect: {}", cause::system_text(&error)),
            Err(_) => "i/o timeout".to_owned(),
        };
        failure.get_or_insert_with(|| format!("dial tcp {peer}: {reason}"));
    }
    Err(failure.unwrap_or_else(|| format!("dial tcp: lookup {address}: no such host")))
}

/// The addresses behind `host:port`; only names are looked up. The error is the whole text.
pub(super) async fn resolve(network: &str, address: &str) -> Result<Vec<SocketAddr>, String> {
    let (host, port) = split(address).map_err(|problem| format!("dial {network}: {problem}"))?;
    let port = match port.parse::<u32>() {
        Ok(number) => u16::try_from(number).map_err(|_| format!("dial {network}: address {port}: invalid port"))?,
        Err(_) if port.is_empty() => 0,
        Err(_) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(format!("dial {network}: address {port}: invalid port"));
        }
        Err(_) => return Err(format!("dial {network}: lookup {network}/{port}: unknown port")),
    };
    if host.is_empty() {
        return Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))]);
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let unknown = || format!("dial {network}: lookup {host}: no such host");
    let found = tokio::net::lookup_host((host, port)).await.map_err(|_| unknown())?;
    Ok(found.collect())
}

/// Host, without the brackets of an IPv6 address, and port.
pub(super) fn split(address: &str) -> Result<(&str, &str), String> {
    let problem = |what: &str| Err(format!("address {address}: {what}"));
    if let Some(rest) = address.strip_prefix('[') {
        let Some((host, rest)) = rest.split_once(']') else {
            return problem("missing ']' in address");
        };
        return match rest.strip_prefix(':') {
            Some(port) if port.contains(':') => problem("too many colons in address"),
            Some(port) => Ok((host, port)),
            None => problem("missing port in address"),
        };
    }
    match address.rsplit_once(':') {
        None => problem("missing port in address"),
        Some((host, _)) if host.contains(':') => problem("too many colons in address"),
        Some(parts) => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split() {
        let table = [
            ("host:80", Ok(("host", "80"))),
            ("host:", Ok(("host", ""))),
            (":80", Ok(("", "80"))),
            ("[::1]:80", Ok(("::1", "80"))),
            ("[::1]", Err("address [::1]: missing port in address")),
            ("[::1:80", Err("address [::1:80: missing ']' in address")),
            ("[::1]:8:0", Err("address [::1]:8:0: too many colons in address")),
            ("::1", Err("address ::1: too many colons in address")),
            ("host", Err("address host: missing port in address")),
            ("", Err("address : missing port in address")),
        ];
        for (address, expected) in table {
            assert_eq!(split(address), expected.map_err(str::to_owned), "{address}");
        }
    }
}
