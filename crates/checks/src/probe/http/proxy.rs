//! Proxies of the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`, also in lower case. The machine itself is never
//! reached through a proxy.

use std::env;
use std::net::IpAddr;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;
use wire::quote::go_quote;

use super::hop;
use crate::ProbeTls;
use crate::probe::link::{self, Link, Stream};
use crate::probe::tls::Alpn;
use crate::probe::{Run, cause, dial};

/// Of a proxy's answer to CONNECT.
const MAX_ANSWER_BYTES: usize = 8 * 1024;

/// Which proxy leads where.
#[derive(Debug, Default)]
pub(in crate::probe) struct Proxies {
    http: Setting,
    https: Setting,
    exempt: Vec<Exempt>,
}

/// `None`: no proxy. An unusable value fails every check it concerns.
type Setting = Option<Result<Url, String>>;

/// Hosts reached without a proxy.
#[derive(Debug)]
enum Exempt {
    Everything,
    Network { address: IpAddr, prefix_bits: u32 },
    Address { address: IpAddr, port: Option<u16> },
    Domain { dotted: String, itself: bool, port: Option<u16> },
}

impl Proxies {
    pub(in crate::probe) fn from_environment() -> Proxies {
        let either = |upper: &str, lower: &str| env::var(upper).or_else(|_| env::var(lower)).unwrap_or_default();
        Proxies::new(
            &either("HTTP_PROXY", "http_proxy"),
            &either("HTTPS_PROXY", "https_proxy"),
            &either("NO_PROXY", "no_proxy"),
        )
    }

    fn new(http: &str, https: &str, exempt: &str) -> Proxies {
        let exempt = exempt.split(',').filter_map(Exempt::parse).collect();
        Proxies { http: parse(http), https: parse(https), exempt }
    }

    /// The proxy for a URL, if any.
    pub(super) fn of(&self, url: &Url) -> Result<Option<&Url>, String> {
        let setting = if url.scheme() == "https" { &self.https } else { &self.http };
        match setting {
            None => Ok(None),
            Some(_) if self.is_exempt(url) => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy)),
            Some(Err(error)) => Err(error.clone()),
        }
    }

    fn is_exempt(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let address = host.parse::<IpAddr>().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        let port = url.port_or_known_default();
        self.exempt.iter().any(|exempt| exempt.covers(host, address, port))
    }
}

fn parse(text: &str) -> Setting {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let is_proxy = |url: &Url| matches!(url.scheme(), "http" | "https" | "socks5") && url.has_host();
    // `host:port` reads as a scheme with a path.
    let url = Url::parse(text).ok().filter(is_proxy).or_else(|| Url::parse(&format!("http://{text}")).ok());
    Some(match url {
        Some(url) if url.scheme() == "socks5" => Err("proxies over socks5 are not there yet".to_owned()),
        Some(url) => Ok(url),
        // Without the text: it may hold a password.
        None => Err("invalid proxy address in the environment".to_owned()),
    })
}

impl Exempt {
    fn parse(text: &str) -> Option<Exempt> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Some(Exempt::Everything);
        }
        if let Some((address, prefix_bits)) = text.split_once('/') {
            let (address, prefix_bits) = (address.parse().ok()?, prefix_bits.parse().ok()?);
            return Some(Exempt::Network { address, prefix_bits });
        }
        let (host, port) = match text.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>().ok())) {
            Some((host, Some(port))) if text.parse::<IpAddr>().is_err() => (host, Some(port)),
            _ => (text.as_str(), None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = host.parse() {
            return Some(Exempt::Address { address, port });
        }
        let host = host.strip_prefix('*').unwrap_or(host);
        if host.is_empty() {
            return None;
        }
        let below = host.starts_with('.');
        let dotted = if below { host.to_owned() } else { format!(".{host}") };
        Some(Exempt::Domain { dotted, itself: !below, port })
    }

    fn covers(&self, host: &str, of_host: Option<IpAddr>, of_port: Option<u16>) -> bool {
        match self {
            Exempt::Everything => true,
            Exempt::Network { address, prefix_bits } => {
                of_host.is_some_and(|of_host| share_prefix(*address, of_host, *prefix_bits))
            }
            Exempt::Address { address, port } => of_host == Some(*address) && (port.is_none() || *port == of_port),
            Exempt::Domain { dotted, itself, port } => {
                let named = host.ends_with(dotted) || *itself && dotted.strip_prefix('.') == Some(host);
                named && (port.is_none() || *port == of_port)
            }
        }
    }
}

fn share_prefix(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits,
        _ => false,
    }
}

/// What the proxy's URL says about who asks.
pub(super) fn credentials(proxy: &Url) -> Option<HeaderValue> {
    hop::basic_credentials(proxy)
}

