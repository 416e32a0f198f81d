use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use super::error::{OpenError, SessionEnd};
use super::frame::{ACK, FIN, FrameType, GO_AWAY_NORMAL, GO_AWAY_PROTOCOL, HEADER_BYTES, Header, RST, SYN};
use super::*;

const PIPE_BYTES: usize = 64 * 1024;

fn start(conn: DuplexStream, side: Side) -> (Session, JoinHandle<SessionEnd>) {
    let (session, driver) = Session::new(Box::new(conn), side);
    let run = tokio::spawn(drive(session.clone(), driver, CancellationToken::new()));
    (session, run)
}

/// Two sessions that talk to each other: client, server.
fn pair() -> (Session, Session) {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    (start(near, Side::Client).0, start(far, Side::Server).0)
}

/// A session and the raw other end of its connection.
fn against(side: Side) -> (DuplexStream, Session, JoinHandle<SessionEnd>) {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let (session, run) = start(far, side);
    (near, session, run)
}

fn frame(kind: FrameType, flags: u16, stream: u32, length: u32) -> [u8; HEADER_BYTES] {
    Header::new(kind, flags, stream, length).encode()
}

async fn send(raw: &mut DuplexStream, kind: FrameType, flags: u16, stream: u32, length: u32) {
    raw.write_all(&frame(kind, flags, stream, length)).await.unwrap();
}

async fn next(raw: &mut DuplexStream) -> Header {
    let mut bytes = [0; HEADER_BYTES];
    raw.read_exact(&mut bytes).await.unwrap();
    Header::decode(&bytes).unwrap()
}

/// The next frame that is not a ping.
async fn next_but_pings(raw: &mut DuplexStream) -> Header {
    loop {
        let header = next(raw).await;
        if header.kind != FrameType::Ping {
            return header;
        }
    }
}

