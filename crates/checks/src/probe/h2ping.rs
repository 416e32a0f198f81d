//! HTTP/2 ping checks.

use std::pin::pin;

use bytes::Bytes;
use h2::Ping;
use h2::client;
use tokio::time::timeout_at;

use super::link::{self, Link};
use super::{Outcome, Run, cause};
use crate::ProbeTls;

const TIMED_OUT: &str = "context deadline exceeded";

pub(super) async fn run(run: &Run<'_>, address: &str, tls: Option<&ProbeTls>) -> Outcome {
    let dialled = match timeout_at(run.deadline, link::http2(run, address, tls)).await {
        Ok(dialled) => dialled.map_err(link::Failure::into_text),
        Err(_) => Err(TIMED_OUT.to_owned()),
    };
    let link = match dialled {
        Ok(link) => link,
        Err(error) => return Outcome::critical(format!("Failed to dial to {address}: {error}")),
    };
    let pinged = timeout_at(run.deadline, ping(link)).await.unwrap_or_else(|_| Err(TIMED_OUT.to_owned()));
    match pinged {
        Ok(()) => Outcome::passing("HTTP2 ping was successful".to_owned()),
        Err(error) => Outcome::critical(format!("HTTP2 ping failed: {error}")),
    }
}

async fn ping(link: Link) -> Result<(), String> {
    let Link { stream, ends } = link;
    let text = |error: &h2::Error| cause::http2_text(error, &ends);
    // The handle for requests is kept: without it the connection would end.
    let (_requests, mut connection) =
        client::Builder::new().enable_push(false).handshake::<_, Bytes>(stream).await.map_err(|error| text(&error))?;
    let mut pings = connection.ping_pong().ok_or_else(|| "http2: pings are in use".to_owned())?;
    let mut connection = pin!(connection);
    // The connection first: it knows why it ended, the ping only that it did.
    tokio::select! {
        biased;
        ended = &mut connection => Err(ended.map_or_else(|error| text(&error), |()| "EOF".to_owned())),
        pong = pings.ping(Ping::opaque()) => pong.map(|_| ()).map_err(|error| text(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::Probe;
    use crate::probe::test_support::{SHORT, TlsServer, passed, probe, shut_port};

    fn plain(address: &str) -> Probe {
        Probe::H2Ping { address: address.to_owned(), tls: None }
    }

    /// Answers pings until the client leaves.
    async fn serve<S: link::Stream>(stream: S) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(request) = connection.accept().await {
            if request.is_err() {
                return;
            }
        }
    }

    #[tokio::test]
    async fn a_pong_passes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = async { serve(listener.accept().await.unwrap().0).await };
        let (outcome, ()) = tokio::join!(probe(plain(&address), Duration::from_secs(30)), server);
        assert_eq!(outcome, passed("HTTP2 ping was successful"));
    }

    #[tokio::test]
    async fn a_pong_over_tls_passes_when_the_certificate_may_be_any() {
        let server = TlsServer::start(&[b"h2"]).await;
        let tls = Some(ProbeTls { skip_verify: true, ..ProbeTls::default() });
        let plan = Probe::H2Ping { address: server.address.clone(), tls };
        let answer = async { serve(server.accept().await.unwrap()).await };
        let (outcome, ()) = tokio::join!(probe(plan, Duration::from_secs(30)), answer);
        assert_eq!(outcome, passed("HTTP2 ping was successful"));
    }

    #[tokio::test]
    async fn failures_say_how_far_it_came() {
        let shut = format!("127.0.0.1:{}", shut_port());
        let outcome = probe(plain(&shut), Duration::from_secs(30)).await;
        let refused = format!("Failed to dial to {shut}: dial tcp {shut}: connect: connection refused");
        assert_eq!(outcome, Outcome::critical(refused));

        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let outcome = probe(plain(&address), SHORT).await;
        assert_eq!(outcome, Outcome::critical("HTTP2 ping failed: context deadline exceeded".to_owned()));

        let tls = Some(ProbeTls { skip_verify: true, ..ProbeTls::default() });
        let outcome = probe(Probe::H2Ping { address: address.clone(), tls }, SHORT).await;
        let expected = format!("Failed to dial to {address}: context deadline exceeded");
        assert_eq!(outcome, Outcome::critical(expected));
    }
}
