//! Where the HTTP API listens, and its TLS (`docs/spec/http-api.md` §1.1, `docs/spec/config.md` §4.2, §8.2).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "everything here is test code, shared functions included")]

mod common;

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::{Client, Config, KvPair, QueryOptions, WriteOptions};
use common::{Ports, Process, Server, Signal, consul, in_time, run};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

async fn answers(client: &Client) -> api::Result<String> {
    in_time("an answer", client.status().leader(&QueryOptions::new())).await
}

#[tokio::test]
async fn a_unix_socket_serves_beside_a_port_and_has_its_mode() {
    let home = home();
    let socket = home.path().join("http.sock");
    fs::write(&socket, "left behind").expect("written");
    let hcl =
        format!("addresses {{ http = \"127.0.0.1 unix://{}\" }} unix_sockets {{ mode = \"0640\" }}", socket.display());
    let mut server = Server::start_with(&home.path().join("data"), &["-hcl", &hcl]).await;
    let found = fs::metadata(&socket).expect("a socket");
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o640);
    let client = Client::new(Config::default().address(format!("unix://{}", socket.display()))).expect("a client");
    client.kv().put(&KvPair::new("a", "1"), &WriteOptions::new()).await.expect("written");
    let (pair, _) = server.client.kv().get("a", &QueryOptions::new()).await.expect("an answer");
    assert_eq!(pair.expect("the key").value, b"1");
    // The command line reaches it as well.
    let mut command = consul();
    command.args(["kv", "get", "a"]).env("CONSUL_HTTP_ADDR", format!("unix://{}", socket.display()));
    assert_eq!(run(&mut command).await.stdout, "1\n");
    server.stop().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_unix_socket_in_a_folder_that_is_not_there_is_a_start_error() {
    let home = home();
    let hcl = format!("addresses {{ http = \"unix://{}/nowhere/http.sock\" }}", home.path().display());
    let server = Server::new(&home.path().join("data"), &["-hcl", &hcl]);
    let ended = run(&mut server.command()).await;
    assert_eq!(ended.code, Some(1));
    let line = ended.stdout.lines().find(|line| line.contains("Error starting agent")).expect("the error");
    assert!(line.contains("/nowhere/http.sock"), "{line}");
}

#[tokio::test]
async fn every_address_of_the_list_serves() {
    let home = home();
    let hcl = "addresses { http = \"127.0.0.1 127.0.0.2\" }";
    let mut server = Server::start_with(&home.path().join("data"), &["-hcl", hcl]).await;
    for address in ["127.0.0.1", "127.0.0.2"] {
        let client = Client::new(Config::default().address(format!("{address}:{}", server.ports.http)));
        answers(&client.expect("a client")).await.expect("an answer");
    }
    for address in ["127.0.0.1", "127.0.0.2"] {
        let logged = format!("{address}:{} network=tcp protocol=http", server.ports.http);
        server.process().stdout.says(&logged).await;
    }
}

#[tokio::test]
async fn addresses_win_over_the_client_address() {
    let home = home();
    let arguments = ["-client=127.0.0.3", "-hcl", "addresses { http = \"127.0.0.1\" }"];
    let server = Server::start_with(&home.path().join("data"), &arguments).await;
    TcpStream::connect(format!("127.0.0.3:{}", server.ports.http)).await.expect_err("nobody listens");
}

#[tokio::test]
async fn a_port_of_minus_one_is_no_listener() {
    let ports = Ports::free();
    let mut command = consul();
    command.args([
        "agent",
        "-dev",
        "-hcl",
        &ports.hcl(),
        "-hcl",
        "ports { http = -1 } addresses { http = \"127.0.0.1\" }",
    ]);
    let mut agent = Process::spawn(&mut command);
    let printed = agent.stdout.says("agent: Consul agent running!").await;
    assert!(printed.contains("Client Addr: [127.0.0.1] (HTTP: -1, HTTPS: -1,"), "{printed}");
    assert!(!printed.contains("Starting server"), "{printed}");
    TcpStream::connect(ports.http_address()).await.expect_err("nobody listens");
    agent.signal(Signal::TERM);
    assert_eq!(agent.ended().await.code, Some(1));
}

