use std::net::IpAddr;

use rcgen::CertifiedKey;
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use types::method::StatusPing;

use super::*;
use crate::kind::Kind;
use crate::pool::{Pool, PoolSettings, Target, TlsDial};
use crate::testing::{Methods, Wires, address, doors, listener_settings, pool_settings, target};

const PING: &[u8] = b"\x82\xa3Seq\x01\xadServiceMethod\xabStatus.Ping\x80";
const PONG: &[u8] = b"\x83\xa5Error\xa0\xa3Seq\x01\xadServiceMethod\xabStatus.Ping\x80";

struct Scene {
    wires: Arc<Wires>,
    door: Door,
}

fn scene(settings: ListenerSettings) -> Scene {
    let wires = Arc::new(Wires::default());
    let door = Door::open(wires.listener(address(1)), settings, doors(&Methods::new()), CancellationToken::new());
    Scene { wires, door }
}

impl Scene {
    fn dial_from(&self, last: u8) -> BoxConn {
        let from = SocketAddr::new(IpAddr::from([10, 1, 0, last]), 1234);
        self.wires.dial(from, address(1)).unwrap()
    }

    /// All that a client gets for these bytes.
    async fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let mut conn = self.dial_from(1);
        conn.write_all(bytes).await.unwrap();
        rest(&mut conn).await
    }
}

async fn rest(conn: &mut BoxConn) -> Vec<u8> {
    let mut answer = Vec::new();
    conn.read_to_end(&mut answer).await.unwrap();
    answer
}

/// Whether the server answers a ping over this connection.
async fn is_served(conn: &mut BoxConn) -> bool {
    let mut answer = vec![0; PONG.len()];
    conn.write_all(&[b"\x00".as_slice(), PING].concat()).await.is_ok()
        && conn.read_exact(&mut answer).await.is_ok()
        && answer == PONG
}

#[tokio::test]
async fn each_byte_leads_to_its_own_place() {
    let scene = scene(listener_settings());
    assert_eq!(scene.answer(b"\x01say!").await, b"say!raft");
    assert_eq!(scene.answer(b"\x05say!").await, b"say!snapshot");
    assert_eq!(scene.answer(b"\x08say!").await, b"say!grpc");
    assert!(is_served(&mut scene.dial_from(1)).await);
    let pool = Pool::new(pool_settings(&scene.wires), CancellationToken::new());
    pool.call::<StatusPing>(&target(1), &()).await.unwrap();
}

#[tokio::test]
async fn bytes_that_lead_nowhere_close_the_connection() {
    let scene = scene(listener_settings());
    for byte in [2, 3, 6, 7, 9, 0x16, 0x80, 0xff] {
        assert_eq!(scene.answer(&[byte]).await, b"", "{byte}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_let_go_after_the_handshake_timeout() {
    let scene = scene(listener_settings());
    let begun = time::Instant::now();
    assert_eq!(rest(&mut scene.dial_from(1)).await, b"");
    assert_eq!(begun.elapsed().as_secs(), 5);
    scene.door.set_limits(Duration::ZERO, 0);
    let mut patient = scene.dial_from(1);
    assert!(time::timeout(Duration::from_secs(3600), patient.read_u8()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_ends_the_handshake() {
    let scene = scene(listener_settings());
    let mut conn = scene.dial_from(1);
    conn.write_all(b"\x00").await.unwrap();
    time::sleep(Duration::from_secs(3600)).await;
    conn.write_all(PING).await.unwrap();
    let mut answer = vec![0; PONG.len()];
    conn.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, PONG);
}

#[tokio::test]
async fn a_client_has_a_limited_number_of_connections() {
    let scene = scene(ListenerSettings { max_conns_per_client: 2, ..listener_settings() });
    let (mut first, mut second) = (scene.dial_from(1), scene.dial_from(1));
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    assert_eq!(rest(&mut scene.dial_from(1)).await, b"");
    assert!(is_served(&mut scene.dial_from(2)).await);
    scene.door.set_limits(Duration::from_secs(5), 3);
    assert!(is_served(&mut scene.dial_from(1)).await);
}

#[tokio::test]
async fn without_tls_where_it_is_wanted_nothing_is_served() {
    let scene = scene(ListenerSettings { verify_incoming: true, ..listener_settings() });
    for byte in [0, 1, 4, 5, 8] {
        assert_eq!(scene.answer(&[byte]).await, b"", "{byte}");
    }
}

#[tokio::test]
async fn a_stopped_door_closes_everything() {
    let scene = scene(listener_settings());
    let mut waiting = scene.dial_from(1);
    let mut single = scene.dial_from(1);
    assert!(is_served(&mut single).await);
    scene.door.stop().await;
    assert_eq!(rest(&mut waiting).await, b"");
    assert_eq!(rest(&mut single).await, b"");
}

/// Settings of a server and a client that trust each other.
fn tls() -> (Arc<rustls::ServerConfig>, TlsDial) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["server.dc1.consul".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server_name = ServerName::try_from("server.dc1.consul").unwrap();
    (Arc::new(server), TlsDial { config: Arc::new(client), server_name })
}

#[tokio::test]
async fn tls_carries_what_plain_connections_carry() {
    let (server, dial) = tls();
    let scene = scene(ListenerSettings { tls: Some(server), verify_incoming: true, ..listener_settings() });
    let settings = PoolSettings { tls: Some(dial), ..pool_settings(&scene.wires) };
    let pool = Pool::new(settings, CancellationToken::new());
    let secure = Target { use_tls: true, ..target(1) };
    for _ in 0..3 {
        pool.call::<StatusPing>(&secure, &()).await.unwrap();
    }
    let body = [b"\xdb\x00\x20\x00\x00".as_slice(), &vec![b'x'; 0x20_0000]].concat();
    let reply = pool.call_encoded(&secure, "Test.Echo", &body, Duration::from_secs(60)).await.unwrap();
    assert!(reply == body);
    let mut conn = pool.open(&secure, Kind::Snapshot).await.unwrap();
    conn.write_all(b"say!").await.unwrap();
    assert_eq!(rest(&mut conn).await, b"say!snapshot");
    let plain = pool.call::<StatusPing>(&Target { name: "plain".to_owned(), ..target(1) }, &()).await;
    assert!(plain.is_err());
}

#[tokio::test]
async fn tls_inside_tls_is_refused() {
    let (server, dial) = tls();
    let scene = scene(ListenerSettings { tls: Some(server), ..listener_settings() });
    let mut conn = scene.dial_from(1);
    conn.write_all(b"\x03").await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(dial.config);
    let mut conn = connector.connect(dial.server_name, conn).await.unwrap();
    conn.write_all(b"\x03").await.unwrap();
    conn.flush().await.unwrap();
    let mut answer = Vec::new();
    // The server does not say goodbye, which TLS calls an error.
    let _ = conn.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_client_that_trusts_nobody_is_told_why_in_the_reference_s_words() {
    let (server, _) = tls();
    let (_, stranger) = tls();
    let scene = scene(ListenerSettings { tls: Some(server), ..listener_settings() });
    let settings = PoolSettings { tls: Some(stranger), ..pool_settings(&scene.wires) };
    let pool = Pool::new(settings, CancellationToken::new());
    let error = pool.call::<StatusPing>(&Target { use_tls: true, ..target(1) }, &()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("rpc error getting client: failed to get conn: tls: failed to verify certificate"),
        "{text}"
    );
}
