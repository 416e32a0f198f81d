//! Connections probes speak on, plain or secured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;

use tokio::io::{AsyncRead, AsyncWrite};

use super::tls::Alpn;
use super::{Run, cause, dial};
use crate::ProbeTls;

/// What a protocol runs on.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Where a connection leads, for messages about reads and writes on it.
#[derive(Clone, Debug)]
pub(super) enum Ends {
    Net { network: &'static str, local: SocketAddr, peer: SocketAddr },
    Unix { path: PathBuf },
}

impl Ends {
    pub(super) fn describe(&self) -> String {
        match self {
            Ends::Net { network, local, peer } => format!("{network} {local}->{peer}"),
            Ends::Unix { path } => format!("unix @->{}", path.display()),
        }
    }
}

/// An open connection.
pub(super) struct Link {
    pub(super) stream: Box<dyn Stream>,
    pub(super) ends: Ends,
}

/// Why there is no connection; the text is whole.
pub(super) enum Failure {
    Dial(String),
    Tls(String),
}

impl Failure {
    pub(super) fn into_text(self) -> String {
        match self {
            Failure::Dial(text) | Failure::Tls(text) => text,
        }
    }
}

/// Connects to `host:port`.
pub(super) async fn plain(run: &Run<'_>, address: &str) -> Result<Link, Failure> {
    let stream = dial::tcp(address, run.deadline).await.map_err(Failure::Dial)?;
    let addresses = stream.local_addr().and_then(|local| Ok((local, stream.peer_addr()?)));
    let (local, peer) =
        addresses.map_err(|error| Failure::Dial(format!("dial tcp {address}: {}", cause::system_text(&error))))?;
    Ok(Link { stream: Box::new(stream), ends: Ends::Net { network: "tcp", local, peer } })
}

/// Secures a connection to `host`, which may be a name or an address without brackets.
pub(super) async fn secured(
    run: &Run<'_>,
    link: Link,
    host: &str,
    tls: &ProbeTls,
    alpn: Alpn,
) -> Result<Link, Failure> {
    let Link { stream, ends } = link;
    let stream = run.net.tls.connect(stream, &ends, host, tls, alpn).await.map_err(Failure::Tls)?;
    Ok(Link { stream, ends })
}

/// A connection to `host:port` for HTTP/2.
pub(super) async fn http2(run: &Run<'_>, address: &str, tls: Option<&ProbeTls>) -> Result<Link, Failure> {
    let link = plain(run, address).await?;
    let Some(tls) = tls else {
        return Ok(link);
    };
    let (host, _) = dial::split(address).map_err(|problem| Failure::Dial(format!("dial tcp: {problem}")))?;
    secured(run, link, host, tls, Alpn::Http2).await
}

/// Does `work` on a connection whose driver has to be polled meanwhile. When the driver ends first, `work` learns why
/// from its own end of the connection.
pub(super) async fn drive<D: Future, W: Future>(driver: D, work: W) -> W::Output {
    let mut driver = pin!(driver);
    let mut work = pin!(work);
    tokio::select! {
        biased;
        output = &mut work => return output,
        _ = &mut driver => {}
    }
    work.await
}
