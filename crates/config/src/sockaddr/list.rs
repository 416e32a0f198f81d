//! Interface addresses with their networks: attributes, order, arithmetic.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rfc;
use crate::environment::{Environment, InterfaceFlags};

/// One interface address a template works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addr {
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
    pub(crate) prefix_bits: u32,
    pub(crate) flags: InterfaceFlags,
    /// On the interface of the default route.
    pub(crate) is_default: bool,
}

/// A network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) base: IpAddr,
    pub(crate) prefix_bits: u32,
}

impl Network {
    /// Reads `address/bits`, or an address as a network of itself.
    pub(crate) fn parse(text: &str) -> Option<Network> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?),
            None => {
                let address: IpAddr = text.parse().ok()?;
                (address, width(address))
            }
        };
        (bits <= width(address))
            .then(|| Network { base: from_bits(to_bits(address) & mask(address, bits), address), prefix_bits: bits })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        self.base.is_ipv4() == address.is_ipv4()
            && to_bits(address) & mask(address, self.prefix_bits) == to_bits(self.base)
    }
}

impl Addr {
    /// Every address of the machine, in the kernel's order.
    pub(crate) fn all(env: &Environment) -> Vec<Addr> {
        let all = env.interfaces.iter().map(|interface| Addr {
            name: interface.name.clone(),
            ip: interface.address,
            prefix_bits: u32::from(interface.prefix_bits).min(width(interface.address)),
            flags: interface.flags,
            is_default: env.default_interface.as_deref() == Some(interface.name.as_str()),
        });
        all.collect()
    }

    pub(crate) fn is_private(&self) -> bool {
        rfc::contains(rfc::PRIVATE, self.ip) == Some(true)
    }

    /// Whether the named flag holds; `None` for an unknown flag.
    pub(crate) fn has_flag(&self, flag: &str) -> Option<bool> {
        let holds = match flag {
            "broadcast" => self.flags.broadcast,
            "down" => !self.flags.up,
            "forwardable" => rfc::is_forwardable(self.ip),
            "global unicast" => is_global_unicast(self.ip),
            "interface-local multicast" => multicast_scope(self.ip) == Some(1),
            "link-local multicast" => is_link_local_multicast(self.ip),
            "link-local unicast" => is_link_local(self.ip),
            "loopback" => self.flags.loopback,
            "multicast" => self.flags.multicast,
            "point-to-point" => self.flags.point_to_point,
            "unspecified" => self.ip.is_unspecified(),
            "up" => self.flags.up,
            _ => return None,
        };
        Some(holds)
    }

    /// The address with its network, as the reference prints it: the prefix only where it is not the whole address.
    pub(crate) fn show(&self) -> String {
        if self.prefix_bits == width(self.ip) {
            self.ip.to_string()
        } else {
            format!("{}/{}", self.ip, self.prefix_bits)
        }
    }

