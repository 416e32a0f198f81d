//! The machine as the configuration sees it: host name, addresses, limits and environment variables.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What loading a configuration needs from the machine. A plain value, so that a test can describe any machine.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The host's name, or why it could not be read.
    pub hostname: Result<String, String>,
    /// Every address of every network interface, in the kernel's order.
    pub interfaces: Vec<InterfaceAddress>,
    /// Name of the interface of the default route.
    pub default_interface: Option<String>,
    /// Most file descriptors the process may have open (hard limit); `None` is unlimited.
    pub max_open_files: Option<u64>,
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// Directory that relative paths start from; empty for the process's own.
    pub working_dir: PathBuf,
    /// The host's own UUID, where it has one.
    pub host_uuid: Option<String>,
}

/// One address of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Name of the interface.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// Length of the network prefix in bits.
    pub prefix_bits: u8,
    /// Flags of the interface.
    pub flags: InterfaceFlags,
}

/// Flags of a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InterfaceFlags {
    /// Administratively up.
    pub up: bool,
    /// Supports broadcast.
    pub broadcast: bool,
    /// Loopback.
    pub loopback: bool,
    /// Point-to-point link.
    pub point_to_point: bool,
    /// Supports multicast.
    pub multicast: bool,
}

impl Environment {
    /// This machine, now.
    pub fn system() -> Environment {
        Environment {
            hostname: system_hostname(),
            interfaces: system_interfaces(),
            default_interface: default_interface(),
            max_open_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            working_dir: PathBuf::new(),
            host_uuid: host_uuid(),
        }
    }

    /// A path as the process must open it.
    pub(crate) fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        self.working_dir.join(path)
    }
}

fn system_hostname() -> Result<String, String> {
    let uname = rustix::system::uname();
    uname.nodename().to_str().map(str::to_owned).map_err(|error| error.to_string())
}

fn system_interfaces() -> Vec<InterfaceAddress> {
    use nix::net::if_::{InterfaceFlags as Flags, if_nametoindex};
    let Ok(addresses) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let mut found: Vec<(u32, InterfaceAddress)> = addresses
        .filter_map(|interface| {
            let address = interface.address.as_ref().and_then(ip_of)?;
            let prefix_bits =
                interface.netmask.as_ref().and_then(ip_of).map_or_else(|| host_bits(address), prefix_length);
            let has = |flag| interface.flags.contains(flag);
            let flags = InterfaceFlags {
                up: has(Flags::IFF_UP),
                broadcast: has(Flags::IFF_BROADCAST),
                loopback: has(Flags::IFF_LOOPBACK),
                point_to_point: has(Flags::IFF_POINTOPOINT),
                multicast: has(Flags::IFF_MULTICAST),
            };
            let index = if_nametoindex(interface.interface_name.as_str()).unwrap_or(u32::MAX);
            Some((index, InterfaceAddress { name: interface.interface_name, address, prefix_bits, flags }))
        })
        .collect();
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, address)| address).collect()
}

fn ip_of(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(IpAddr::V4(v4.ip()));
    }
    address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()))
}

fn host_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn prefix_length(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    u8::try_from(ones).unwrap_or(128)
}

/// The interface whose route in the kernel's IPv4 table has destination and mask zero.
fn default_interface() -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/route").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_default = fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000");
        if is_default { fields.first().map(|name| (*name).to_owned()) } else { None }
    })
}

/// The firmware's UUID, else the machine ID or this boot's ID laid out as one.
fn host_uuid() -> Option<String> {
    let read = |path: &str| {
        let text = std::fs::read_to_string(path).ok()?.trim().to_lowercase();
        (!text.is_empty()).then_some(text)
    };
    read("/sys/class/dmi/id/product_uuid")
        .or_else(|| read("/etc/machine-id"))
        .or_else(|| read("/proc/sys/kernel/random/boot_id"))
        .and_then(|text| uuid::Uuid::parse_str(&text).ok())
        .map(|uuid| uuid.to_string())
}
