//! What the door is told: domains, times to live, limits, recursors.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::Error;
use crate::codec::ends_with_domain;
use crate::ttl::TtlTable;

/// Port of a recursor that names none.
const RECURSOR_PORT: u16 = 53;
/// Timeout of a recursor when the configured one is zero (`docs/spec/dns.md` §17).
const RECURSOR_TIMEOUT: Duration = Duration::from_secs(2);

/// In which order recursors are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecursorStrategy {
    /// As listed, always from the first.
    #[default]
    Sequential,
    /// Anew for every question.
    Random,
}

/// Numbers of the SOA record, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Soa {
    pub refresh: u32,
    pub retry: u32,
    pub expire: u32,
    pub min_ttl: u32,
}

impl Default for Soa {
    fn default() -> Soa {
        Soa { refresh: 3600, retry: 600, expire: 86_400, min_ttl: 0 }
    }
}

/// Settings of the door (`docs/spec/dns.md` §20). All may change while it serves.
#[derive(Clone)]
pub struct Settings {
    /// The domain, lower case, without dots at its ends.
    pub domain: String,
    /// Another domain, likewise; empty for none.
    pub alt_domain: String,
    /// The own datacenter, lower case.
    pub datacenter: String,
    /// Name of this node.
    pub node_name: String,
    /// Network segment of this node.
    pub segment: String,
    /// Time to live of answers about nodes.
    pub node_ttl: Duration,
    /// Time to live of answers about services, by name or by prefix with `*` behind it.
    pub service_ttl: BTreeMap<String, Duration>,
    /// Leave out instances with any check that does not pass.
    pub only_passing: bool,
    /// Most answers over UDP without EDNS.
    pub udp_answer_limit: u32,
    /// Most instances that give address records; 0 for all.
    pub a_record_limit: u32,
    /// Write names whole.
    pub disable_compression: bool,
    /// Say so when answers were left out for size.
    pub enable_truncate: bool,
    /// Add the node's metadata to answers that did not ask for it.
    pub node_meta_txt: bool,
    /// Let any server answer.
    pub allow_stale: bool,
    /// Ask the leader after all when the answer is older.
    pub max_stale: Duration,
    /// Resolvers for all other names: IP or host, with or without a port.
    pub recursors: Vec<String>,
    /// In which order they are asked.
    pub recursor_strategy: RecursorStrategy,
    /// How long one of them may take to each step.
    pub recursor_timeout: Duration,
    /// Numbers of the SOA record.
    pub soa: Soa,
    /// Answer from the agent's cache. It holds the servers' own answers, so that only staleness can be seen of it.
    pub use_cache: bool,
    /// Greatest age of a cached answer; zero for any.
    pub cache_max_age: Duration,
    /// Prefer `wan` addresses of instances of other datacenters.
    pub translate_wan_addrs: bool,
    /// Secret of the token for lookups.
    pub token: String,
}

impl fmt::Debug for Settings {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("domain", &self.domain)
            .field("alt_domain", &self.alt_domain)
            .field("datacenter", &self.datacenter)
            .field("node_name", &self.node_name)
            .field("recursors", &self.recursors)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Checks the addresses of recursors. Looks up those that are host names, so it may block for a while.
    ///
    /// # Errors
    /// The first address that is none.
    pub fn check(&self) -> Result<(), Error> {
        resolve_all(&self.recursors).map(drop)
    }
}

/// Settings as requests use them; one value for the whole of a request.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) settings: Settings,
    /// The domain with a dot at its end.
    pub(crate) domain: String,
    /// The other domain, likewise.
    pub(crate) alt_domain: Option<String>,
    pub(crate) node_ttl: u32,
    pub(crate) service_ttl: TtlTable,
    pub(crate) recursors: Vec<SocketAddr>,
    pub(crate) recursor_timeout: Duration,
}

impl Live {
    /// Prepares settings. May block when recursors are host names.
    pub(crate) fn new(settings: Settings) -> Result<Live, Error> {
        let complete = |domain: &str| format!("{}.", domain.trim_matches('.').to_ascii_lowercase());
        Ok(Live {
            domain: complete(&settings.domain),
            alt_domain: Some(complete(&settings.alt_domain)).filter(|alt| alt != "."),
            node_ttl: crate::ttl::seconds(settings.node_ttl),
            service_ttl: TtlTable::new(&settings.service_ttl),
            recursors: resolve_all(&settings.recursors)?,
            recursor_timeout: match settings.recursor_timeout {
                Duration::ZERO => RECURSOR_TIMEOUT,
                timeout => timeout,
            },
            settings,
        })
    }