    /// A named attribute; `None` for a name that does not exist.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let bits = to_bits(self.ip);
        let first = bits & mask(self.ip, self.prefix_bits);
        let last = first | !mask(self.ip, self.prefix_bits) & full(self.ip);
        let size_bits = width(self.ip) - self.prefix_bits;
        let show = |bits| from_bits(bits, self.ip).to_string();
        let text = match name {
            "address" | "host" => self.ip.to_string(),
            "binary" if self.ip.is_ipv4() => format!("{bits:032b}"),
            "binary" => format!("{bits:0128b}"),
            "first_usable" if self.ip.is_ipv4() && size_bits > 1 => show(first + 1),
            "first_usable" => show(first),
            "last_usable" if self.ip.is_ipv4() && size_bits > 1 => show(last - 1),
            "last_usable" => show(last),
            "hex" if self.ip.is_ipv4() => format!("{bits:08x}"),
            "hex" => format!("{bits:032x}"),
            "mask_bits" => self.prefix_bits.to_string(),
            "netmask" if self.ip.is_ipv4() => show(mask(self.ip, self.prefix_bits)),
            "netmask" => format!("{:032x}", mask(self.ip, self.prefix_bits)),
            "network" if size_bits == 0 => show(first),
            "network" => format!("{}/{}", show(first), self.prefix_bits),
            "octets" => {
                let octets: Vec<String> = match self.ip {
                    IpAddr::V4(ip) => ip.octets().iter().map(u8::to_string).collect(),
                    IpAddr::V6(ip) => ip.octets().iter().map(u8::to_string).collect(),
                };
                octets.join(" ")
            }
            "port" => "0".to_owned(),
            "size" if size_bits == 128 => "340282366920938463463374607431768211456".to_owned(),
            "size" => (1_u128 << size_bits).to_string(),
            "string" => self.show(),
            "type" => if self.ip.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
            "broadcast" if self.ip.is_ipv4() => show(last),
            "uint32" if self.ip.is_ipv4() => bits.to_string(),
            "uint128" if self.ip.is_ipv6() => bits.to_string(),
            "broadcast" | "uint32" | "uint128" | "path" => String::new(),
            "name" => self.name.clone(),
            "flags" => self.flag_names(),
            _ => return None,
        };
        Some(text)
    }

    fn flag_names(&self) -> String {
        let names = [
            (self.flags.up, "up"),
            (self.flags.broadcast, "broadcast"),
            (self.flags.loopback, "loopback"),
            (self.flags.point_to_point, "pointtopoint"),
            (self.flags.multicast, "multicast"),
        ];
        let set: Vec<&str> = names.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
        if set.is_empty() { "0".to_owned() } else { set.join("|") }
    }

    /// The address moved by an offset that wraps within its family.
    pub(crate) fn offset_address(&self, offset: i128) -> Addr {
        Addr { ip: from_bits(add(to_bits(self.ip), offset) & full(self.ip), self.ip), ..self.clone() }
    }

    /// The n-th address of the network; a negative offset counts from its end.
    pub(crate) fn offset_network(&self, offset: i128) -> Addr {
        let host_mask = !mask(self.ip, self.prefix_bits) & full(self.ip);
        let first = to_bits(self.ip) & mask(self.ip, self.prefix_bits);
        let start = if offset < 0 { host_mask.wrapping_add(1) & full(self.ip) } else { 0 };
        Addr { ip: from_bits(first | add(start, offset) & host_mask, self.ip), ..self.clone() }
    }

    /// The first address of the network of this many bits; a negative count is taken from the end.
    pub(crate) fn masked(&self, bits: i128) -> Addr {
        let width = i128::from(width(self.ip));
        let bits = u32::try_from(if bits < 0 { width + bits } else { bits }.clamp(0, width)).unwrap_or(0);
        Addr { ip: from_bits(to_bits(self.ip) & mask(self.ip, bits), self.ip), prefix_bits: bits, ..self.clone() }
    }

    /// Order by one sort key; `None` for a key that does not exist.
    pub(crate) fn compare(&self, other: &Addr, key: &str) -> Option<Ordering> {
        let same_family = self.ip.is_ipv4() == other.ip.is_ipv4();
        let order = match key {
            "address" if same_family => to_bits(self.ip).cmp(&to_bits(other.ip)),
            "size" if same_family => self.prefix_bits.cmp(&other.prefix_bits),
            "address" | "size" | "port" => Ordering::Equal,
            "default" => other.is_default.cmp(&self.is_default),
            "name" => self.name.cmp(&other.name),
            "private" => other.is_private().cmp(&self.is_private()),
            "type" => self.ip.is_ipv6().cmp(&other.ip.is_ipv6()),
            _ => return None,
        };
        Some(order)
    }
}

/// Networks whose addresses count as private when the advertise address is looked for (`docs/spec/config.md` §4.3).
pub(crate) fn is_private_v4(ip: Ipv4Addr) -> bool {
    const PRIVATE: &[&str] = &[
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
    ];
    PRIVATE.iter().filter_map(|text| Network::parse(text)).any(|network| network.contains(IpAddr::V4(ip)))
}

/// The IPv6 counterpart of [`is_private_v4`].
pub(crate) fn is_private_v6(ip: Ipv6Addr) -> bool {
    const PRIVATE: &[&str] = &["::1/128", "fe80::/10", "fc00::/7", "fec0::/10", "2001:db8::/32"];
    PRIVATE.iter().filter_map(|text| Network::parse(text)).any(|network| network.contains(IpAddr::V6(ip)))
}

fn width(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn full(ip: IpAddr) -> u128 {
    if ip.is_ipv4() { u128::from(u32::MAX) } else { u128::MAX }
}

fn mask(ip: IpAddr, bits: u32) -> u128 {
    let host_bits = width(ip) - bits.min(width(ip));
    full(ip).checked_shr(host_bits).and_then(|ones| ones.checked_shl(host_bits)).unwrap_or(0)
}

fn to_bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn from_bits(bits: u128, family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits & full(family)).unwrap_or(0))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

fn add(bits: u128, offset: i128) -> u128 {
    bits.wrapping_add(offset.cast_unsigned())
}

fn multicast_scope(ip: IpAddr) -> Option<u8> {
    match ip {
        IpAddr::V6(ip) if ip.is_multicast() => Some(ip.octets()[1] & 0x0f),
        _ => None,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is_link_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(_) => multicast_scope(ip) == Some(2),
    }
}

fn is_global_unicast(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !broadcast && !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !is_link_local(ip)
}
