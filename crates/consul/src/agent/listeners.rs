//! The sockets of the HTTP API.

use std::net::SocketAddr;
use std::sync::Arc;

use config::{ListenerAddress, RuntimeConfig, UnixSockets};
use http_api::{Listener, Socket, UnixSocket};
use nix::unistd::User;
use rustls::ServerConfig;
use tokio::net::TcpSocket;

use super::start_error::StartError;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Binds every TCP socket; Unix sockets are bound by the door itself.
pub(super) fn bind(config: &RuntimeConfig, https: Arc<ServerConfig>) -> Result<Vec<Listener>, StartError> {
    let plain = config.http.addresses.iter().map(|address| (address, None));
    let tls = config.http.https_addresses.iter().map(|address| (address, Some(https.clone())));
    plain
        .chain(tls)
        .map(|(address, tls)| {
            let socket = match address {
                ListenerAddress::Tcp(address) => Socket::Tcp(bind_tcp(*address)?),
                ListenerAddress::Unix(path) => Socket::Unix(unix_socket(path.clone(), &config.unix_sockets)?),
            };
            Ok(Listener { socket, tls })
        })
        .collect()
}

fn bind_tcp(address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Lets a restarted agent have its port back at once.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    bound().map_err(|error: std::io::Error| StartError::Listen {
        network: "tcp",
        address: address.to_string(),
        cause: cause(&error),
    })
}

/// Why a socket cannot be had, in the words of Go's runtime.
pub(super) fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

fn unix_socket(path: std::path::PathBuf, settings: &UnixSockets) -> Result<UnixSocket, StartError> {
    let fault = |cause: String| StartError::Listen { network: "unix", address: path.display().to_string(), cause };
    let user = match settings.user.as_str() {
        "" => None,
        user => Some(user_id(user).ok_or_else(|| fault(format!("unknown user {user}")))?),
    };
    let group = match settings.group.as_str() {
        "" => None,
        group => Some(group.parse().map_err(|_| fault(format!("invalid group specified: {group}")))?),
    };
    let mode = match settings.mode.as_str() {
        "" => None,
        mode => Some(u32::from_str_radix(mode, 8).map_err(|_| fault(format!("invalid mode: {mode}")))?),
    };
    Ok(UnixSocket { path, user, group, mode })
}

/// A user by number or by name.
fn user_id(user: &str) -> Option<u32> {
    if let Ok(id) = user.parse() {
        return Some(id);
    }
    User::from_name(user).ok().flatten().map(|found| found.uid.as_raw())
}
