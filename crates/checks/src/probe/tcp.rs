//! TCP checks: a connection opens.

use super::{Outcome, Run, dial};

pub(super) async fn run(run: &Run<'_>, address: &str) -> Outcome {
    match dial::tcp(address, run.deadline).await {
        Ok(_) => Outcome::passing(format!("TCP connect {address}: Success")),
        Err(error) => {
            let check = run.check;
            tracing::warn!(target: "agent", check, error = error.as_str(), "Check socket connection failed");
            Outcome::critical(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::Probe;
    use crate::probe::test_support::{passed, probe, shut_port};

    async fn connect(address: String) -> Outcome {
        probe(Probe::Tcp { address }, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn an_open_port_passes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["127.0.0.1", "localhost"] {
            let outcome = connect(format!("{host}:{port}")).await;
            assert_eq!(outcome, passed(&format!("TCP connect {host}:{port}: Success")));
        }
    }

    #[tokio::test]
    async fn everything_else_is_critical_in_the_references_words() {
        let shut = shut_port();
        let refused = format!("dial tcp 127.0.0.1:{shut}: connect: connection refused");
        let table = [
            (format!("127.0.0.1:{shut}"), refused.as_str()),
            ("127.0.0.1".to_owned(), "dial tcp: address 127.0.0.1: missing port in address"),
            ("127.0.0.1:99999".to_owned(), "dial tcp: address 99999: invalid port"),
            ("::1:1".to_owned(), "dial tcp: address ::1:1: too many colons in address"),
            ("127.0.0.1:nosuchsvc".to_owned(), "dial tcp: lookup tcp/nosuchsvc: unknown port"),
        ];
        for (address, text) in table {
            assert_eq!(connect(address).await, Outcome::critical(text.to_owned()));
        }
    }
}
