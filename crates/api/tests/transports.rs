//! TLS and Unix sockets against a real agent. The certificates are made here.

#![allow(clippy::unwrap_used, reason = "everything here is test code, functions shared by tests included")]

use std::path::Path;

use api::{
    Client, Config, QueryOptions, Result,
    test_support::{TestAgent, free_ports, run},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

#[tokio::test]
async fn a_unix_socket_serves() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("http.sock");
    let both = format!("addresses {{ http = \"127.0.0.1 unix://{}\" }}", socket.display());
    let _agent = TestAgent::start_with(&["-hcl", &both]).await.unwrap();
    let client = Client::new(Config::default().address(format!("unix://{}", socket.display())))?;
    assert!(!client.status().leader(&QueryOptions::new()).await?.is_empty());
    Ok(())
}

/// An authority, and certificates of it for a server and a client, as files.
fn make_certificates(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let write = |name: &str, pem: String| std::fs::write(folder.join(name), pem).unwrap();
    write("consul-agent-ca.pem", authority.self_signed(&authority_key).unwrap().pem());
    let issuer = Issuer::new(authority, authority_key);
    let server = ["n1.server.dc1.consul", "server.dc1.consul", "localhost", "127.0.0.1"].as_slice();
    for (name, names) in [("dc1-server-consul-0", server), ("dc1-cli-consul-0", &["localhost"])] {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}-key.pem"), key.serialize_pem());
    }
}

struct TlsAgent {
    folder: TempDir,
    port: u16,
    _agent: TestAgent,
}

impl TlsAgent {
    async fn start(verify_incoming: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificates(folder.path());
        let [port] = free_ports().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let tls = format!(
            "ports {{ https = {port} }} tls {{ https {{ ca_file = \"{}\" cert_file = \"{}\" key_file = \"{}\" \
             verify_incoming = {verify_incoming} }} }}",
            file("consul-agent-ca.pem"),
            file("dc1-server-consul-0.pem"),
            file("dc1-server-consul-0-key.pem"),
        );
        let agent = TestAgent::start_with(&["-hcl", &tls]).await.unwrap();
        TlsAgent { folder, port, _agent: agent }
    }

    fn config(&self) -> Config {
        Config::default().address(format!("https://127.0.0.1:{}", self.port))
    }

    fn trusting(&self) -> Config {
        self.config().ca_file(self.folder.path().join("consul-agent-ca.pem"))
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}/v1/status/leader", self.port)
    }
}

async fn leader(config: Config) -> Result<String> {
    Client::new(config)?.status().leader(&QueryOptions::new()).await
}

#[tokio::test]
async fn a_server_certificate_is_verified() -> Result<()> {
    let agent = TlsAgent::start(false).await;
    assert!(!leader(agent.trusting()).await?.is_empty());
    assert!(!leader(agent.config().ca_path(agent.folder.path().join("consul-agent-ca.pem"))).await?.is_empty());
    assert!(!leader(agent.config().skip_verify(true)).await?.is_empty());
    assert!(!leader(agent.trusting().tls_server_name("n1.server.dc1.consul:8501")).await?.is_empty());

    let stranger = leader(agent.config()).await.unwrap_err().to_string();
    let text = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert_eq!(stranger, format!("Get \"{}\": {text}", agent.url()));

    let misnamed = leader(agent.trusting().tls_server_name("elsewhere")).await.unwrap_err().to_string();
    let text = "tls: failed to verify certificate: x509: certificate is valid for ";
    assert!(misnamed.starts_with(&format!("Get \"{}\": {text}", agent.url())), "{misnamed}");
    assert!(misnamed.ends_with(", not elsewhere"), "{misnamed}");
    Ok(())
}

#[tokio::test]
async fn a_client_certificate_is_shown() -> Result<()> {
    let agent = TlsAgent::start(true).await;
    let file = |name: &str| agent.folder.path().join(name);
    let identified =
        agent.trusting().client_cert(file("dc1-cli-consul-0.pem")).client_key(file("dc1-cli-consul-0-key.pem"));
    assert!(!leader(identified).await?.is_empty());

    let anonymous = leader(agent.trusting()).await.unwrap_err().to_string();
    // Which alert it is depends on the TLS version and library of the server.
    assert!(anonymous.starts_with(&format!("Get \"{}\": remote error: tls: ", agent.url())), "{anonymous}");
    assert!(anonymous.ends_with(" certificate") || anonymous.ends_with("certificate required"), "{anonymous}");

    let mismatched =
        agent.trusting().client_cert(file("dc1-cli-consul-0.pem")).client_key(file("dc1-server-consul-0-key.pem"));
    assert_eq!(leader(mismatched).await.unwrap_err().to_string(), "tls: private key does not match public key");
    Ok(())
}

#[test]
fn tls_to_a_plain_listener_is_named() {
    run(async |agent| {
        let address = agent.http_addr();
        let error = leader(Config::default().address(format!("https://{address}"))).await.unwrap_err();
        let text = "http: server gave HTTP response to HTTPS client";
        assert_eq!(error.to_string(), format!("Get \"https://{address}/v1/status/leader\": {text}"));
        Ok(())
    });
}
