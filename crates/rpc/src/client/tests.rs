use types::KvRequest;
use types::method::{CatalogListDatacenters, KvApply};

use super::*;
use crate::door::Door;
use crate::testing::{Methods, Wires, address, pool, server, target};

fn settings() -> ClientSettings {
    ClientSettings {
        rpc_hold_timeout: Duration::from_secs(7),
        default_query_time: Duration::from_secs(300),
        max_query_time: Duration::from_secs(600),
        rate: -1.0,
        burst: 1000,
        datacenter: "dc1".to_owned(),
        node_count: 3,
    }
}

/// A client of servers 1 to `count`, each with methods of its own, called in this order.
struct Scene {
    wires: Arc<Wires>,
    client: Client,
    servers: Vec<(Arc<Methods>, Option<Door>)>,
}

fn scene(count: u8) -> Scene {
    let wires = Arc::new(Wires::default());
    let client = Client::new(pool(&wires), settings(), CancellationToken::new());
    let mut servers = Vec::new();
    let mut order = Vec::new();
    for number in 1..=count {
        let methods = Methods::new();
        let door = server(&wires, address(number), &methods);
        servers.push((methods, Some(door)));
        order.push(Arc::new(target(number)));
    }
    client.set_servers((1..=count).map(target).collect(), 3);
    client.inner.servers.reorder(&order);
    Scene { wires, client, servers }
}

impl Scene {
    fn fail(&self, number: usize, text: Option<&str>) {
        *self.servers[number - 1].0.failure.lock() = text.map(str::to_owned);
    }

    fn calls(&self) -> Vec<usize> {
        self.servers.iter().map(|(methods, _)| methods.call_count()).collect()
    }

    /// `Catalog.ListDatacenters` is a read whose request and reply are any value.
    async fn read(&self) -> Result<Vec<String>, RpcError> {
        self.client.call::<CatalogListDatacenters>(()).await
    }

    async fn write(&self) -> Result<bool, RpcError> {
        self.client.call::<KvApply>(KvRequest::default()).await
    }

    fn head(&self) -> String {
        self.client.servers().first().map(|server| server.name.clone()).unwrap_or_default()
    }
}

#[tokio::test]
async fn without_servers_there_is_nobody_to_ask() {
    let scene = scene(0);
    assert_eq!(scene.read().await.unwrap_err(), RpcError::other("No known Consul servers"));
    let error = scene.client.open(Kind::Grpc).await.map(drop).unwrap_err();
    assert_eq!(error.to_string(), "No known Consul servers");
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_leader_is_left_for_the_next_one() {
    let scene = scene(3);
    scene.fail(1, Some("No cluster leader"));
    scene.fail(2, Some("rpc error making call: No cluster leader"));
    scene.fail(3, Some("Permission denied"));
    let error = scene.write().await.unwrap_err();
    assert_eq!(error, RpcError::other("rpc error making call: Permission denied"));
    assert_eq!(scene.calls(), [1, 1, 1]);
    assert_eq!(scene.head(), "server1", "every failure rotates");
}

#[tokio::test(start_paused = true)]
async fn while_there_is_no_leader_calls_are_made_again_for_the_hold_time() {
    let scene = scene(2);
    scene.fail(1, Some("No cluster leader"));
    scene.fail(2, Some("No cluster leader"));
    let begun = Instant::now();
    let error = scene.read().await.unwrap_err();
    assert_eq!(error, RpcError::other("rpc error making call: No cluster leader"));
    let elapsed = begun.elapsed();
    assert!(elapsed > Duration::from_secs(7) && elapsed < Duration::from_secs(8), "{elapsed:?}");
    assert!(scene.calls().iter().sum::<usize>() > 10);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_passed_over() {
    let mut scene = scene(3);
    for (_, door) in scene.servers.iter_mut().take(2) {
        if let Some(door) = door.take() {
            door.stop().await;
        }
    }
    scene.fail(3, Some("Permission denied"));
    assert_eq!(scene.write().await.unwrap_err(), RpcError::other("rpc error making call: Permission denied"));
    assert_eq!(scene.calls(), [0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn when_no_server_can_be_reached_each_is_tried_once() {
    let mut scene = scene(3);
    for (_, door) in &mut scene.servers {
        if let Some(door) = door.take() {
            door.stop().await;
        }
    }
    let error = scene.read().await.unwrap_err().to_string();
    assert!(error.starts_with("rpc error getting client: failed to get conn: dial tcp"), "{error}");
    assert_eq!(scene.wires.dial_count(), 3);
}

#[tokio::test]
async fn calls_beyond_the_rate_are_refused() {
    let scene = scene(1);
    scene.fail(1, Some("Permission denied"));
    scene.client.set_limits(0.0, 2, Duration::from_secs(60));
    for _ in 0..2 {
        assert_eq!(scene.write().await.unwrap_err(), RpcError::other("rpc error making call: Permission denied"));
    }
    assert_eq!(scene.write().await.unwrap_err(), RpcError::RateLimited);
    assert_eq!(scene.calls(), [2]);
}

#[tokio::test(start_paused = true)]
async fn servers_are_compared_after_two_minutes() {
    let mut scene = scene(3);
    for (_, door) in scene.servers.iter_mut().take(2) {
        if let Some(door) = door.take() {
            door.stop().await;
        }
    }
    assert_eq!(scene.head(), "server1");
    let moved = scene.client.moved();
    tokio::time::sleep(Duration::from_secs(119)).await;
    assert_eq!(scene.wires.dial_count(), 0);
    assert!(!moved.has_changed().unwrap());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(scene.head(), "server3");
    assert!(moved.has_changed().unwrap());
    scene.client.stop().await;
}

#[tokio::test(start_paused = true)]
async fn when_none_answers_the_order_stays() {
    let mut scene = scene(3);
    for (_, door) in &mut scene.servers {
        if let Some(door) = door.take() {
            door.stop().await;
        }
    }
    let moved = scene.client.moved();
    tokio::time::sleep(Duration::from_secs(121)).await;
    assert_eq!(scene.wires.dial_count(), 3);
    assert!(!moved.has_changed().unwrap());
    let names: Vec<String> = scene.client.servers().into_iter().map(|server| server.name).collect();
    assert_eq!(names, ["server1", "server2", "server3"]);
}

#[tokio::test]
async fn a_connection_of_its_own_goes_to_the_head_or_the_next_one() {
    let mut scene = scene(2);
    if let Some(door) = scene.servers.first_mut().and_then(|(_, door)| door.take()) {
        door.stop().await;
    }
    assert!(scene.client.open(Kind::Raft).await.is_err());
    assert!(scene.client.open(Kind::Raft).await.is_ok());
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_to_what_lasts() {
    let scene = scene(2);
    let mut moved = scene.client.moved();
    for (servers, has_moved) in [(vec![1, 2, 3], false), (vec![1, 2, 3], false), (vec![1, 3], true)] {
        scene.client.set_servers(servers.iter().copied().map(target).collect(), 3);
        assert_eq!(moved.has_changed().unwrap(), has_moved, "{servers:?}");
    }
    moved.mark_unchanged();
    let elsewhere = Target { address: address(9), ..target(1) };
    scene.client.set_servers(vec![elsewhere, target(3)], 3);
    assert!(moved.has_changed().unwrap());
}

#[tokio::test]
async fn a_failed_server_is_passed_over_once() {
    let scene = scene(3);
    let first = scene.client.head().unwrap();
    scene.client.failed(&first);
    scene.client.failed(&first);
    assert_eq!(scene.head(), "server2");
}
