//! Address fields: templates expanded, IPs and unix sockets told apart (`docs/spec/config.md` §4.2, §4.3, §5).

use std::net::IpAddr;

use crate::environment::Environment;
use crate::sockaddr::{Addr, evaluate, is_private_v4, is_private_v6};
use wire::quote::go_quote;

const UNIX_SCHEME: &str = "unix://";

/// One address of an address field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    Unix(String),
}

/// Every address of a field; the error is the reference's text.
pub(crate) fn expand(key: &str, text: &str, env: &Environment) -> Result<Vec<Host>, String> {
    let expanded = evaluate(text, env).map_err(|error| format!("{key}: error parsing {}: {error}", go_quote(text)))?;
    let host = |word: &str| match word.strip_prefix(UNIX_SCHEME) {
        Some(path) => Ok(Host::Unix(path.to_owned())),
        None => parse_ip(word).map(Host::Ip).ok_or_else(|| format!("{key}: invalid ip address: {word}")),
    };
    expanded.split_whitespace().map(host).collect()
}

/// The single IP address of a field, `None` when it is empty.
pub(crate) fn expand_single_ip(key: &str, text: &str, env: &Environment) -> Result<Option<IpAddr>, String> {
    let hosts = expand(key, text, env)?;
    match hosts.as_slice() {
        [] => Ok(None),
        [Host::Ip(ip)] => Ok(Some(*ip)),
        [Host::Unix(_)] => Err(format!("{key} cannot be a unix socket")),
        several => {
            let shown: Vec<String> = several
                .iter()
                .map(|host| match host {
                    Host::Ip(ip) => ip.to_string(),
                    Host::Unix(path) => path.clone(),
                })
                .collect();
            Err(format!("{key}: multiple addresses found: {}", shown.join(" ")))
        }
    }
}

/// Every IP address of a field.
pub(crate) fn expand_ips(key: &str, text: &str, env: &Environment) -> Result<Vec<IpAddr>, String> {
    let ip = |host| match host {
        Host::Ip(ip) => Ok(ip),
        Host::Unix(_) => Err(format!("{key} cannot be a unix socket")),
    };
    expand(key, text, env)?.into_iter().map(ip).collect()
}

/// A join list: entries with templates are expanded and split, others kept as they are.
pub(crate) fn expand_join_list(key: &str, entries: &[String], env: &Environment) -> (Vec<String>, Vec<String>) {
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    for entry in entries {
        match evaluate(entry, env) {
            Err(error) => errors.push(format!("{key}: error parsing {}: {error}", go_quote(entry))),
            Ok(expanded) if expanded == *entry => out.push(expanded),
            Ok(expanded) => out.extend(expanded.split_whitespace().map(str::to_owned)),
        }
    }
    (out, errors)
}

/// Go's `net.ParseIP`, plus the bracketed "any" the reference takes.
fn parse_ip(word: &str) -> Option<IpAddr> {
    if word == "[::]" {
        return Some(std::net::Ipv6Addr::UNSPECIFIED.into());
    }
    word.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Whether a text is one of the spellings of "any address".
pub(crate) fn is_any_text(text: &str) -> bool {
    ["0.0.0.0", "::", "[::]"].contains(&text)
}

/// The address others can reach when bound to any: the only private IPv4, or the only public IPv6.
pub(crate) fn detect(family: IpAddr, env: &Environment) -> Result<IpAddr, String> {
    let (what, found) = match family {
        IpAddr::V4(_) => ("private IPv4", private_v4(env)),
        IpAddr::V6(_) => ("public IPv6", public_v6(env)),
    };
    match found.as_slice() {
        [] => Err(format!("No {what} address found")),
        [only] => Ok(*only),
        _ => Err(format!("Multiple {what} addresses found. Please configure one with 'bind' and/or 'advertise'.")),
    }
}

fn private_v4(env: &Environment) -> Vec<IpAddr> {
    let of = |loopback: bool| -> Vec<IpAddr> {
        Addr::all(env)
            .into_iter()
            .filter(|addr| addr.flags.up && addr.flags.loopback == loopback)
            .filter(|addr| matches!(addr.ip, IpAddr::V4(ip) if is_private_v4(ip)))
            .map(|addr| addr.ip)
            .collect()
    };
    let outside = of(false);
    if outside.is_empty() { of(true) } else { outside }
}

fn public_v6(env: &Environment) -> Vec<IpAddr> {
    Addr::all(env)
        .into_iter()
        .filter(|addr| matches!(addr.ip, IpAddr::V6(ip) if !is_private_v6(ip)))
        .map(|addr| addr.ip)
        .collect()
}

/// Why an address template cannot be evaluated; the text is the reference's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

/// Evaluates an address template, as commands that take one do. A text without template actions is itself.
pub fn expand_template(text: &str, env: &Environment) -> Result<String, TemplateError> {
    evaluate(text, env).map_err(TemplateError)
}
