//! What a prepared query must be to be kept, before the state looks at it.

use types::{GoDuration, PreparedQuery};

use super::HIDDEN_TOKEN;

const META_PAIRS_LIMIT: usize = 64;
const META_KEY_BYTES_LIMIT: usize = 128;
const META_VALUE_BYTES_LIMIT: usize = 512;

/// Checks a definition.
///
/// # Errors
/// The first thing that is wrong with it.
pub(super) fn check(query: &PreparedQuery) -> Result<(), String> {
    let (service, failover) = (&query.service, &query.service.failover);
    if query.name.is_empty() && query.template.r#type.is_empty() && query.session.is_empty() {
        return Err("Must be bound to a session".to_owned());
    }
    if query.token == HIDDEN_TOKEN {
        let why = "it looks like a query definition with a redacted token was submitted";
        return Err(format!("Bad Token '{HIDDEN_TOKEN}', {why}"));
    }
    if service.service.is_empty() {
        return Err("Must provide a Service name to query".to_owned());
    }
    if failover.nearest_n < 0 {
        return Err(format!("Bad NearestN '{}', must be >= 0", failover.nearest_n));
    }
    if !failover.targets.is_empty() && (failover.nearest_n != 0 || !failover.datacenters.is_empty()) {
        return Err("Targets cannot be populated with NearestN or Datacenters".to_owned());
    }
    if service.node_meta.len() > META_PAIRS_LIMIT {
        return Err(format!("Node metadata cannot contain more than {META_PAIRS_LIMIT} key/value pairs"));
    }
    for (key, value) in &service.node_meta {
        check_meta(key, value).map_err(|fault| format!("Couldn't load metadata pair ('{key}', '{value}'): {fault}"))?;
    }
    check_ttl(&query.dns.ttl)
}

/// Unlike a node's own metadata, keys with the reserved prefix may be asked for.
fn check_meta(key: &str, value: &str) -> Result<(), String> {
    if key.is_empty() {
        return Err("Key cannot be blank".to_owned());
    }
    if !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err("Key contains invalid characters".to_owned());
    }
    if key.len() > META_KEY_BYTES_LIMIT {
        return Err(format!("Key is too long (limit: {META_KEY_BYTES_LIMIT} characters)"));
    }
    if value.len() > META_VALUE_BYTES_LIMIT {
        return Err(format!("Value is too long (limit: {META_VALUE_BYTES_LIMIT} characters)"));
    }
    Ok(())
}

fn check_ttl(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let ttl = GoDuration::parse(text).map_err(|error| format!("Bad DNS TTL '{text}': {error}"))?;
    if ttl.0 < 0 {
        return Err(format!("DNS TTL '{}', must be >=0", ttl.0));
    }
    Ok(())
}

/// Checks that something can be the ID of a query.
///
/// # Errors
/// Why not, in the words of the reference's index.
pub(super) fn check_id(id: &str) -> Result<(), String> {
    if id.len() != uuid::fmt::Hyphenated::LENGTH {
        return Err(format!("UUID must be {} characters", uuid::fmt::Hyphenated::LENGTH));
    }
    let hyphens = id.bytes().filter(|byte| *byte == b'-').count();
    if hyphens > 4 {
        return Err(format!("UUID should have maximum of 4 \"-\"; got {hyphens}"));
    }
    if !(id.len() - hyphens).is_multiple_of(2) {
        return Err("Input (without hyphens) must be even length".to_owned());
    }
    match id.bytes().find(|byte| *byte != b'-' && !byte.is_ascii_hexdigit()) {
        Some(byte) => Err(format!("Invalid UUID: encoding/hex: invalid byte: {}", shown(byte))),
        None => Ok(()),
    }
}

/// A byte as a character with its number; without the character if it does not print.
fn shown(byte: u8) -> String {
    let number = format!("U+{byte:04X}");
    match byte {
        0x20..0x7f | 0xa1..=0xac | 0xae.. => format!("{number} '{}'", char::from(byte)),
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_id_is_told_why() {
        let cases = [
            ("", "UUID must be 36 characters"),
            ("not-a-uuid", "UUID must be 36 characters"),
            ("aaaaaaaabbbb-cccc-dddd-eeeeeeeeeeeee", "Input (without hyphens) must be even length"),
            ("aaaa-aaa-bbbb-cccc-dddd-eeeeeeeeeeee", "UUID should have maximum of 4 \"-\"; got 5"),
            ("zzzzzzzz-bbbb-cccc-dddd-eeeeeeeeeeee", "Invalid UUID: encoding/hex: invalid byte: U+007A 'z'"),
            ("\u{1}aaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "Invalid UUID: encoding/hex: invalid byte: U+0001"),
        ];
        for (id, fault) in cases {
            assert_eq!(check_id(id), Err(fault.to_owned()), "{id}");
        }
        assert_eq!(check_id("3BA1820E-af97-6dd0-a031-5821feae67b0"), Ok(()));
    }

    fn query() -> PreparedQuery {
        let mut query = PreparedQuery { name: "n".to_owned(), ..PreparedQuery::default() };
        query.service.service = "s".to_owned();
        query
    }

    #[test]
    fn metadata_to_look_for_follows_the_rules_of_metadata_but_for_the_reserved_prefix() {
        let long = "a".repeat(129);
        let cases = [
            ("consul-x", "v", None),
            ("", "v", Some("Key cannot be blank")),
            ("a b", "v", Some("Key contains invalid characters")),
            (long.as_str(), "v", Some("Key is too long (limit: 128 characters)")),
        ];
        for (key, value, fault) in cases {
            let mut query = query();
            query.service.node_meta = [(key.to_owned(), value.to_owned())].into();
            let fault = fault.map(|fault| format!("Couldn't load metadata pair ('{key}', '{value}'): {fault}"));
            assert_eq!(check(&query).err(), fault);
        }
        let mut many = query();
        many.service.node_meta = (0..65).map(|n| (format!("k{n}"), String::new())).collect();
        let fault = "Node metadata cannot contain more than 64 key/value pairs";
        assert_eq!(check(&many), Err(fault.to_owned()));
    }

    #[test]
    fn a_ttl_is_a_duration_that_is_not_negative() {
        let cases = [
            ("", None),
            ("0s", None),
            ("10s", None),
            ("ten", Some("Bad DNS TTL 'ten': time: invalid duration \"ten\"")),
            ("10", Some("Bad DNS TTL '10': time: missing unit in duration \"10\"")),
            ("-1s", Some("DNS TTL '-1000000000', must be >=0")),
        ];
        for (ttl, fault) in cases {
            let mut query = query();
            query.dns.ttl = ttl.to_owned();
            assert_eq!(check(&query).err().as_deref(), fault, "{ttl}");
        }
    }
}
