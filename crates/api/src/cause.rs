//! Causes of failures in the words of the reference's runtime, which scripts and people match on.

use std::{error::Error as StdError, io, net::SocketAddr, path::Path};

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// The system's message without the error number, lower-cased: `connection refused`.
pub(crate) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// `open PATH: no such file or directory`; a directory opens and then fails to read.
pub(crate) fn open(path: &Path, error: &io::Error) -> String {
    let operation = if error.kind() == io::ErrorKind::IsADirectory { "read" } else { "open" };
    format!("{operation} {}: {}", path.display(), system_text(error))
}

/// Where a connection leads, for messages about reads and writes on it.
#[derive(Clone, Debug)]
pub(crate) enum Ends {
    Tcp { local: SocketAddr, peer: SocketAddr },
    Unix { path: String },
}

impl Ends {
    fn describe(&self) -> String {
        match self {
            Ends::Tcp { local, peer } => format!("tcp {local}->{peer}"),
            Ends::Unix { path } => format!("unix @->{path}"),
        }
    }
}

/// The innermost reason an exchange on an established connection failed.
pub(crate) fn exchange(error: &(dyn StdError + 'static), ends: &Ends) -> String {
    let mut current = Some(error);
    while let Some(cause) = current {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return tls_text(tls);
        }
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return tls_text(tls);
            }
            return match io.kind() {
                io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
                io::ErrorKind::BrokenPipe => format!("write {}: write: {}", ends.describe(), system_text(io)),
                _ if io.raw_os_error().is_some() => format!("read {}: read: {}", ends.describe(), system_text(io)),
                _ => io.to_string(),
            };
        }
        if let Some(http) = cause.downcast_ref::<hyper::Error>()
            && (http.is_incomplete_message() || http.is_closed() || http.is_canceled())
            && http.source().is_none()
        {
            return "EOF".to_owned();
        }
        current = cause.source();
    }
    error.to_string()
}

/// A TLS failure, as the reference's TLS library words it.
pub(crate) fn tls_text(error: &rustls::Error) -> String {
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
        AlertDescription::CertificateExpired => "expired certificate".to_owned(),
        AlertDescription::CertificateUnknown => "unknown certificate".to_owned(),
        AlertDescription::UnknownCA => "unknown certificate authority".to_owned(),
        AlertDescription::AccessDenied => "access denied".to_owned(),
        AlertDescription::HandshakeFailure => "handshake failure".to_owned(),
        AlertDescription::InternalError => "internal error".to_owned(),
        AlertDescription::ProtocolVersion => "protocol version not supported".to_owned(),
        AlertDescription::UnrecognisedName => "unrecognized name".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_texts_lose_their_number_and_capital() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(system_text(&refused), "connection refused");
    }

    #[test]
    fn reading_a_directory_is_worded_as_a_read() {
        let error = io::Error::from(io::ErrorKind::IsADirectory);
        assert_eq!(open(Path::new("d"), &error), "read d: is a directory");
    }

    #[test]
    fn presented_names_are_bare() {
        assert_eq!(presented_name("DnsName(\"web\")"), "web");
        assert_eq!(presented_name("IpAddress(127.0.0.1)"), "127.0.0.1");
    }
}
