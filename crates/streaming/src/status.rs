//! How a call ended, in gRPC's words.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The codes of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code {
    Ok = 0,
    Canceled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    const ALL: [Code; 17] = [
        Code::Ok,
        Code::Canceled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];

    /// What is not a code is [`Code::Unknown`].
    fn parse(text: &[u8]) -> Code {
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<usize>().ok());
        number.and_then(|number| Code::ALL.get(number).copied()).unwrap_or(Code::Unknown)
    }

    /// What an HTTP status without gRPC's own means.
    fn of_http(status: StatusCode) -> Code {
        match status {
            StatusCode::BAD_REQUEST => Code::Internal,
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::FORBIDDEN => Code::PermissionDenied,
            StatusCode::NOT_FOUND => Code::Unimplemented,
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
            _ => Code::Unknown,
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rpc error: code = {code} desc = {message}")]
pub struct Status {
    /// What kind of end it was.
    pub code: Code,
    /// For people.
    pub message: String,
}

/// The name of the code as Go spells it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Ok => f.write_str("OK"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Status {
    /// An end of this kind.
    pub fn new(code: Code, message: impl Into<String>) -> Status {
        Status { code, message: message.into() }
    }

    /// The connection broke, or is no HTTP/2.
    pub(crate) fn of_connection(error: &h2::Error) -> Status {
        match error.reason() {
            Some(h2::Reason::CANCEL) => Status::new(Code::Canceled, "the stream was cancelled by the other side"),
            Some(h2::Reason::NO_ERROR | h2::Reason::REFUSED_STREAM) | None => {
                Status::new(Code::Unavailable, format!("error reading from server: {error}"))
            }
            Some(reason) => {
                let text = format!("stream terminated by RST_STREAM with error code: {reason:?}");
                Status::new(Code::Internal, text)
            }
        }
    }

    /// An answer that is not gRPC's.
    pub(crate) fn of_http(status: StatusCode) -> Status {
        Status::new(Code::of_http(status), format!("unexpected HTTP status code received from server: {status}"))
    }

    /// The end these headers or trailers tell, if they tell one.
    pub(crate) fn of_headers(headers: &HeaderMap) -> Option<Status> {
        let code = Code::parse(headers.get(GRPC_STATUS)?.as_bytes());
        let message = headers.get(GRPC_MESSAGE).map(|text| decode_percent(text.as_bytes())).unwrap_or_default();
        Some(Status { code, message })
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(GRPC_STATUS, HeaderValue::from(self.code as u16));
        if !self.message.is_empty()
            && let Ok(message) = HeaderValue::from_bytes(&encode_percent(&self.message))
        {
            headers.insert(GRPC_MESSAGE, message);
        }
    }
}

/// Bytes that are no printable ASCII characters, and `%`, as `%XX`.
fn encode_percent(text: &str) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | ..b' ' | 0x7F.. => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                encoded.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
            }
            byte => encoded.push(byte),
        }
    }
    encoded
}

/// What is not `%XX` stays as it is.
fn decode_percent(text: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%'
            && let Some((digits, after)) = after.split_at_checked(2)
            && let Some(value) = hex_byte(digits)
        {
            decoded.push(value);
            rest = after;
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    // `from_str_radix` would take a sign.
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_travel_percent_encoded() {
        for (message, encoded) in [("plain text", "plain text"), ("50 %\n", "50 %25%0A"), ("grün", "gr%C3%BCn")] {
            let mut headers = HeaderMap::new();
            let status = Status::new(Code::Aborted, message);
            status.write(&mut headers);
            assert_eq!(headers.get("grpc-message").unwrap(), encoded);
            assert_eq!(headers.get("grpc-status").unwrap(), "10");
            assert_eq!(Status::of_headers(&headers), Some(status));
        }
        for (encoded, message) in [("%", "%"), ("%4", "%4"), ("%zz%41", "%zzA"), ("%+1", "%+1")] {
            assert_eq!(decode_percent(encoded.as_bytes()), message);
        }
    }

    #[test]
    fn codes_are_told_by_number() {
        for (number, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            assert_eq!(Code::parse(number.to_string().as_bytes()), code);
        }
        for text in ["17", "-1", "", "x"] {
            assert_eq!(Code::parse(text.as_bytes()), Code::Unknown);
        }
        assert_eq!(Status::of_headers(&HeaderMap::new()), None);
    }
}
