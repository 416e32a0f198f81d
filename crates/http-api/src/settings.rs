//! What the composition root tells the door.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::Error;

/// Size of request headers when none is configured: 1 MiB (`docs/spec/http-api.md` §1.1).
pub const DEFAULT_MAX_HEADER_BYTES: usize = 1 << 20;

/// Settings of the HTTP API. [`Default`] holds the reference's defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Requests whose path starts with one of these answer 403.
    pub block_endpoints: Vec<String>,
    /// Networks that may write; empty for all.
    pub allow_write_http_from: Vec<Network>,
    /// Headers added to every API, index, 404 and UI response.
    pub response_headers: Vec<(String, String)>,
    /// Bound on the size of request headers, bytes; 0 for the default.
    pub max_header_bytes: usize,
    /// Indent JSON although the request does not ask for it (dev mode).
    pub pretty: bool,
    /// Accept paths with characters that do not print.
    pub disable_unprintable_char_filter: bool,
    /// Largest value of a key, bytes.
    pub kv_max_value_size: u64,
    /// Largest body of a transaction, bytes.
    pub txn_max_req_len: u64,
    /// Open connections of one IP address; 0 for no bound. See [`crate::HttpServer::set_max_conns_per_client`].
    pub http_max_conns_per_client: usize,
    /// Bound on the TLS handshake together with the wait for the first byte of a request.
    pub https_handshake_timeout: Duration,
    /// Wait of a blocking query that names none.
    pub default_query_time: Duration,
    /// Longest wait of a blocking query.
    pub max_query_time: Duration,
    /// Catalog and health reads that name no mode are stale up to this age; zero for the default mode.
    pub discovery_max_stale: Duration,
    /// `allow` or `deny`: the value of `X-Consul-Default-ACL-Policy`.
    pub default_acl_policy: String,
    /// Whether answers carry `X-Consul-Translate-Addresses`.
    pub translate_wan_addrs: bool,
    /// Secret used by requests that bring no token; empty for anonymous.
    pub default_token: String,
    /// Whether `?cached` is heard.
    pub use_cache: bool,
    /// Whether reads of health that wait or are cached look as if they came from a subscription.
    pub use_streaming_backend: bool,
    /// Whether `/debug/pprof/` exists.
    pub enable_debug: bool,
    /// Whether the coordinate endpoints answer 401.
    pub disable_coordinates: bool,
    /// Where the web UI lives (`/ui/`); none without a UI.
    pub ui_content_path: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            block_endpoints: Vec::new(),
            allow_write_http_from: Vec::new(),
            response_headers: Vec::new(),
            max_header_bytes: DEFAULT_MAX_HEADER_BYTES,
            pretty: false,
            disable_unprintable_char_filter: false,
            kv_max_value_size: 512 * 1024,
            txn_max_req_len: 512 * 1024,
            http_max_conns_per_client: 200,
            https_handshake_timeout: Duration::from_secs(5),
            default_query_time: Duration::from_secs(300),
            max_query_time: Duration::from_secs(600),
            discovery_max_stale: Duration::ZERO,
            default_acl_policy: "allow".to_owned(),
            translate_wan_addrs: false,
            default_token: String::new(),
            use_cache: true,
            use_streaming_backend: true,
            enable_debug: false,
            disable_coordinates: false,
            ui_content_path: None,
        }
    }
}

/// What headers may exceed their bound by before they are refused, as in the reference.
const HEADER_SLACK_BYTES: usize = 4096;

impl Settings {
    /// Largest request line with headers that is answered, bytes.
    pub(crate) fn header_limit_bytes(&self) -> usize {
        let configured = if self.max_header_bytes == 0 { DEFAULT_MAX_HEADER_BYTES } else { self.max_header_bytes };
        configured.saturating_add(HEADER_SLACK_BYTES)
    }
}

/// A block of IP addresses, `ADDRESS/BITS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether an address lies in the block. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Network, Error> {
        let invalid = || Error::Network(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(invalid)?;
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let bits: u8 = bits.parse().map_err(|_| invalid())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if bits > longest {
            return Err(invalid());
        }
        Ok(Network { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_own_addresses_only() {
        let cases = [
            ("127.0.0.0/8", "127.4.5.6", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("10.0.0.1/32", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("0.0.0.0/0", "200.1.1.1", true),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "10.0.0.1", false),
        ];
        for (network, address, expected) in cases {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), expected, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1", "::/129"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