    /// Bytes at the end of `name` that are one of the two domains, the longer one when both fit.
    pub(crate) fn domain_of(&self, name: &str) -> Option<usize> {
        let fitting = [Some(&self.domain), self.alt_domain.as_ref()].into_iter().flatten();
        fitting.filter(|domain| ends_with_domain(name, domain)).map(|domain| length_of(domain)).max()
    }

    /// The zone the SOA record of an answer is about: the other domain only when the question says it in lower case and
    /// is below it (`docs/spec/dns.md` §11).
    pub(crate) fn soa_domain(&self, question: &str) -> &str {
        match &self.alt_domain {
            Some(alt) if question.strip_suffix(alt.as_str()).is_some_and(|rest| rest.ends_with('.')) => alt,
            _ => &self.domain,
        }
    }

    /// Whether a read may be answered by any server. What the reference reads from its cache may always be stale.
    pub(crate) fn may_be_stale(&self) -> bool {
        self.settings.allow_stale || self.settings.use_cache
    }
}

/// Bytes of a domain at the end of a name. The root stands for the dot behind the last label, which is no domain.
fn length_of(domain: &str) -> usize {
    if domain == "." { 0 } else { domain.len() }
}

fn resolve_all(recursors: &[String]) -> Result<Vec<SocketAddr>, Error> {
    let mut addresses = Vec::with_capacity(recursors.len());
    for recursor in recursors {
        let address = resolve(recursor).map_err(Error::Recursor)?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// The address of a recursor, port 53 unless it names one. The error is what is wrong with it, as Go says it.
fn resolve(recursor: &str) -> Result<SocketAddr, String> {
    if let Ok(ip) = recursor.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, RECURSOR_PORT));
    }
    if let Ok(address) = recursor.parse::<SocketAddr>() {
        return Ok(address);
    }
    if recursor.bytes().filter(|&byte| byte == b':').count() > 1 {
        return Err(format!("address {recursor}: too many colons in address"));
    }
    let (host, port) = match recursor.split_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().map_err(|_| format!("lookup tcp/{port}: unknown port"))?),
        None => (recursor, RECURSOR_PORT),
    };
    let mut found = (host, port).to_socket_addrs().map_err(|_| format!("lookup {host}: no such host"))?.peekable();
    let first = found.peek().copied();
    // As the reference does: IPv4 before IPv6.
    found.find(SocketAddr::is_ipv4).or(first).ok_or_else(|| format!("lookup {host}: no such host"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::settings;

    #[test]
    fn addresses_of_recursors() {
        for (given, want) in [
            ("8.8.8.8", Ok("8.8.8.8:53")),
            ("8.8.8.8:5353", Ok("8.8.8.8:5353")),
            ("2001:4860:4860::8888", Ok("[2001:4860:4860::8888]:53")),
            ("[2001:4860:4860::8888]", Ok("[2001:4860:4860::8888]:53")),
            ("[::1]:54", Ok("[::1]:54")),
            ("1.2.3.4::53", Err("Invalid recursor address: address 1.2.3.4::53: too many colons in address")),
            ("1.2.3.4:x", Err("Invalid recursor address: lookup tcp/x: unknown port")),
        ] {
            let settings = Settings { recursors: vec![given.to_owned()], ..settings() };
            let got = Live::new(settings).map(|live| live.recursors[0].to_string()).map_err(|e| e.to_string());
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{given}");
        }
    }

    #[test]
    fn the_longer_domain_wins() {
        let live = |domain: &str, alt: &str| {
            Live::new(Settings { domain: domain.to_owned(), alt_domain: alt.to_owned(), ..settings() })
                .expect("settings")
        };
        let nested = live("consul", "test.consul");
        assert_eq!(nested.domain_of("x.node.TEST.consul."), Some("test.consul.".len()));
        assert_eq!(nested.domain_of("x.node.consul."), Some("consul.".len()));
        assert_eq!(nested.domain_of("example.com."), None);
        assert_eq!(live("consul", "").domain_of("consul.service."), None);
    }

    #[test]
    fn the_zone_of_the_soa_depends_on_the_case() {
        let live = Live::new(Settings { alt_domain: "test-domain".to_owned(), ..settings() }).expect("settings");
        for (question, want) in [
            ("x.test-domain.", "test-domain."),
            ("test-domain.", "consul."),
            ("x.TEST-DOMAIN.", "consul."),
            ("x.consul.", "consul."),
        ] {
            assert_eq!(live.soa_domain(question), want, "{question}");
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let settings = Settings { token: "secret".to_owned(), ..settings() };
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