#[tokio::test]
async fn the_same_address_twice_is_refused() {
    let home = home();
    let server = Server::new(&home.path().join("data"), &[]);
    let hcl = format!("ports {{ https = {} }}", server.ports.http);
    let ended = run(server.command().args(["-hcl", &hcl])).await;
    let error = format!("==> HTTPS address {} already configured for HTTP\n", server.ports.http_address());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), error.as_str()));
}

/// A certificate authority with certificates it signed, as PEM files.
struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(folder: &Path) -> Authority {
        fs::create_dir_all(folder).expect("a folder");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        fs::write(folder.join("ca.pem"), certificate.pem()).expect("written");
        Authority { folder: folder.to_owned(), issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) {
        let key = KeyPair::generate().expect("a key");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("parameters");
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).expect("written");
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A client that trusts this authority.
    fn client(&self, port: u16) -> Config {
        Config::default().address(format!("https://127.0.0.1:{port}")).ca_file(self.path("ca.pem"))
    }

    /// A TLS connection of exactly this version.
    async fn connect(
        &self,
        port: u16,
        version: &'static SupportedProtocolVersion,
        alpn: &[&[u8]],
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).expect("a certificate")).expect("a root");
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// A server with an HTTPS listener, its authority and its HTTPS port.
async fn https(home: &Path, settings: &str) -> (Server, Authority, u16) {
    let authority = Authority::new(&home.join("tls"));
    authority.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    let port = Ports::free().http;
    let hcl = format!(
        "ports {{ https = {port} }} tls {{ https {{ ca_file = \"{}\" cert_file = \"{}\" key_file = \"{}\" {settings} }} }}",
        authority.path("ca.pem").display(),
        authority.path("server.pem").display(),
        authority.path("server.key").display()
    );
    let server = Server::start_with(&home.join("data"), &["-hcl", &hcl]).await;
    (server, authority, port)
}

#[tokio::test]
async fn https_serves_with_a_certificate_that_clients_verify() {
    let home = home();
    let (server, authority, port) = https(home.path(), "").await;
    answers(&Client::new(authority.client(port)).expect("a client")).await.expect("an answer");
    let stranger = Authority::new(&home.path().join("other"));
    answers(&Client::new(stranger.client(port)).expect("a client")).await.expect_err("another authority");
    let mut command = consul();
    command.args(["info", &format!("-http-addr=https://127.0.0.1:{port}")]);
    command.arg(format!("-ca-file={}", authority.path("ca.pem").display()));
    let ended = run(&mut command).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The plain port goes on beside it.
    answers(&server.client).await.expect("an answer");
}

#[tokio::test]
async fn https_offers_http2_and_http1() {
    let home = home();
    let (_server, authority, port) = https(home.path(), "").await;
    for (offer, chosen) in [(&[b"h2".as_slice(), b"http/1.1"][..], b"h2".as_slice()), (&[b"http/1.1"], b"http/1.1")] {
        let stream = authority.connect(port, &version::TLS13, offer).await.expect("a connection");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen));
    }
}

