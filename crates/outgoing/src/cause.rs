//! Causes of failures in the words of the reference's runtime, which people know and scripts match on.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// The system's message without the error number, its first letter in lower case: `connection refused`.
pub fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A TLS failure, as the reference's TLS library words it: `remote error: tls: bad certificate`.
pub fn tls_text(error: &Error) -> String {
    match error {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "tls: first record does not look like a TLS handshake".to_owned()
        }
        Error::InvalidCertificate(problem) => {
            format!("tls: failed to verify certificate: x509: {}", certificate_text(problem))
        }
        Error::AlertReceived(alert) => format!("remote error: tls: {}", alert_text(*alert)),
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
        AlertDescription::NoApplicationProtocol => "no application protocol".to_owned(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    #[test]
    fn system_texts_lose_their_number_and_capital() {
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(system_text(&refused), "connection refused");
    }

    #[test]
    fn presented_names_are_bare() {
        assert_eq!(presented_name("DnsName(\"web\")"), "web");
        assert_eq!(presented_name("IpAddress(127.0.0.1)"), "127.0.0.1");
    }

    #[test]
    fn tls_failures_are_worded_as_the_reference_words_them() {
        let table = [
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "tls: first record does not look like a TLS handshake",
            ),
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            ),
            (Error::AlertReceived(AlertDescription::AccessDenied), "remote error: tls: access denied"),
        ];
        for (error, text) in table {
            assert_eq!(tls_text(&error), text);
        }
    }

    #[test]
    fn certificates_for_other_names_list_theirs() {
        let text = |presented: &[&str]| {
            certificate_text(&CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("db").unwrap(),
                presented: presented.iter().map(|name| (*name).to_owned()).collect(),
            })
        };
        assert_eq!(text(&[]), "certificate is not valid for any names, but wanted to match db");
        let both = text(&["DnsName(\"web\")", "IpAddress(127.0.0.1)"]);
        assert_eq!(both, "certificate is valid for web, 127.0.0.1, not db");
    }
}
