//! Taking secrets out of URLs before they are logged.

/// Stands in the place of a secret.
const HIDDEN: &str = "<hidden>";
/// Paths whose rest is a token's secret, from the old ACL system (`docs/spec/http-api.md` §1.2).
const SECRET_PATHS: [&str; 6] =
    ["/v1/acl/create/", "/v1/acl/update/", "/v1/acl/destroy/", "/v1/acl/info/", "/v1/acl/clone/", "/v1/acl/list/"];

/// A request target (path and query) fit for a log line: every value of a `token` parameter and every secret path
/// segment is replaced by `<hidden>`, the rest is left as it is.
///
/// Unlike the reference, which replaces the token's text wherever it occurs in the URL, this looks at positions only: a
/// token that is also a part of the path leaves the path readable, and an escaped token is hidden, too.
pub fn redact_url(url: &str) -> String {
    let (path, query) = match url.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url, None),
    };
    let mut clean = redact_path(path);
    let Some(query) = query else { return clean };

    let mut separator = '?';
    for pair in query.split('&') {
        clean.push(separator);
        separator = '&';
        match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_token(name) => {
                clean.push_str(name);
                clean.push('=');
                clean.push_str(HIDDEN);
            }
            _ => clean.push_str(pair),
        }
    }
    clean
}

fn redact_path(path: &str) -> String {
    for prefix in SECRET_PATHS {
        if path.strip_prefix(prefix).is_some_and(|secret| !secret.is_empty()) {
            return format!("{prefix}{HIDDEN}");
        }
    }
    path.to_owned()
}

/// Whether a parameter's name, with its percent escapes undone, is `token`.
fn is_token(name: &str) -> bool {
    let mut bytes = name.bytes();
    let mut wanted = b"token".iter();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let digits = (bytes.next(), bytes.next());
            let (Some(high), Some(low)) = digits else { return false };
            let (Some(high), Some(low)) = (hex(high), hex(low)) else { return false };
            high * 16 + low
        } else {
            byte
        };
        if wanted.next() != Some(&byte) {
            return false;
        }
    }
    wanted.next().is_none()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_the_rest_is_kept() {
        let cases = [
            ("/v1/kv/a", "/v1/kv/a"),
            ("/v1/kv/a?", "/v1/kv/a?"),
            ("/v1/agent/service/x?token=abc&x=1", "/v1/agent/service/x?token=<hidden>&x=1"),
            ("/v1/kv/a?a=b&token=q%20q&token=1", "/v1/kv/a?a=b&token=<hidden>&token=<hidden>"),
            ("/v1/kv/a?%74oken=abc", "/v1/kv/a?%74oken=<hidden>"),
            ("/v1/kv/a?%7=abc&%zztoken=a", "/v1/kv/a?%7=abc&%zztoken=a"),
            ("/v1/kv/a?token=&a=b", "/v1/kv/a?token=&a=b"),
            ("/v1/kv/a?token", "/v1/kv/a?token"),
            ("/v1/kv/a?xtoken=aa&tokens=b&Token=c", "/v1/kv/a?xtoken=aa&tokens=b&Token=c"),
            ("/v1/kv/token=a", "/v1/kv/token=a"),
            ("/v1/acl/list", "/v1/acl/list"),
            ("/v1/acl/info/", "/v1/acl/info/"),
            ("/v1/acl/info/secret", "/v1/acl/info/<hidden>"),
            ("/v1/acl/clone/a/b?c", "/v1/acl/clone/<hidden>?c"),
            ("/v1/acl/info/1?token=1", "/v1/acl/info/<hidden>?token=<hidden>"),
            ("/v1/acl/token/0000", "/v1/acl/token/0000"),
            ("/v1/kv/1?token=1", "/v1/kv/1?token=<hidden>"),
        ];
        for (url, expected) in cases {
            assert_eq!(redact_url(url), expected, "{url}");
        }
    }
}
