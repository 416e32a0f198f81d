//! `host:port`, as `-tagged-address` takes it (docs/spec/cli.md §5.2).

use api::ServiceAddress;
use wire::quote::go_quote;

use crate::flag::parse_decimal;

const MISSING_PORT: &str = "missing port in address";
const TOO_MANY_COLONS: &str = "too many colons in address";

/// Reads a host and a port; an IPv6 host stands in brackets. The error is the cause as the reference words it.
pub(super) fn parse(text: &str) -> Result<ServiceAddress, String> {
    let (host, port) = split(text).map_err(|rule| match text {
        "" => rule.to_string(),
        text => format!("address {text}: {rule}"),
    })?;
    let port = parse_decimal(port).map_err(|e| format!("strconv.Atoi: parsing {}: {e}", go_quote(port)))?;
    Ok(ServiceAddress { address: host.to_string(), port })
}

fn split(text: &str) -> Result<(&str, &str), &'static str> {
    let (before, after) = text.rsplit_once(':').ok_or(MISSING_PORT)?;
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or("missing ']' in address")?;
            (host, rest.strip_prefix(':').ok_or(MISSING_PORT)?)
        }
        None if before.contains(':') => return Err(TOO_MANY_COLONS),
        None => (before, after),
    };
    if port.contains(':') {
        return Err(TOO_MANY_COLONS);
    }
    if host.contains('[') || port.contains('[') {
        return Err("unexpected '[' in address");
    }
    if host.contains(']') || port.contains(']') {
        return Err("unexpected ']' in address");
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_and_ipv6_has_brackets() {
        for (text, address, port) in
            [("10.0.0.1:80", "10.0.0.1", 80), ("[::1]:5", "::1", 5), ("a:-1", "a", -1), (":0", "", 0)]
        {
            assert_eq!(parse(text), Ok(ServiceAddress { address: address.to_string(), port }), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_told_as_the_reference_tells_it() {
        for (text, cause) in [
            ("", "missing port in address"),
            ("10.0.0.1", "address 10.0.0.1: missing port in address"),
            ("[::1]", "address [::1]: missing port in address"),
            ("[::1]x:1", "address [::1]x:1: missing port in address"),
            ("[::1:1", "address [::1:1: missing ']' in address"),
            ("[::1]:1:2", "address [::1]:1:2: too many colons in address"),
            ("::1", "address ::1: too many colons in address"),
            ("a[b:1", "address a[b:1: unexpected '[' in address"),
            ("a]b:1", "address a]b:1: unexpected ']' in address"),
            ("a:", "strconv.Atoi: parsing \"\": invalid syntax"),
            ("a:http", "strconv.Atoi: parsing \"http\": invalid syntax"),
            ("a:99999999999999999999", "strconv.Atoi: parsing \"99999999999999999999\": value out of range"),
        ] {
            assert_eq!(parse(text), Err(cause.to_string()), "{text}");
        }
    }
}
