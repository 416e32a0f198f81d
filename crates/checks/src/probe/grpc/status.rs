//! The status of a call: `code = NAME desc = TEXT`.

use std::fmt;

use http::{HeaderMap, StatusCode};

use crate::probe::escape::percent_decode;

/// What a call came to.
#[derive(Debug, PartialEq)]
pub(super) struct Status {
    pub(super) code: Code,
    message: String,
}

/// Outcomes of calls; the names are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Ok,
    Canceled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

/// The codes by their number.
const CODES: [Code; 17] = [
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

impl Status {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Status {
        Status { code, message: message.into() }
    }

    /// The status in headers or trailers; `None` if they hold none. A number without a name is "unknown".
    pub(super) fn of_headers(headers: &HeaderMap) -> Option<Status> {
        let number = headers.get("grpc-status")?.to_str().ok()?.parse::<usize>();
        let code = number.ok().and_then(|number| CODES.get(number)).copied().unwrap_or(Code::Unknown);
        let message = headers.get("grpc-message").and_then(|text| text.to_str().ok()).unwrap_or_default();
        Some(Status::new(code, percent_decode(message)))
    }

    /// The status of an answer that is not gRPC's.
    pub(super) fn of_http(status: StatusCode) -> Status {
        let code = match status.as_u16() {
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502..=504 => Code::Unavailable,
            _ => Code::Unknown,
        };
        let reason = status.canonical_reason().unwrap_or_default();
        let number = status.as_u16();
        Status::new(code, format!("unexpected HTTP status code received from server: {number} ({reason})"))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The enum's names are the protocol's, but for one.
        let code = self.code;
        match code {
            Code::Ok => write!(f, "code = OK desc = {}", self.message),
            _ => write!(f, "code = {code:?} desc = {}", self.message),
        }
    }
}
