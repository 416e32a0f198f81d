//! Connections to servers (`docs/spec/rpc-and-state.md` §1.4).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use net::BoxConn;
use outgoing::cause::{system_text, tls_text};
use tokio::io::AsyncWriteExt;
use tokio::time;
use tokio_rustls::TlsConnector;

use super::{PoolSettings, Target, TlsDial};
use crate::kind::TypeByte;

/// How long it may take to connect, TLS included.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection whose type byte is written.
///
/// # Errors
/// Worded as Go words them: `dial tcp <nil>->10.0.0.1:8300: connect: connection refused`.
pub(super) async fn dial(settings: &PoolSettings, to: &Target, kind: TypeByte) -> io::Result<BoxConn> {
    match time::timeout(DIAL_TIMEOUT, connect(settings, to, kind)).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("dial tcp {}: i/o timeout", path(settings, to)))),
    }
}

async fn connect(settings: &PoolSettings, to: &Target, kind: TypeByte) -> io::Result<BoxConn> {
    let mut conn = settings.network.connect(settings.source, to.address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("dial tcp {}: connect: {}", path(settings, to), system_text(&error)))
    })?;
    if let Some(tls) = settings.tls.as_ref().filter(|_| to.use_tls) {
        conn = secure(conn, tls).await?;
    }
    conn.write_all(&[kind as u8]).await?;
    conn.flush().await?;
    Ok(conn)
}

async fn secure(mut conn: BoxConn, tls: &TlsDial) -> io::Result<BoxConn> {
    conn.write_all(&[TypeByte::Tls as u8]).await?;
    conn.flush().await?;
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    match connector.connect(tls.server_name.clone(), conn).await {
        Ok(secured) => Ok(Box::new(secured)),
        Err(error) => Err(in_words(error)),
    }
}

/// The cause of a failed handshake, if TLS itself is the cause.
fn in_words(error: io::Error) -> io::Error {
    let text = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(tls_text);
    match text {
        Some(text) => io::Error::new(error.kind(), text),
        None => error,
    }
}

/// From where to where; an address that is not fixed is Go's nil.
fn path(settings: &PoolSettings, to: &Target) -> String {
    match settings.source.filter(|ip| !ip.is_unspecified()) {
        Some(ip) => format!("{}->{}", SocketAddr::new(ip, 0), to.address),
        None => format!("<nil>->{}", to.address),
    }
}