#[tokio::test]
async fn plain_http_on_the_https_port_is_not_answered() {
    let home = home();
    let (_server, _authority, port) = https(home.path(), "").await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
    stream.write_all(b"GET /v1/status/leader HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    // The end may come as a reset.
    let _ = in_time("the end of the connection", stream.read_to_end(&mut answer)).await;
    assert!(!answer.windows(6).any(|piece| piece == b"200 OK"), "{answer:?}");
}

#[tokio::test]
async fn verify_incoming_takes_only_certificates_of_the_authority() {
    let home = home();
    let (_server, authority, port) = https(home.path(), "verify_incoming = true").await;
    authority.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
    let stranger = Authority::new(&home.path().join("other"));
    stranger.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
    let with = |of: &Authority| {
        let config = authority.client(port).client_cert(of.path("client.pem")).client_key(of.path("client.key"));
        Client::new(config).expect("a client")
    };
    answers(&with(&authority)).await.expect("a certificate of the authority is taken");
    answers(&with(&stranger)).await.expect_err("a certificate of another authority is refused");
    answers(&Client::new(authority.client(port)).expect("a client")).await.expect_err("no certificate is refused");
}

#[tokio::test]
async fn the_lowest_tls_version_is_kept() {
    let table = [
        ("", &version::TLS12, true),
        ("", &version::TLS13, true),
        ("tls_min_version = \"TLSv1_2\"", &version::TLS12, true),
        ("tls_min_version = \"TLSv1_3\"", &version::TLS13, true),
        ("tls_min_version = \"TLSv1_3\"", &version::TLS12, false),
    ];
    for (setting, version, connects) in table {
        let home = home();
        let (_server, authority, port) = https(home.path(), setting).await;
        let connected = authority.connect(port, version, &[]).await;
        assert_eq!(connected.is_ok(), connects, "{setting:?} with {version:?}: {:?}", connected.err());
    }
}

#[tokio::test]
async fn https_can_be_the_only_listener() {
    let home = home();
    let authority = Authority::new(&home.path().join("tls"));
    authority.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    let (ports, out) = (Ports::free(), home.path().join("out"));
    let hcl = format!(
        "ports {{ http = -1 https = {} }} tls {{ https {{ cert_file = \"{}\" key_file = \"{}\" }} }}
        watches {{ type = \"key\" key = \"a\" args = [\"sh\", \"-c\", \"cat >> {}\"] }}",
        ports.http,
        authority.path("server.pem").display(),
        authority.path("server.key").display(),
        out.display()
    );
    let _agent = Process::spawn(consul().args(["agent", "-dev", "-hcl", &ports.hcl(), "-hcl", &hcl]));
    let client = Client::new(authority.client(ports.http)).expect("a client");
    common::eventually("the HTTPS listener", || async { answers(&client).await.ok() }).await;
    // Watches of the configuration go through it as well.
    common::eventually("the watch", || async { (fs::read_to_string(&out).ok()? == "null\n").then_some(()) }).await;
}

#[tokio::test]
async fn without_a_certificate_every_handshake_fails() {
    let home = home();
    let (port, authority) = (Ports::free().http, Authority::new(&home.path().join("tls")));
    let hcl = format!("ports {{ https = {port} }}");
    let server = Server::start_with(&home.path().join("data"), &["-hcl", &hcl]).await;
    authority.connect(port, &version::TLS13, &[]).await.expect_err("no certificate");
    answers(&server.client).await.expect("the plain port goes on");
}

#[tokio::test]
async fn tls_files_that_cannot_be_used_are_start_errors() {
    let home = home();
    let authority = Authority::new(&home.path().join("tls"));
    authority.sign("server", ExtendedKeyUsagePurpose::ServerAuth);
    authority.sign("other", ExtendedKeyUsagePurpose::ServerAuth);
    let path = |name: &str| authority.path(name).display().to_string();
    let table = [
        (
            format!("cert_file = {:?} key_file = {:?}", path("none.pem"), path("server.key")),
            "==> Failed to load cert/key pair: ",
        ),
        (
            format!("cert_file = {:?} key_file = {:?}", path("server.pem"), path("other.key")),
            "==> Failed to load cert/key pair: ",
        ),
        (format!("ca_file = {:?}", path("none.pem")), "==> Error loading from "),
        (
            format!("ca_file = {:?} verify_incoming = true", path("ca.pem")),
            "==> VerifyIncoming requires either a Cert and Key pair",
        ),
        ("verify_incoming = true".to_owned(), "==> VerifyIncoming set but no CA certificates were provided"),
    ];
    for (settings, error) in table {
        let hcl = format!("ports {{ https = {} }} tls {{ https {{ {settings} }} }}", Ports::free().http);
        let ended = run(&mut Server::new(&home.path().join("data"), &["-hcl", &hcl]).command()).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{settings}");
        assert!(ended.stderr.starts_with(error), "{settings}: {}", ended.stderr);
    }
}
