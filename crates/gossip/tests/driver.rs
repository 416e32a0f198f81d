//! Pools over real sockets of the loopback interface: the driver's part, from addresses to files.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of a test fail as the test would")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip::{
    Admission, CoreSettings, Event, Gossip, KeyOperation, Member, MemberEvent, Profile, Settings, StartError, Status,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Nothing here takes this long; what does not happen at all fails.
const DEADLINE: Duration = Duration::from_secs(30);
/// Requests on streams that are served at a time.
const INBOUND_MAX: usize = 128;

struct Everyone;

impl Admission for Everyone {
    fn admit(&self, _candidates: &[Member], _join: bool) -> Result<(), String> {
        Ok(())
    }
}

fn settings(name: &str) -> Settings {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let profile = Profile {
        gossip_interval: Duration::from_millis(20),
        leave_propagate_delay: Duration::from_millis(100),
        ..Profile::lan()
    };
    Settings {
        core: CoreSettings {
            name: name.to_owned(),
            advertise: bind,
            tags: BTreeMap::from([("role".to_owned(), "node".to_owned())]),
            profile,
            keyring: None,
            verify_incoming: true,
            verify_outgoing: true,
            allowed: Vec::new(),
            resolve_conflicts: false,
            rejoin_after_leave: false,
            snapshot: None,
            seed: 0,
        },
        bind,
        snapshot_path: None,
        keyring_path: None,
        keyring: Vec::new(),
        pool: "lan",
        network: Arc::new(net::Sockets),
    }
}

async fn start(settings: Settings) -> Gossip {
    Gossip::start(settings, Arc::new(Everyone), CancellationToken::new()).await.unwrap()
}

async fn join(pool: &Gossip, other: &Gossip) {
    assert_eq!(pool.join(&[other.bound().to_string()], true).await, Ok(1));
}

/// Waits until a pool has so many members of this status.
async fn until(pool: &Gossip, count: usize, status: Status) {
    let mut members = pool.watch_members();
    let holds = |members: &Arc<Vec<Arc<Member>>>| members.iter().filter(|m| m.status == status).count() == count;
    let found = timeout(DEADLINE, members.wait_for(holds)).await;
    assert!(found.is_ok(), "not {count} {}: {:?}", status.as_str(), pool.members());
}

async fn three(settings: [Settings; 3]) -> [Gossip; 3] {
    let [a, b, c] = settings;
    let pools = [start(a).await, start(b).await, start(c).await];
    join(&pools[1], &pools[0]).await;
    join(&pools[2], &pools[0]).await;
    for pool in &pools {
        until(pool, 3, Status::Alive).await;
    }
    pools
}

async fn stop(pools: &[Gossip]) {
    for pool in pools {
        timeout(DEADLINE, pool.stop()).await.expect("it stops");
    }
}

#[tokio::test]
async fn three_pools_join_tell_and_leave() {
    let pools = three([settings("a"), settings("b"), settings("c")]).await;
    let [a, b, c] = &pools;
    assert_eq!(a.local_member().address.to_string(), "127.0.0.1");
    assert_eq!(a.local_member().port, a.bound().port());
    assert!(!a.encrypted());

    let mut events = c.subscribe();
    a.user_event("deploy", Bytes::from_static(b"now"), false).await.unwrap();
    let told = async {
        loop {
            match events.recv().await.expect("the pool runs") {
                Event::User { name, payload, .. } => return (name, payload),
                _ => continue,
            }
        }
    };
    let (name, payload) = timeout(DEADLINE, told).await.expect("the event is told");
    assert_eq!((name.as_str(), &payload[..]), ("deploy", &b"now"[..]));

    assert_eq!(timeout(DEADLINE, b.leave()).await.expect("it leaves"), Ok(()));
    until(a, 1, Status::Left).await;
    until(c, 1, Status::Left).await;
    let left = async {
        loop {
            match events.recv().await.expect("the pool runs") {
                Event::Member { kind: MemberEvent::Left, member } => return member.name.clone(),
                _ => continue,
            }
        }
    };
    assert_eq!(timeout(DEADLINE, left).await.expect("the leave is told"), "b");

    stop(&pools).await;
    while events.try_recv().is_ok() {}
    assert_eq!(events.recv().await, None, "events end with the pool");
    assert_eq!(a.user_event("late", Bytes::new(), false).await, Err("gossip pool is shut down".to_owned()));
}

#[tokio::test]
async fn tags_are_told() {
    let pools = three([settings("a"), settings("b"), settings("c")]).await;
    let tags = BTreeMap::from([("role".to_owned(), "consul".to_owned())]);
    assert_eq!(pools[0].set_tags(tags.clone()).await, Ok(()));
    let mut members = pools[2].watch_members();
    let seen = members.wait_for(|members| members.iter().any(|m| m.name == "a" && m.tags == tags));
    assert!(timeout(DEADLINE, seen).await.is_ok(), "{:?}", pools[2].members());
    stop(&pools).await;
}

fn encrypted(name: &str, key: &[u8], directory: &Path) -> Settings {
    let keyring_path = Some(directory.join(name).join("local.keyring"));
    Settings { keyring: vec![key.to_vec()], keyring_path, ..settings(name) }
}

