//! Datagrams in batches: `recvmmsg` and `sendmmsg`, and the local address a datagram was sent to.
//!
//! A socket bound to every address must reply from the one that was asked (RFC 2181 §4.1); such a socket tells it.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use nix::libc;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmsg, setsockopt,
};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Datagrams received or sent at once.
const BATCH: usize = 32;
/// The largest datagram.
const DATAGRAM_MAX_BYTES: usize = 65_535;

/// Where a datagram was sent to.
#[derive(Clone, Copy, Debug)]
pub(super) enum LocalAddress {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

/// A datagram that came.
pub(super) struct Datagram<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) client: SocketAddr,
    /// Set when the socket tells it.
    pub(super) local: Option<LocalAddress>,
}

/// A datagram that goes.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    pub(super) client: SocketAddr,
    pub(super) local: Option<LocalAddress>,
}

/// Lets the socket tell where each datagram was sent to.
pub(super) fn announce_local_address(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => setsockopt(socket, Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

/// Room for a batch of datagrams.
pub(super) struct Inbox {
    /// One datagram after another; pages of it that were never written take no memory.
    buffer: Vec<u8>,
    received: Vec<Received>,
    tells_local_address: bool,
}

struct Received {
    bytes: usize,
    client: Option<SocketAddr>,
    local: Option<LocalAddress>,
}

impl Inbox {
    pub(super) fn new(tells_local_address: bool) -> Inbox {
        let buffer = vec![0; BATCH * DATAGRAM_MAX_BYTES];
        Inbox { buffer, received: Vec::with_capacity(BATCH), tells_local_address }
    }

    /// Takes what the socket has, up to a batch; replaces what was there.
    pub(super) fn receive(&mut self, fd: RawFd) -> io::Result<()> {
        self.received.clear();
        let control = self.tells_local_address.then(|| nix::cmsg_space!(libc::in6_pktinfo));
        // Made anew each time: the kernel writes lengths into it, and it cannot move between threads.
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, control);
        let mut slices: Vec<_> =
            self.buffer.chunks_exact_mut(DATAGRAM_MAX_BYTES).map(|chunk| [IoSliceMut::new(chunk)]).collect();
        let messages = recvmmsg(fd, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        for message in messages {
            let local = match self.tells_local_address {
                true => message.cmsgs().ok().and_then(|mut controls| controls.find_map(local_address)),
                false => None,
            };
            let client = message.address.as_ref().and_then(socket_address);
            self.received.push(Received { bytes: message.bytes, client, local });
        }
        Ok(())
    }

    /// How many datagrams there are.
    pub(super) fn len(&self) -> usize {
        self.received.len()
    }

    /// One of them.
    pub(super) fn get(&self, index: usize) -> Option<Datagram<'_>> {
        let received = self.received.get(index)?;
        let start = index * DATAGRAM_MAX_BYTES;
        let bytes = self.buffer.get(start..start + received.bytes)?;
        // One without a sender cannot be answered; nothing in it then can either.
        let client = received.client.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        Some(Datagram { bytes, client, local: received.local })
    }
}

fn local_address(control: ControlMessageOwned) -> Option<LocalAddress> {
    match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(LocalAddress::V4(info)),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(LocalAddress::V6(info)),
        _ => None,
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(IpAddr::V4(v4.ip()), v4.port()));
    }
    // With its scope, without which a link-local client cannot be reached.
    address.as_sockaddr_in6().map(|v6| SocketAddr::from(*v6))
}

/// Sends datagrams; one that cannot be sent is left out.
pub(super) async fn send(socket: &UdpSocket, mut outgoing: &[Outgoing]) {
    while let Some(first) = outgoing.first() {
        let fd = socket.as_raw_fd();
        let sent = match first.local {
            None => socket.async_io(Interest::WRITABLE, || send_batch(socket, outgoing)).await,
            Some(local) => socket.async_io(Interest::WRITABLE, || send_from(fd, first, local)).await,
        };
        let done = sent.unwrap_or_else(|error| {
            tracing::warn!(target: "agent.dns", error = %error, "failed to respond");
            1
        });
        outgoing = outgoing.get(done.max(1)..).unwrap_or_default();
    }
}

