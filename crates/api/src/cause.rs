//! Causes of failures in the words of the reference's runtime, which scripts and people match on.

use std::{error::Error as StdError, io, net::SocketAddr, path::Path};

pub(crate) use outgoing::cause::{system_text, tls_text};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_a_directory_is_worded_as_a_read() {
        let error = io::Error::from(io::ErrorKind::IsADirectory);
        assert_eq!(open(Path::new("d"), &error), "read d: is a directory");
    }
}