#[tokio::test]
async fn keys_are_managed_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let first = [0; 16];
    let pools = three(["a", "b", "c"].map(|name| encrypted(name, &first, directory.path()))).await;
    assert!(pools[0].encrypted());
    let second = vec![1; 16];
    for operation in [KeyOperation::Install(second.clone()), KeyOperation::Use(second), KeyOperation::List] {
        // A slow machine may miss the time in which answers count.
        let everywhere = async {
            loop {
                let reply = pools[1].keys(operation.clone(), 0).await.unwrap();
                if reply.error.is_none() && reply.responses == pools.len() {
                    return;
                }
            }
        };
        assert!(timeout(DEADLINE, everywhere).await.is_ok(), "{operation:?}");
    }
    stop(&pools).await;
    let expected = "[\n  \"AQEBAQEBAQEBAQEBAQEBAQ==\",\n  \"AAAAAAAAAAAAAAAAAAAAAA==\"\n]";
    for name in ["a", "b", "c"] {
        let path = directory.path().join(name).join("local.keyring");
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn another_key_is_no_way_in() {
    let inside = start(Settings { keyring: vec![vec![0; 16]], ..settings("a") }).await;
    let outside = start(Settings { keyring: vec![vec![1; 16]], ..settings("b") }).await;
    let joined = timeout(DEADLINE, outside.join(&[inside.bound().to_string()], true)).await.expect("it ends");
    assert!(joined.is_err(), "{joined:?}");
    assert_eq!(inside.members().len(), 1);
    stop(&[inside, outside]).await;
}

#[tokio::test]
async fn a_pool_is_rejoined_from_the_snapshot() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("serf/local.snapshot");
    let remembering = |bind: Option<SocketAddr>| {
        let mut settings = settings("b");
        settings.snapshot_path = Some(path.clone());
        if let Some(bind) = bind {
            settings.bind = bind;
            settings.core.advertise = bind;
        }
        settings
    };
    let a = start(settings("a")).await;
    let b = start(remembering(None)).await;
    join(&b, &a).await;
    until(&b, 2, Status::Alive).await;
    let place = b.bound();
    stop(std::slice::from_ref(&b)).await;
    drop(b);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.lines().any(|line| line == format!("alive: a {}", a.bound())), "{text}");

    let b = start(remembering(Some(place))).await;
    until(&b, 2, Status::Alive).await;
    until(&a, 2, Status::Alive).await;
    stop(&[a, b]).await;
}

#[tokio::test]
async fn why_a_join_failed_is_told_in_full() {
    let pool = start(settings("a")).await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let refused = format!("Failed to join {closed}: dial tcp {closed}: connect: connection refused");
    let cases = [
        (vec![closed.to_string()], format!("1 error occurred:\n\t* {refused}\n\n")),
        (vec![String::new()], "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n".to_owned()),
        (
            vec![closed.to_string(), "/x".to_owned()],
            format!("2 errors occurred:\n\t* {refused}\n\t* Failed to resolve /x: empty node name provided\n\n"),
        ),
    ];
    for (entries, expected) in cases {
        let joined = timeout(DEADLINE, pool.join(&entries, true)).await.expect("it ends");
        assert_eq!(joined, Err(expected), "{entries:?}");
    }
    stop(&[pool]).await;
}

#[tokio::test]
async fn a_port_in_use_is_an_error() {
    let pool = start(settings("a")).await;
    let bind = pool.bound();
    let error = Gossip::start(Settings { bind, ..settings("b") }, Arc::new(Everyone), CancellationToken::new()).await;
    let Err(error @ StartError::Listen { .. }) = error else { panic!("it started") };
    let expected = format!(
        "Failed to create memberlist: Could not set up network transport: failed to obtain an address: \
         Failed to start TCP listener on \"127.0.0.1\" port {port}: listen tcp {bind}: bind: address already in use",
        port = bind.port()
    );
    assert_eq!(error.to_string(), expected);
    stop(&[pool]).await;
}

#[tokio::test]
async fn too_many_streams_are_closed_unread() {
    let pool = start(settings("a")).await;
    let mut held = Vec::new();
    for _ in 0..INBOUND_MAX {
        held.push(TcpStream::connect(pool.bound()).await.unwrap());
    }
    let mut beyond = TcpStream::connect(pool.bound()).await.unwrap();
    let read = timeout(DEADLINE, beyond.read(&mut [0; 1])).await.expect("it is closed");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    // Those before it are held, until they go.
    assert!(held[0].try_read(&mut [0; 1]).is_err());
    drop(held);
    let other = start(settings("b")).await;
    let joined = async {
        while other.join(&[pool.bound().to_string()], true).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, joined).await.expect("there is room again");
    stop(&[pool, other]).await;
}

#[tokio::test]
async fn a_pool_stops_when_its_last_handle_goes() {
    let pool = start(settings("a")).await;
    let mut events = pool.subscribe();
    drop(pool);
    let ended = async { while events.recv().await.is_some() {} };
    timeout(DEADLINE, ended).await.expect("the tasks ended");
}