/// Connects to a proxy; with a target, to the target through it. The error is the cause alone.
pub(super) async fn connect(run: &Run<'_>, proxy: &Url, target: Option<&str>) -> Result<Link, String> {
    let failed = |failure: link::Failure| format!("proxyconnect tcp: {}", failure.into_text());
    let address = hop::address(proxy);
    let mut link = link::plain(run, &address).await.map_err(failed)?;
    if proxy.scheme() == "https" {
        let (host, _) = dial::split(&address)?;
        link = link::secured(run, link, host, &ProbeTls::default(), Alpn::Http1).await.map_err(failed)?;
    }
    let Some(target) = target else {
        return Ok(link);
    };
    let opened = tunnel(&mut link.stream, target, credentials(proxy)).await;
    opened.map_err(|error| cause::io_text(&error, &link.ends))??;
    Ok(link)
}

/// Asks a proxy to pass everything on; the inner error is its refusal.
async fn tunnel(
    stream: &mut Box<dyn Stream>,
    target: &str,
    credentials: Option<HeaderValue>,
) -> std::io::Result<Result<(), String>> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(credentials) = credentials {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(credentials.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await?;
    stream.flush().await?;
    // Byte by byte: what comes behind the answer is not ours.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == MAX_ANSWER_BYTES {
            return Ok(Err("the proxy's answer to CONNECT is too long".to_owned()));
        }
        answer.push(stream.read_u8().await?);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status_line = answer.lines().next().unwrap_or_default();
    let (_, status) = status_line.split_once(' ').unwrap_or_default();
    match status.split_once(' ').unwrap_or((status, "")) {
        ("200", _) => Ok(Ok(())),
        (code, "") => Ok(Err(format!("the proxy answered CONNECT with {}", go_quote(code)))),
        (_, reason) => Ok(Err(reason.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_chosen_by_scheme_and_host() {
        let proxies = Proxies::new(
            "proxy:3128",
            "http://secure-proxy:3129",
            " 10.0.0.0/8 ,192.0.2.7,[2001:db8::1]:8500,corp.example,.below.example,*.wild.example,port.example:81,,",
        );
        // URL, port of its proxy (0: none)
        let table = [
            ("http://web.example/", 3128),
            ("https://web.example/", 3129),
            ("http://localhost/", 0),
            ("http://127.0.0.2/", 0),
            ("http://[::1]/", 0),
            ("http://10.9.8.7/", 0),
            ("http://11.9.8.7/", 3128),
            ("http://192.0.2.7:99/", 0),
            ("http://192.0.2.8/", 3128),
            ("http://[2001:db8::1]:8500/", 0),
            ("http://[2001:db8::1]/", 3128),
            ("http://corp.example/", 0),
            ("http://a.corp.example/", 0),
            ("http://notcorp.example/", 3128),
            ("http://below.example/", 3128),
            ("http://a.below.example/", 0),
            ("http://a.wild.example/", 0),
            ("http://port.example:81/", 0),
            ("http://port.example/", 3128),
        ];
        for (url, port) in table {
            let url = Url::parse(url).unwrap();
            let proxy = proxies.of(&url).unwrap();
            assert_eq!(proxy.and_then(Url::port).unwrap_or_default(), port, "{url}");
        }
    }

    #[test]
    fn unusable_proxies_fail_what_needs_them() {
        let proxies = Proxies::new("socks5://proxy", "", "exempt.example");
        let of = |url: &str| proxies.of(&Url::parse(url).unwrap());
        assert!(of("http://web.example/").is_err());
        assert_eq!(of("http://exempt.example/"), Ok(None));
        assert_eq!(of("https://web.example/"), Ok(None));
    }

    #[test]
    fn a_star_exempts_everything() {
        let proxies = Proxies::new("proxy", "proxy", "*");
        assert_eq!(proxies.of(&Url::parse("http://web.example/").unwrap()), Ok(None));
    }

    #[tokio::test]
    async fn tunnels_open_when_the_proxy_agrees() {
        let table = [
            ("HTTP/1.1 200 Connection established\r\nVia: p\r\n\r\n", Ok(())),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Err("Proxy Authentication Required")),
            ("HTTP/1.1 403\r\n\r\n", Err("the proxy answered CONNECT with \"403\"")),
        ];
        for (answer, expected) in table {
            let (ours, mut theirs) = tokio::io::duplex(1024);
            let mut ours: Box<dyn Stream> = Box::new(ours);
            theirs.write_all(answer.as_bytes()).await.unwrap();
            let opened = tunnel(&mut ours, "h:443", Some(HeaderValue::from_static("Basic eA=="))).await.unwrap();
            assert_eq!(opened, expected.map_err(str::to_owned));
            let mut request = [0_u8; 128];
            let length = theirs.read(&mut request).await.unwrap();
            let expected = "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nProxy-Authorization: Basic eA==\r\n\r\n";
            assert_eq!(&request[..length], expected.as_bytes());
        }
    }
}
