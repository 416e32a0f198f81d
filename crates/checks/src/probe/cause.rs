//! Causes of failures in the words of the reference's runtime, which people know and match on.

use std::error::Error as StdError;
use std::io;

pub(super) use outgoing::cause::{system_text, tls_text};

use super::link::Ends;

/// A failed read or write on an open connection.
pub(super) fn io_text(error: &io::Error, ends: &Ends) -> String {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls_text(tls);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        io::ErrorKind::BrokenPipe => format!("write {}: write: {}", ends.describe(), system_text(error)),
        _ if error.raw_os_error().is_some() => format!("read {}: read: {}", ends.describe(), system_text(error)),
        _ => error.to_string(),
    }
}

/// A failed exchange over HTTP/1.
pub(super) fn http_text(error: &hyper::Error, ends: &Ends) -> String {
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<io::Error>() {
            return io_text(io, ends);
        }
        cause = current.source();
    }
    if error.is_parse() {
        return format!("net/http: HTTP/1.x transport connection broken: {error}");
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "EOF".to_owned();
    }
    error.to_string()
}

/// A failed exchange over HTTP/2.
pub(super) fn http2_text(error: &h2::Error, ends: &Ends) -> String {
    match error.get_io() {
        Some(io) => io_text(io, ends),
        // What came is no HTTP/2.
        None if error.is_library() => "unexpected EOF".to_owned(),
        None => error.to_string(),
    }
}