/// Sends as many as the socket takes at once: at least one, or the error of the first.
fn send_batch(socket: &UdpSocket, outgoing: &[Outgoing]) -> io::Result<usize> {
    let batch = outgoing.get(..BATCH).unwrap_or(outgoing);
    let slices: Vec<_> = batch.iter().map(|datagram| [IoSlice::new(&datagram.bytes)]).collect();
    let addresses: Vec<_> = batch.iter().map(|datagram| SocketAddrAny::from(datagram.client)).collect();
    let mut controls: Vec<_> = batch.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let parts = addresses.iter().zip(&slices).zip(&mut controls);
    let mut messages: Vec<_> =
        parts.map(|((address, slice), control)| MMsgHdr::new_with_addr(address, slice, control)).collect();
    Ok(sendmmsg(socket, &mut messages, SendFlags::DONTWAIT)?)
}

/// Sends one from a local address.
fn send_from(fd: RawFd, datagram: &Outgoing, local: LocalAddress) -> io::Result<usize> {
    let slices = [IoSlice::new(&datagram.bytes)];
    let to = SockaddrStorage::from(datagram.client);
    let sent = match local {
        LocalAddress::V4(info) => {
            // The interface is the routing table's affair; only the address is given.
            let info = libc::in_pktinfo { ipi_ifindex: 0, ..info };
            sendmsg(fd, &slices, &[ControlMessage::Ipv4PacketInfo(&info)], MsgFlags::MSG_DONTWAIT, Some(&to))
        }
        LocalAddress::V6(info) => {
            let link_local = Ipv6Addr::from(info.ipi6_addr.s6_addr).is_unicast_link_local();
            let info = libc::in6_pktinfo { ipi6_ifindex: if link_local { info.ipi6_ifindex } else { 0 }, ..info };
            sendmsg(fd, &slices, &[ControlMessage::Ipv6PacketInfo(&info)], MsgFlags::MSG_DONTWAIT, Some(&to))
        }
    };
    Ok(sent.map(|_| 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn receive(socket: &UdpSocket, inbox: &mut Inbox) {
        let fd = socket.as_raw_fd();
        socket.async_io(Interest::READABLE, || inbox.receive(fd)).await.expect("datagrams");
    }

    async fn echo(address: &str, client_address: &str) {
        let server = UdpSocket::bind(address).await.expect("server");
        let tells = server.local_addr().expect("address").ip().is_unspecified();
        if tells {
            announce_local_address(&server).expect("option");
        }
        let port = server.local_addr().expect("address").port();
        let client = UdpSocket::bind((client_address, 0)).await.expect("client");
        client.connect((client_address, port)).await.expect("connect");
        let mut inbox = Inbox::new(tells);
        for round in 0..3_u8 {
            for index in 0..40_u8 {
                client.send(&[round, index]).await.expect("request");
            }
            let mut echoed = 0;
            while echoed < 40 {
                receive(&server, &mut inbox).await;
                let outgoing: Vec<_> = (0..inbox.len())
                    .map(|index| inbox.get(index).expect("datagram"))
                    .map(|d| Outgoing { bytes: d.bytes.to_vec(), client: d.client, local: d.local })
                    .collect();
                assert!(!outgoing.is_empty() && outgoing.len() <= BATCH);
                assert!(outgoing.iter().all(|datagram| datagram.local.is_some() == tells));
                send(&server, &outgoing).await;
                echoed += outgoing.len();
            }
            for index in 0..40_u8 {
                let mut buffer = [0; 8];
                let bytes = client.recv(&mut buffer).await.expect("reply");
                assert_eq!(&buffer[..bytes], [round, index]);
            }
        }
    }

    #[tokio::test]
    async fn batches_come_and_go() {
        echo("127.0.0.1:0", "127.0.0.1").await;
    }

    #[tokio::test]
    async fn a_wildcard_socket_replies_from_the_address_that_was_asked() {
        // The client is connected: it would not see a reply from another address.
        echo("0.0.0.0:0", "127.0.0.2").await;
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_left_out() {
        let server = UdpSocket::bind("127.0.0.1:0").await.expect("server");
        let client = UdpSocket::bind("127.0.0.1:0").await.expect("client");
        let to = client.local_addr().expect("address");
        let outgoing = [vec![1; 70_000], vec![2; 3]].map(|bytes| Outgoing { bytes, client: to, local: None });
        send(&server, &outgoing).await;
        let mut buffer = [0; 8];
        assert_eq!(client.recv(&mut buffer).await.expect("reply"), 3);
    }
}
