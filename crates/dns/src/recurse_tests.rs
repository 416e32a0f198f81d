//! Against recursors on loopback that answer what they are told.

use tokio::net::TcpListener;

use super::*;
use crate::settings::Settings;
use crate::testing::{settings, show};

/// The request `www.ext.test A`, with this ID.
fn packet(id: u16) -> Vec<u8> {
    let mut packet = Vec::new();
    let mut writer = Writer::new(&mut packet, false);
    writer.header(id, flag::RD, [1, 0, 0, 0]).expect("header");
    writer.question(&Name::new("www.ext.test."), Kind::A, CLASS_IN).expect("question");
    packet
}

/// A reply to a request, with one address unless it is an error.
fn reply_to(request: &[u8], rcode: Rcode) -> Vec<u8> {
    let mut reply = request.to_vec();
    let answers = u8::from(rcode == Rcode::NoError);
    reply[2..8].copy_from_slice(&[0x81, 0x80 | rcode.bits() as u8, 0, 1, 0, answers]);
    if answers == 1 {
        reply.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x58\0\x04\x0a\x09\x08\x01");
    }
    reply
}

/// What a recursor does with a request: the datagrams it sends back.
type Behaviour = fn(&[u8]) -> Vec<Vec<u8>>;

/// A recursor over UDP; ends with the test's runtime.
async fn recursor(behaviour: Behaviour) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("recursor");
    let address = socket.local_addr().expect("address").to_string();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((bytes, client)) = socket.recv_from(&mut buffer).await {
            for reply in behaviour(&buffer[..bytes]) {
                let _ = socket.send_to(&reply, client).await;
            }
        }
    });
    address
}

/// An address where nobody listens.
async fn nobody() -> String {
    UdpSocket::bind("127.0.0.1:0").await.expect("socket").local_addr().expect("address").to_string()
}

fn live(recursors: Vec<String>) -> Live {
    let recursor_timeout = Duration::from_millis(200);
    Live::new(Settings { recursors, recursor_timeout, ..settings() }).expect("settings")
}

async fn ask(recursors: Vec<String>) -> Option<Vec<u8>> {
    let packet = packet(4711);
    let request = codec::request(&packet).expect("request");
    forward(&live(recursors), &request, &packet, Transport::Udp).await
}

#[tokio::test]
async fn an_answer_is_relayed_as_it_came() {
    let good = recursor(|request| vec![reply_to(request, Rcode::NoError)]).await;
    assert_eq!(ask(vec![good]).await, Some(reply_to(&packet(4711), Rcode::NoError)));
}

#[tokio::test]
async fn that_a_name_does_not_exist_is_an_answer() {
    let knowing = recursor(|request| vec![reply_to(request, Rcode::NxDomain)]).await;
    assert_eq!(ask(vec![knowing]).await, Some(reply_to(&packet(4711), Rcode::NxDomain)));
}

#[tokio::test]
async fn the_next_is_asked_when_one_fails() {
    let failing = recursor(|request| vec![reply_to(request, Rcode::ServFail)]).await;
    let silent = recursor(|_| vec![]).await;
    let garbled = recursor(|request| vec![[&reply_to(request, Rcode::NoError)[..40], b"\xff"].concat()]).await;
    let good = recursor(|request| vec![reply_to(request, Rcode::NoError)]).await;
    let all = vec![nobody().await, failing, silent, garbled, good];
    assert_eq!(ask(all).await, Some(reply_to(&packet(4711), Rcode::NoError)));
}

#[tokio::test]
async fn without_any_answer_there_is_none() {
    let refusing = recursor(|request| vec![reply_to(request, Rcode::Refused)]).await;
    assert_eq!(ask(vec![refusing, nobody().await]).await, None);
    assert_eq!(ask(vec![]).await, None);
}

#[tokio::test]
async fn replies_to_others_are_ignored() {
    let stuttering = recursor(|request| {
        let mut foreign = reply_to(request, Rcode::NxDomain);
        foreign[0] ^= 0xff;
        vec![b"x".to_vec(), foreign, reply_to(request, Rcode::NoError)]
    });
    assert_eq!(ask(vec![stuttering.await]).await, Some(reply_to(&packet(4711), Rcode::NoError)));
}

#[tokio::test]
async fn tcp_is_asked_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("recursor");
    let address = listener.local_addr().expect("address").to_string();
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("connection");
        let mut request = vec![0; usize::from(stream.read_u16().await.expect("length"))];
        stream.read_exact(&mut request).await.expect("request");
        let frame = framed(&reply_to(&request, Rcode::NoError)).expect("frame");
        stream.write_all(&frame).await.expect("reply");
    });
    let mut packet = packet(12);
    let length = packet.len();
    packet.extend(b"trailing");
    let request = codec::request(&packet).expect("request");
    let got = forward(&live(vec![address]), &request, &packet, Transport::Tcp).await;
    assert_eq!(got, Some(reply_to(&packet[..length], Rcode::NoError)));
    serve.await.expect("recursor");
}

#[tokio::test]
async fn addresses_of_names_come_from_the_first_that_replies() {
    let good = recursor(|request| vec![reply_to(request, Rcode::NoError)]).await;
    let name = Name::new("www.ext.test");
    let got = addresses_of(&live(vec![nobody().await, good.clone()]), &name).await;
    assert_eq!(show(&got), ["www.ext.test. 88 A 10.9.8.1"]);
    // A reply that is an error is a reply too.
    let failing = recursor(|request| vec![reply_to(request, Rcode::ServFail)]).await;
    assert!(addresses_of(&live(vec![failing, good]), &name).await.is_empty());
    assert!(addresses_of(&live(vec![]), &name).await.is_empty());
}
