use std::time::Duration;

use tokio::time::{self, Instant};
use types::QueryOptions;
use types::method::StatusPing;

use super::*;
use crate::testing::{Methods, Wires, address, pool, pool_settings, server, target};

const MINUTE: Duration = Duration::from_secs(60);

fn wires() -> Arc<Wires> {
    Arc::new(Wires::default())
}

async fn failure(pool: &Pool, to: &Target, method: &str) -> String {
    pool.call_encoded(to, method, b"\x80", MINUTE).await.unwrap_err().to_string()
}

#[tokio::test]
async fn calls_share_one_session() {
    let (wires, methods) = (wires(), Methods::new());
    let door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let calls = (0..500_u16).map(|number| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let body = [&[0xcd][..], &number.to_be_bytes()].concat();
            let reply = pool.call_encoded(&target(1), "Test.Echo", &body, MINUTE).await.unwrap();
            assert_eq!(reply, body);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    pool.call::<StatusPing>(&target(1), &()).await.unwrap();
    assert_eq!((wires.dial_count(), methods.call_count()), (1, 501));
    pool.stop().await;
    door.stop().await;
}

#[tokio::test]
async fn long_bodies_pass_both_ways() {
    let (wires, methods) = (wires(), Methods::new());
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let body = [b"\xdb\x00\x20\x00\x00".as_slice(), &vec![b'x'; 0x20_0000]].concat();
    for _ in 0..3 {
        let reply = pool.call_encoded(&target(1), "Test.Echo", &body, MINUTE).await.unwrap();
        assert!(reply == body);
    }
}

#[tokio::test]
async fn errors_of_the_server_come_back_and_calls_go_on() {
    let (wires, methods) = (wires(), Methods::new());
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    *methods.failure.lock() = Some("No cluster leader".to_owned());
    assert_eq!(failure(&pool, &target(1), "KVS.Get").await, "rpc error making call: No cluster leader");
    let unknown = failure(&pool, &target(1), "Test.Unknown").await;
    assert_eq!(unknown, "rpc error making call: rpc: can't find method Test.Unknown");
    assert_eq!(failure(&pool, &target(1), "KVS.Get").await, "rpc error making call: No cluster leader");
    assert_eq!(wires.dial_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_come_together_wait_for_one_attempt() {
    let (wires, methods) = (wires(), Methods::new());
    *wires.delay.lock() = Duration::from_secs(1);
    let pool = pool(&wires);
    let (first, second) = (target(1), target(1));
    let (lead, other) = tokio::join!(failure(&pool, &first, "Status.Ping"), failure(&pool, &second, "Status.Ping"));
    let cause = "dial tcp <nil>->10.0.0.1:8300: connect: connection refused";
    assert_eq!(lead, format!("rpc error getting client: failed to get conn: {cause}"));
    let lead_thread = "rpc error getting client: failed to get conn: rpc error: lead thread didn't get connection";
    assert_eq!(other, format!("{lead_thread}: {cause}"));
    assert_eq!(wires.dial_count(), 1);

    let _door = server(&wires, address(1), &methods);
    let ping = || pool.call::<StatusPing>(&first, &());
    let (one, two) = tokio::join!(ping(), ping());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(wires.dial_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_goes_on_without_the_caller_who_began_it() {
    let (wires, methods) = (wires(), Methods::new());
    *wires.delay.lock() = Duration::from_secs(1);
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let to = target(1);
    assert!(time::timeout(Duration::from_millis(10), pool.call::<StatusPing>(&to, &())).await.is_err());
    pool.call::<StatusPing>(&to, &()).await.unwrap();
    assert_eq!(wires.dial_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn dialling_takes_ten_seconds_at_most() {
    let wires = wires();
    *wires.delay.lock() = Duration::from_secs(1000);
    let begun = Instant::now();
    let text = failure(&pool(&wires), &target(1), "Status.Ping").await;
    assert_eq!(text, "rpc error getting client: failed to get conn: dial tcp <nil>->10.0.0.1:8300: i/o timeout");
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_fixed_local_address_is_part_of_the_text() {
    let settings = PoolSettings { source: Some([10, 0, 0, 9].into()), ..pool_settings(&wires()) };
    let pool = Pool::new(settings, CancellationToken::new());
    let text = failure(&pool, &target(1), "Status.Ping").await;
    assert!(text.ends_with("dial tcp 10.0.0.9:0->10.0.0.1:8300: connect: connection refused"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_given_up_and_the_server_stops_working_on_it() {
    let (wires, methods) = (wires(), Methods::new());
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let to = target(1);
    let begun = Instant::now();
    let (late, ()) = tokio::join!(pool.call_encoded(&to, "Test.Wait", b"\x80", MINUTE), methods.waiting(1));
    assert_eq!(late.unwrap_err().to_string(), "rpc error making call: i/o deadline reached");
    assert_eq!(begun.elapsed().as_secs(), MINUTE.as_secs());
    methods.waiting(0).await;
    pool.call::<StatusPing>(&to, &()).await.unwrap();
    assert_eq!(wires.dial_count(), 1);
}

#[tokio::test]
async fn a_caller_who_leaves_takes_the_call_along() {
    let (wires, methods) = (wires(), Methods::new());
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let caller = tokio::spawn(async move { pool.call_encoded(&target(1), "Test.Wait", b"\x80", MINUTE).await });
    methods.waiting(1).await;
    caller.abort();
    methods.waiting(0).await;
}

#[tokio::test]
async fn a_server_that_stops_ends_calls_with_eof_and_is_dialled_again() {
    let (wires, methods) = (wires(), Methods::new());
    let door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let to = target(1);
    let stop = async {
        methods.waiting(1).await;
        door.stop().await;
    };
    let (text, ()) = tokio::join!(failure(&pool, &to, "Test.Wait"), stop);
    assert_eq!(text, "rpc error making call: EOF");
    let _door = server(&wires, address(1), &methods);
    pool.call::<StatusPing>(&to, &()).await.unwrap();
    assert_eq!(wires.dial_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn sessions_nobody_uses_are_closed() {
    let (wires, methods) = (wires(), Methods::new());
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let to = target(1);
    let waiting = tokio::spawn({
        let (pool, to) = (pool.clone(), to.clone());
        async move { pool.call_encoded(&to, "Test.Wait", b"\x80", 10 * MINUTE).await }
    });
    methods.waiting(1).await;
    time::sleep(5 * MINUTE).await;
    pool.call::<StatusPing>(&to, &()).await.unwrap();
    assert_eq!(wires.dial_count(), 1, "a session in use is kept");
    waiting.abort();
    time::sleep(Duration::from_secs(120)).await;
    pool.call::<StatusPing>(&to, &()).await.unwrap();
    assert_eq!(wires.dial_count(), 1);
    time::sleep(Duration::from_secs(130)).await;
    pool.call::<StatusPing>(&to, &()).await.unwrap();
    assert_eq!(wires.dial_count(), 2);
}

#[tokio::test]
async fn a_forgotten_server_is_dialled_anew_while_its_calls_go_on() {
    let (wires, methods) = (wires(), Methods::new());
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let caller = tokio::spawn({
        let pool = pool.clone();
        async move { pool.call_encoded(&target(1), "Test.Wait", b"\x80", MINUTE).await }
    });
    methods.waiting(1).await;
    pool.forget(address(1));
    pool.call::<StatusPing>(&target(1), &()).await.unwrap();
    assert_eq!(wires.dial_count(), 2);
    methods.waiting(1).await;
    caller.abort();
}

#[tokio::test]
async fn a_renamed_server_has_a_session_of_its_own() {
    let (wires, methods) = (wires(), Methods::new());
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    for name in ["old", "new", "old"] {
        let to = Target { name: name.to_owned(), ..target(1) };
        pool.call::<StatusPing>(&to, &()).await.unwrap();
    }
    assert_eq!(wires.dial_count(), 2);
}

#[tokio::test]
async fn a_stopped_pool_says_so() {
    let (wires, methods) = (wires(), Methods::new());
    let _door = server(&wires, address(1), &methods);
    let pool = pool(&wires);
    let to = target(1);
    let stop = async {
        methods.waiting(1).await;
        pool.stop().await;
    };
    let (text, ()) = tokio::join!(failure(&pool, &to, "Test.Wait"), stop);
    assert_eq!(text, "rpc error: shutdown");
    methods.waiting(0).await;
}

#[tokio::test]
async fn times_follow_the_kind_of_the_call() {
    let pool = pool(&wires());
    let blocking =
        |seconds| QueryOptions { min_index: 5, max_wait: Duration::from_secs(seconds), ..QueryOptions::default() };
    let table = [
        // (options, milliseconds)
        (None, 60_000),
        (Some(QueryOptions { max_wait: MINUTE, ..QueryOptions::default() }), 60_000),
        (Some(blocking(16)), 16_000 + 1_000 + 7_000),
        (Some(blocking(0)), 300_000 + 18_750 + 7_000),
        (Some(blocking(6000)), 600_000 + 37_500 + 7_000),
    ];
    for (options, milliseconds) in table {
        assert_eq!(pool.time_for(options.as_ref()), Duration::from_millis(milliseconds), "{options:?}");
    }
    pool.set_client_timeout(Duration::from_secs(2));
    assert_eq!(pool.time_for(None), Duration::from_secs(2));
    pool.set_client_timeout(Duration::from_secs(86_400));
    assert_eq!(pool.time_for(None), CLIENT_TIMEOUT_MAX);
    pool.set_client_timeout(Duration::ZERO);
    assert_eq!(pool.time_for(None), CLIENT_TIMEOUT_MAX);
}
