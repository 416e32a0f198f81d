//! Causes of failures in the words of the reference's runtime, which people know and match on.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::link::Ends;

/// The system's message without the error number, lower-cased: `connection refused`.
pub(super) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

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

/// A TLS failure.
pub(super) fn tls_text(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "tls: first record does not look like a TLS handshake".to_owned()
        }
        rustls::Error::InvalidCertificate(problem) => {
            format!("tls: failed to verify certificate: x509: {}", certificate_text(problem))
        }
        rustls::Error::AlertReceived(alert) => format!("remote error: tls: {}", alert_text(*alert)),
        other => format!("tls: {other}"),
    }
}

fn certificate_text(problem: &CertificateError) -> String {
    match problem {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => "certificate has expired or is not yet valid".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let host = expected.to_str();
            if presented.is_empty() {
                return format!("certificate is not valid for any names, but wanted to match {host}");
            }
            let names: Vec<&str> = presented.iter().map(|name| presented_name(name)).collect();
            format!("certificate is valid for {}, not {host}", names.join(", "))
        }
        other => other.to_string(),
    }
}

/// The TLS library lists names as `DnsName("web")`; people want `web`.
fn presented_name(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')')).trim_matches('"')
}

fn alert_text(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::BadCertificate => "bad certificate".to_owned(),
        AlertDescription::CertificateRequired => "certificate required".to_owned(),
        AlertDescription::UnknownCA => "unknown certificate authority".to_owned(),
        AlertDescription::HandshakeFailure => "handshake failure".to_owned(),
        AlertDescription::InternalError => "internal error".to_owned(),
        AlertDescription::ProtocolVersion => "protocol version not supported".to_owned(),
        AlertDescription::UnrecognisedName => "unrecognized name".to_owned(),
        AlertDescription::NoApplicationProtocol => "no application protocol".to_owned(),
        other => format!("{other:?}"),
    }
}