async fn read_all(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// Waits until both sides have forgotten all streams.
async fn forgotten(sessions: &[&Session]) {
    while sessions.iter().any(|session| session.stream_count() > 0) {
        tokio::task::yield_now().await;
    }
}

#[test]
fn headers_are_twelve_bytes_in_network_order() {
    let header = Header::new(FrameType::WindowUpdate, SYN | ACK, 0x0102_0304, 0x0506_0708);
    assert_eq!(header.encode(), [0, 1, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8]);
    for kind in [FrameType::Data, FrameType::WindowUpdate, FrameType::Ping, FrameType::GoAway] {
        let header = Header::new(kind, FIN | RST, 7, u32::MAX);
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
}

#[test]
fn the_sides_number_their_streams_apart() {
    assert!(Side::Server.is_remote(1) && !Side::Server.is_remote(2) && !Side::Server.is_remote(0));
    assert!(Side::Client.is_remote(2) && !Side::Client.is_remote(1) && !Side::Client.is_remote(0));
}

#[tokio::test]
async fn many_streams_carry_what_was_written_to_them() {
    let (client, server) = pair();
    let echo = tokio::spawn(async move {
        let mut tasks = Vec::new();
        while let Some(mut stream) = server.accept().await {
            tasks.push(tokio::spawn(async move {
                let bytes = read_all(&mut stream).await;
                stream.write_all(&bytes).await.unwrap();
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    let mut calls = Vec::new();
    for number in 0..1000_u32 {
        let client = client.clone();
        calls.push(tokio::spawn(async move {
            let mut stream = client.open().await.unwrap();
            let bytes = number.to_be_bytes().repeat(number as usize + 1);
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            assert!(read_all(&mut stream).await == bytes);
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    forgotten(&[&client]).await;
    client.close();
    echo.await.unwrap();
}

#[tokio::test]
async fn long_messages_pass_windows_in_both_ways_of_sending() {
    let (client, server) = pair();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|number| number as u8).collect();
    let expected = bytes.clone();
    let receiver = tokio::spawn(async move {
        for _ in 0..2 {
            let mut stream = server.accept().await.unwrap();
            assert!(read_all(&mut stream).await == expected);
        }
    });
    let mut stream = client.open().await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    drop(stream);
    let mut stream = client.open().await.unwrap();
    let (head, body) = bytes.split_at(10);
    stream.send(head, bytes::Bytes::copy_from_slice(body)).await.unwrap();
    drop(stream);
    receiver.await.unwrap();
}

#[tokio::test]
async fn a_stream_nobody_reads_does_not_hold_up_others() {
    let (client, server) = pair();
    let mut slow = client.open().await.unwrap();
    let blocked = tokio::spawn(async move { slow.write_all(&vec![1; 1_000_000]).await });
    let _unread = server.accept().await.unwrap();
    for _ in 0..100 {
        let mut stream = client.open().await.unwrap();
        stream.write_all(&[2; 10_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut other = server.accept().await.unwrap();
        assert_eq!(read_all(&mut other).await.len(), 10_000);
    }
    assert!(!blocked.is_finished());
}

#[tokio::test]
async fn a_closed_half_leaves_the_other_open() {
    let (client, server) = pair();
    let mut near = client.open().await.unwrap();
    near.write_all(b"question").await.unwrap();
    near.shutdown().await.unwrap();
    let mut far = server.accept().await.unwrap();
    assert_eq!(read_all(&mut far).await, b"question");
    far.write_all(b"answer").await.unwrap();
    drop(far);
    assert_eq!(read_all(&mut near).await, b"answer");
    let error = near.write_all(b"more").await.unwrap_err();
    assert_eq!(error.to_string(), "stream closed");
    drop(near);
    forgotten(&[&client, &server]).await;
}

#[tokio::test]
async fn an_idle_stream_that_is_dropped_is_gone_for_the_peer() {
    let (client, server) = pair();
    let near = client.open().await.unwrap();
    let mut far = server.accept().await.unwrap();
    assert!(far.is_quiet());
    drop(near);
    far.gone().await;
    assert!(!far.is_quiet());
    drop(far);
    forgotten(&[&client, &server]).await;
}

#[tokio::test]
async fn a_sender_nobody_listens_to_any_more_is_stopped() {
    let (client, server) = pair();
    let near = client.open().await.unwrap();
    let mut far = server.accept().await.unwrap();
    drop(near);
    let error = far.write_all(&vec![0; 1_000_000]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn everything_ends_with_the_session() {
    let (client, server) = pair();
    let mut near = client.open().await.unwrap();
    let mut far = server.accept().await.unwrap();
    far.write_all(b"last words").await.unwrap();
    let mut word = [0; 10];
    near.read_exact(&mut word).await.unwrap();
    server.close();
    let error = near.read(&mut word).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(near.write_all(b"x").await.is_err());
    assert!(far.read(&mut word).await.is_err());
    assert_eq!(client.open().await.unwrap_err(), OpenError::Shutdown);
    assert!(server.accept().await.is_none());
    assert!(!client.is_open());
}

#[tokio::test]
async fn a_stream_is_acknowledged_as_soon_as_it_is_accepted() {
    let (mut raw, session, _run) = against(Side::Server);
    send(&mut raw, FrameType::WindowUpdate, SYN, 1, 0).await;
    let _stream = session.accept().await.unwrap();
    assert_eq!(next(&mut raw).await, Header::new(FrameType::WindowUpdate, ACK, 1, 0));
}

#[tokio::test]
async fn a_new_stream_may_bring_its_first_bytes() {
    let (mut raw, session, _run) = against(Side::Server);
    send(&mut raw, FrameType::Data, SYN | FIN, 1, 5).await;
    raw.write_all(b"hello").await.unwrap();
    let mut stream = session.accept().await.unwrap();
    assert_eq!(read_all(&mut stream).await, b"hello");
}

#[tokio::test]
async fn pings_are_answered() {
    let (mut raw, _session, _run) = against(Side::Server);
    send(&mut raw, FrameType::Ping, SYN, 0, 0xabcd).await;
    assert_eq!(next(&mut raw).await, Header::new(FrameType::Ping, ACK, 0, 0xabcd));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_no_ping_is_given_up() {
    let begun = Instant::now();
    let (_raw, _session, run) = against(Side::Server);
    assert!(matches!(run.await.unwrap(), SessionEnd::KeepAlive));
    assert_eq!(begun.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_pings_is_kept() {
    let (client, _server) = pair();
    time::sleep(Duration::from_secs(3600)).await;
    assert!(client.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_accepts_nothing_is_given_up() {
    let begun = Instant::now();
    let (mut raw, session, run) = against(Side::Client);
    let _stream = session.open().await.unwrap();
    let answers = tokio::spawn(async move {
        loop {
            let mut bytes = [0; HEADER_BYTES];
            if raw.read_exact(&mut bytes).await.is_err() {
                return;
            }
            let header = Header::decode(&bytes).unwrap();
            if header.kind == FrameType::Ping {
                send(&mut raw, FrameType::Ping, ACK, 0, header.length).await;
            }
        }
    });
    assert!(matches!(run.await.unwrap(), SessionEnd::OpenTimeout));
    assert_eq!(begun.elapsed().as_secs(), 75);
    answers.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_bytes_is_given_up() {
    let begun = Instant::now();
    let (raw, session, run) = against(Side::Client);
    let mut stream = session.open().await.unwrap();
    stream.write_all(&[0; 2 * PIPE_BYTES]).await.unwrap();
    assert!(matches!(run.await.unwrap(), SessionEnd::WriteTimeout));
    assert_eq!(begun.elapsed().as_secs(), 10);
    drop(raw);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_without_listening_is_not_read_for_ever() {
    let (mut raw, _session, run) = against(Side::Server);
    let ping = frame(FrameType::Ping, SYN, 0, 1).repeat(1000);
    let flood = async {
        let mut sent = 0_usize;
        while raw.write_all(&ping).await.is_ok() {
            sent += ping.len();
        }
        sent
    };
    let (sent, end) = tokio::join!(flood, run);
    assert!(matches!(end.unwrap(), SessionEnd::WriteTimeout | SessionEnd::KeepAlive));
    assert!(sent < 8 * 1024 * 1024, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_the_peer_never_closes_is_reset_in_the_end() {
    let (mut raw, session, run) = against(Side::Server);
    send(&mut raw, FrameType::WindowUpdate, SYN, 1, 0).await;
    drop(session.accept().await.unwrap());
    assert_eq!(next(&mut raw).await.flags, ACK);
    assert_eq!(next(&mut raw).await.flags, FIN);
    let begun = Instant::now();
    loop {
        let header = next(&mut raw).await;
        if header.kind == FrameType::Ping {
            send(&mut raw, FrameType::Ping, ACK, 0, header.length).await;
            continue;
        }
        assert_eq!(header, Header::new(FrameType::WindowUpdate, RST, 1, 0));
        break;
    }
    assert!(begun.elapsed() >= CLOSE_TIMEOUT && begun.elapsed() < CLOSE_TIMEOUT + KEEP_ALIVE);
    assert_eq!(session.stream_count(), 0);
    assert!(!run.is_finished());
}

#[tokio::test(start_paused = true)]
async fn opening_waits_while_too_many_streams_are_not_accepted() {
    let (client, server) = pair();
    let mut streams = Vec::new();
    for _ in 0..BACKLOG {
        streams.push(client.open().await.unwrap());
    }
    let late = time::timeout(Duration::from_secs(1), client.open());
    assert!(late.await.is_err());
    let _accepted = server.accept().await.unwrap();
    client.open().await.unwrap();
}

#[tokio::test]
async fn streams_beyond_the_backlog_are_reset() {
    let (mut raw, session, _run) = against(Side::Server);
    for number in 0..=BACKLOG as u32 {
        send(&mut raw, FrameType::WindowUpdate, SYN, 2 * number + 1, 0).await;
    }
    let last = 2 * BACKLOG as u32 + 1;
    assert_eq!(next(&mut raw).await, Header::new(FrameType::WindowUpdate, RST, last, 0));
    assert_eq!(session.stream_count(), BACKLOG);
}

#[tokio::test]
async fn a_refused_stream_makes_room_for_another() {
    let (mut raw, session, _run) = against(Side::Client);
    let mut streams = Vec::new();
    for _ in 0..BACKLOG {
        streams.push(session.open().await.unwrap());
    }
    send(&mut raw, FrameType::WindowUpdate, RST, 1, 0).await;
    let _next = session.open().await.unwrap();
    let mut first = streams.swap_remove(0);
    assert_eq!(first.read(&mut [0]).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_peer_that_goes_away_gets_no_new_streams() {
    let (mut raw, session, _run) = against(Side::Client);
    let mut stream = session.open().await.unwrap();
    send(&mut raw, FrameType::GoAway, 0, 0, GO_AWAY_NORMAL).await;
    send(&mut raw, FrameType::Data, ACK, 1, 2).await;
    raw.write_all(b"ok").await.unwrap();
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await.unwrap();
    assert!(!session.is_open());
    assert_eq!(session.open().await.unwrap_err(), OpenError::RemoteGoAway);
}

#[tokio::test]
async fn windows_are_granted_again_when_half_is_read() {
    let (mut raw, session, _run) = against(Side::Server);
    send(&mut raw, FrameType::Data, SYN, 1, WINDOW_BYTES).await;
    let writer = async { raw.write_all(&vec![0; WINDOW_BYTES as usize]).await.unwrap() };
    let reader = async {
        let mut stream = session.accept().await.unwrap();
        let mut half = vec![0; WINDOW_BYTES as usize / 2];
        stream.read_exact(&mut half).await.unwrap();
        stream
    };
    let ((), _stream) = tokio::join!(writer, reader);
    assert_eq!(next(&mut raw).await.flags, ACK);
    let update = next(&mut raw).await;
    assert_eq!((update.kind, update.stream), (FrameType::WindowUpdate, 1));
    assert!(update.length >= WINDOW_BYTES / 2);
}

#[tokio::test]
async fn hostile_frames_end_the_session() {
    let syn = |id| frame(FrameType::WindowUpdate, SYN, id, 0);
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("invalid protocol version 1", [&[1_u8][..], &[0; 11]].concat()),
        ("invalid frame type 9", [&[0_u8, 9][..], &[0; 10]].concat()),
        ("stream 2 was not the peer's to open", syn(2).to_vec()),
        ("stream 0 was not the peer's to open", syn(0).to_vec()),
        ("duplicate stream 1 initiated", [syn(1), syn(1)].concat()),
        ("receive window of stream 1 exceeded", frame(FrameType::Data, SYN, 1, WINDOW_BYTES + 1).to_vec()),
        ("receive window of stream 1 exceeded", frame(FrameType::Data, SYN, 1, u32::MAX).to_vec()),
        ("send window of stream 1 overflows", frame(FrameType::WindowUpdate, SYN, 1, u32::MAX).to_vec()),
        ("unexpected go away code 77", frame(FrameType::GoAway, 0, 0, 77).to_vec()),
    ];
    for (reason, bytes) in table {
        let (mut raw, session, run) = against(Side::Server);
        raw.write_all(&bytes).await.unwrap();
        assert_eq!(run.await.unwrap().to_string(), reason);
        assert_eq!(next_but_pings(&mut raw).await, Header::new(FrameType::GoAway, 0, 0, GO_AWAY_PROTOCOL), "{reason}");
        assert!(session.accept().await.is_none());
    }
}

#[tokio::test]
async fn frames_of_unknown_streams_are_skipped() {
    let (mut raw, _session, _run) = against(Side::Server);
    send(&mut raw, FrameType::Data, 0, 99, 1000).await;
    raw.write_all(&[0xff; 1000]).await.unwrap();
    send(&mut raw, FrameType::WindowUpdate, ACK | FIN | RST, 98, u32::MAX).await;
    send(&mut raw, FrameType::Ping, SYN, 0, 5).await;
    assert_eq!(next(&mut raw).await, Header::new(FrameType::Ping, ACK, 0, 5));
}

#[tokio::test]
async fn a_connection_that_breaks_inside_a_frame_ends_the_session() {
    for cut in 0..HEADER_BYTES + 4 {
        let (mut raw, session, run) = against(Side::Server);
        let bytes = [frame(FrameType::Data, SYN, 1, 5).as_slice(), b"hello"].concat();
        raw.write_all(&bytes[..cut]).await.unwrap();
        drop(raw);
        assert!(matches!(run.await.unwrap(), SessionEnd::Remote));
        assert!(session.accept().await.is_none());
    }
}

/// Numbers that are new in each run; a failure prints the seed.
fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(length)
    .collect()
}

#[tokio::test]
async fn random_bytes_and_random_frames_never_hang_or_panic() {
    let seed = RandomState::new().build_hasher().finish();
    for round in 0..300_u64 {
        let (mut raw, session, run) = against(if round % 2 == 0 { Side::Server } else { Side::Client });
        let mut bytes = random_bytes(seed ^ (round << 8), 600);
        if round % 3 > 0 {
            // Well-formed headers with small numbers go deeper than noise.
            for header in bytes.chunks_exact_mut(HEADER_BYTES) {
                let (kind, flags, id, length) = (header[1] % 4, header[3] % 16, header[7] % 4, header[11]);
                header.copy_from_slice(&[0, kind, 0, flags, 0, 0, 0, id, 0, 0, 0, length]);
            }
        }
        let opened = session.open().await;
        let accept = tokio::spawn(async move {
            while let Some(mut stream) = session.accept().await {
                let _ = stream.write_all(b"x").await;
            }
        });
        let _ = raw.write_all(&bytes).await;
        raw.shutdown().await.unwrap();
        let mut answers = Vec::new();
        let ends = async {
            let _ = raw.read_to_end(&mut answers).await;
            run.await.unwrap();
            accept.await.unwrap();
        };
        assert!(time::timeout(Duration::from_secs(30), ends).await.is_ok(), "seed {seed} round {round}");
        drop(opened);
    }
}
