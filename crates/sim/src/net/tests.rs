//! What the network promises to those who use it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use net::{BoxConn, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::{Conditions, Crash, Net};
use crate::Chance;

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const LONG: Duration = Duration::from_secs(60);

fn at(host: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(host, port)
}

fn net(loss: f64) -> Net {
    let latency = Duration::from_millis(10)..Duration::from_millis(20);
    Net::new(Chance::new(1), Conditions { latency, loss })
}

/// Both ends of a connection from the first host to the second.
async fn connected(a: &Arc<dyn Network>, b: &Arc<dyn Network>) -> (BoxConn, BoxConn) {
    let mut listener = b.listen(at(B, 0)).await.unwrap();
    let near = a.connect(None, listener.local_addr()).await.unwrap();
    let (far, from) = listener.accept().await.unwrap();
    assert_eq!(from.ip(), A);
    (near, far)
}

#[tokio::test(start_paused = true)]
async fn bytes_arrive_late_whole_and_in_order() {
    let net = net(0.0);
    let (a, b) = (net.boot(A), net.boot(B));
    let (mut near, mut far) = connected(&a, &b).await;
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let expected = sent.clone();
    let before = Instant::now();
    let writing = tokio::spawn(async move {
        near.write_all(&sent).await.unwrap();
        near.shutdown().await.unwrap();
        near
    });
    let mut received = Vec::new();
    far.read_to_end(&mut received).await.unwrap();
    assert!(received == expected && before.elapsed() >= Duration::from_millis(10));
    let mut near = writing.await.unwrap();
    far.write_all(b"answer").await.unwrap();
    drop(far);
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    drop(near);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_into_a_partition_arrives_when_it_heals() {
    let net = net(0.0);
    let (a, b) = (net.boot(A), net.boot(B));
    let (mut near, mut far) = connected(&a, &b).await;
    net.block(A, B);
    near.write_all(b"late").await.unwrap();
    far.write_all(b"back").await.unwrap();
    let mut buffer = [0; 4];
    near.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"back", "only one direction is blocked");
    assert!(timeout(LONG, far.read_exact(&mut buffer)).await.is_err());
    let connecting = tokio::spawn(b.connect(None, at(A, 1)));
    tokio::time::sleep(LONG).await;
    assert!(!connecting.is_finished(), "an answer would have to pass the block");
    net.heal();
    far.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"late");
    assert!(connecting.await.unwrap().is_err(), "nobody listens there");
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_is_noticed_and_a_lost_machine_only_after_it_is_back() {
    for how in [Crash::Killed, Crash::PowerCut] {
        let net = net(0.0);
        let (a, b) = (net.boot(A), net.boot(B));
        let (mut near, mut far) = connected(&a, &b).await;
        net.crash(B, how);
        let mut buffer = [0; 1];
        assert!(far.read(&mut buffer).await.is_err(), "whoever still runs there is cut off");
        assert!(far.write(b"x").await.is_err());
        drop(far);
        let read = timeout(LONG, near.read(&mut buffer)).await;
        let connected = timeout(LONG, a.connect(None, at(B, 1))).await;
        match how {
            Crash::Killed => assert!(read.unwrap().is_err() && connected.unwrap().is_err()),
            Crash::PowerCut => assert!(read.is_err() && connected.is_err()),
        }
        let again = net.boot(B);
        assert!(near.read(&mut buffer).await.is_err());
        assert!(b.listen(at(B, 1)).await.is_err(), "the last life is over");
        let mut listener = again.listen(at(B, 1)).await.unwrap();
        let (near, far) = tokio::join!(a.connect(None, at(B, 1)), listener.accept());
        assert!(near.is_ok() && far.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn datagrams_get_lost_as_often_as_asked() {
    let net = net(0.25);
    let (a, b) = (net.boot(A), net.boot(B));
    let (from, to) = (a.datagrams(at(A, 5)).await.unwrap(), b.datagrams(at(B, 5)).await.unwrap());
    for n in 0..1000_u32 {
        from.send(at(B, 5), &n.to_be_bytes()).await.unwrap();
    }
    net.block(A, B);
    from.send(at(B, 5), b"lost").await.unwrap();
    let mut received = 0;
    let mut buffer = [0; 16];
    while let Ok(datagram) = timeout(LONG, to.receive(&mut buffer)).await {
        assert_eq!(datagram.unwrap(), (4, at(A, 5)));
        assert_ne!(&buffer[..4], b"lost");
        received += 1;
    }
    assert!((700..800).contains(&received), "{received}");
}

#[tokio::test(start_paused = true)]
async fn a_halted_host_hears_and_says_nothing_until_it_goes_on() {
    let net = net(0.0);
    let (a, b) = (net.boot(A), net.boot(B));
    let (mut near, mut far) = connected(&a, &b).await;
    let pause = Duration::from_secs(5);
    for back in [false, true] {
        let (writer, reader) = if back { (&mut far, &mut near) } else { (&mut near, &mut far) };
        let before = Instant::now();
        net.pause(B, pause);
        writer.write_all(b"x").await.unwrap();
        reader.read_u8().await.unwrap();
        assert!((pause..pause + Duration::from_millis(25)).contains(&before.elapsed()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_breaks_both_ends() {
    let net = net(0.0);
    let (a, b) = (net.boot(A), net.boot(B));
    let (mut near, mut far) = connected(&a, &b).await;
    near.write_all(b"lost").await.unwrap();
    net.reset(A);
    let mut buffer = [0; 4];
    assert!(far.read(&mut buffer).await.is_err() && near.read(&mut buffer).await.is_err());
    assert!(far.write(b"x").await.is_err() && near.write(b"x").await.is_err());
}
