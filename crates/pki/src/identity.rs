//! Who a certificate speaks for: the names of a cluster and of its authority (`docs/spec/connect.md` §1.1, §1.2).

/// End of every trust domain, whatever the DNS domain is.
const TRUST_DOMAIN_SUFFIX: &str = "consul";
/// How much of the cluster's ID and of the random part a common name shows.
const NAME_PART_CHARS: usize = 8;
/// Where the hyphens of a UUID stand.
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID_LEN: usize = 36;

/// The trust domain of a cluster: every identity of its mesh is below it.
pub fn trust_domain(cluster_id: &str) -> String {
    format!("{cluster_id}.{TRUST_DOMAIN_SUFFIX}").to_lowercase()
}

/// SPIFFE URI of the authority itself, the only name in a root certificate.
pub fn signing_uri(cluster_id: &str) -> String {
    format!("spiffe://{}", trust_domain(cluster_id))
}

/// Whether a text may name a cluster: a UUID with hyphens.
pub fn is_cluster_id(text: &str) -> bool {
    text.len() == UUID_LEN
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if UUID_HYPHENS.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Common name of a root of the built-in authority in a primary datacenter.
pub(crate) fn root_common_name(cluster_id: &str, random: i64) -> String {
    let cluster: String = cluster_id.chars().take(NAME_PART_CHARS).collect();
    format!("pri-{}.consul.ca.{cluster}.{TRUST_DOMAIN_SUFFIX}", unique_part(random))
}

/// The first digits of a number in base 36. A minus sign counts as a digit and is left out, as the reference does.
fn unique_part(random: i64) -> String {
    let mut digits = Vec::new();
    let mut rest = random.unsigned_abs();
    while rest > 0 || digits.is_empty() {
        digits.extend(char::from_digit((rest % 36) as u32, 36));
        rest /= 36;
    }
    let shown = NAME_PART_CHARS - usize::from(random < 0);
    digits.iter().rev().take(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unique_part_is_the_start_of_a_base_36_number() {
        let cases = [(0, "0"), (35, "z"), (36, "10"), (-36, "10"), (i64::MAX, "1y2p0ij3"), (i64::MIN, "1y2p0ij")];
        for (random, part) in cases {
            assert_eq!(unique_part(random), part, "{random}");
        }
    }

    #[test]
    fn a_trust_domain_is_lower_case() {
        assert_eq!(
            signing_uri("ABCDEF00-1111-2222-3333-444444444444"),
            "spiffe://abcdef00-1111-2222-3333-444444444444.consul"
        );
    }

    #[test]
    fn a_cluster_id_is_a_uuid_with_hyphens() {
        let cases = [
            ("7f42f496-fbc7-8692-05ed-334aa5340c1e", true),
            ("7F42F496-FBC7-8692-05ED-334AA5340C1E", true),
            ("7f42f496fbc7869205ed334aa5340c1e", false),
            ("7f42f496-fbc7-8692-05ed-334aa5340c1g", false),
            ("{f42f496-fbc7-8692-05ed-334aa5340c1}", false),
            ("", false),
        ];
        for (text, valid) in cases {
            assert_eq!(is_cluster_id(text), valid, "{text}");
        }
    }
}
