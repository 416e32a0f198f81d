//! AWS Signature Version 4, as object stores want it in the `Authorization` header.

use ring::{digest, hmac};
use time::OffsetDateTime;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "s3";
const TERMINATION: &str = "aws4_request";

/// Who signs. Never printed.
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    /// Of temporary credentials.
    pub(crate) session_token: Option<String>,
}

/// What of a request the signature covers.
pub(super) struct Covered<'a> {
    pub(super) method: &'a str,
    /// Path and query, everything escaped that may be, parameters sorted by name.
    pub(super) target: &'a str,
    /// Names in lower case, `host` among them.
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) payload_sha256: &'a str,
}

/// The `Authorization` header of a request sent at `at`.
pub(super) fn authorization(
    request: &Covered<'_>,
    credentials: &Credentials,
    region: &str,
    at: OffsetDateTime,
) -> String {
    let date = date(at);
    let scope = format!("{date}/{region}/{SERVICE}/{TERMINATION}");
    let (canonical, signed_headers) = canonical(request);
    let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", timestamp(at), sha256_hex(canonical.as_bytes()));
    let mut key = mac(format!("AWS4{}", credentials.secret_access_key).as_bytes(), &date);
    for step in [region, SERVICE, TERMINATION] {
        key = mac(key.as_ref(), step);
    }
    let signature = hex(mac(key.as_ref(), &to_sign).as_ref());
    let id = &credentials.access_key_id;
    format!("{ALGORITHM} Credential={id}/{scope},SignedHeaders={signed_headers},Signature={signature}")
}

/// The one spelling of a request that is signed, and the list of headers in it.
fn canonical(request: &Covered<'_>) -> (String, String) {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let mut headers = request.headers.clone();
    headers.sort_unstable();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    (format!("{}\n{path}\n{query}\n{lines}\n{names}\n{}", request.method, request.payload_sha256), names)
}

fn date(at: OffsetDateTime) -> String {
    format!("{:04}{:02}{:02}", at.year(), u8::from(at.month()), at.day())
}

/// The value of the header `x-amz-date`; `at` is UTC.
pub(super) fn timestamp(at: OffsetDateTime) -> String {
    format!("{}T{:02}{:02}{:02}Z", date(at), at.hour(), at.minute(), at.second())
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// SHA-256 in lower-case hex.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Midnight of 24 May 2013, as the examples have it.
    const AT: i64 = 1_369_353_600;
    const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");

    const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    struct Example {
        method: &'static str,
        target: &'static str,
        payload: &'static [u8],
        extra: &'static [(&'static str, &'static str)],
        signed: &'static str,
        signature: &'static str,
    }

    /// The examples of Amazon's "Signature Calculations for the Authorization Header: Transferring Payload in a Single
    /// Chunk".
    const EXAMPLES: &[Example] = &[
        Example {
            method: "GET",
            target: "/test.txt",
            payload: b"",
            extra: &[("range", "bytes=0-9")],
            signed: "host;range;x-amz-content-sha256;x-amz-date",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        },
        Example {
            method: "PUT",
            target: "/test%24file.text",
            payload: b"Welcome to Amazon S3.",
            extra: &[("x-amz-storage-class", "REDUCED_REDUNDANCY"), ("date", "Fri, 24 May 2013 00:00:00 GMT")],
            signed: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        },
        Example {
            method: "GET",
            target: "/?lifecycle=",
            payload: b"",
            extra: &[],
            signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        },
        Example {
            method: "GET",
            target: "/?max-keys=2&prefix=J",
            payload: b"",
            extra: &[],
            signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        },
    ];

    #[test]
    fn the_published_examples_are_signed_as_published() {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_string(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_string(),
            session_token: None,
        };
        let at = OffsetDateTime::from_unix_timestamp(AT).expect("a time");
        let stamp = timestamp(at);
        for Example { method, target, payload, extra, signed, signature } in EXAMPLES {
            let hash = sha256_hex(payload);
            let mut headers = vec![HOST, ("x-amz-content-sha256", hash.as_str()), ("x-amz-date", stamp.as_str())];
            headers.extend_from_slice(extra);
            let request = Covered { method, target, headers, payload_sha256: &hash };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders={signed},Signature={signature}"
            );
            assert_eq!(authorization(&request, &credentials, "us-east-1", at), expected, "{method} {target}");
        }
    }

    #[test]
    fn times_and_hashes_are_spelled_as_the_stores_want_them() {
        let at = OffsetDateTime::from_unix_timestamp(AT).expect("a time");
        assert_eq!((timestamp(at).as_str(), sha256_hex(b"").as_str()), ("20130524T000000Z", EMPTY_SHA256));
    }
}
