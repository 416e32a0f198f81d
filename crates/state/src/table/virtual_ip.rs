//! Virtual IPs of mesh services (`docs/spec/rpc-and-state.md` §6.4, §7.4).

use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use types::{NodeService, ServiceAddress};

use crate::key::{self, RowKey};
use crate::map::Map;
use crate::root::Tx;
use crate::snapshot::Snapshot;
use crate::table::service::CONNECT_PROXY;

const VIRTUAL_IPS: &str = "service-virtual-ips";
const IMPORTED_VIRTUAL_IPS: &str = "service-virtual-ips.imported";
/// System metadata that turns assignment on.
const ENABLED: &str = "virtual-ips";
/// Name of the tagged address an instance gets.
const VIRTUAL_TAG: &str = "consul-virtual";
/// What offsets are added to.
const BASE: u32 = 0xf000_0000;
/// 15.255.255.254: the last offset.
const LAST_OFFSET: u32 = 0x0fff_fffe;

#[derive(Clone, Debug, Default)]
pub(crate) struct VirtualIpTable {
    /// (`~` or `peer:<name>`, service).
    rows: Map<RowKey, Arc<VirtualIp>>,
    /// Offsets given back.
    free: Map<u32, ()>,
    /// Highest offset ever assigned, none before the first.
    counter: Option<u32>,
}

/// Record 32.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct VirtualIp {
    #[serde(rename = "Service")]
    pub(crate) service: PeeredService,
    #[serde(rename = "IP")]
    pub(crate) ip: Offset,
    #[serde(rename = "CreateIndex")]
    pub(crate) create_index: u64,
    #[serde(rename = "ModifyIndex")]
    pub(crate) modify_index: u64,
}

/// A service and the peering it is imported from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct PeeredService {
    pub(crate) service_name: ServiceName,
    pub(crate) peer: String,
    /// Shape before 1.13: the name stands here.
    #[serde(skip_serializing)]
    name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct ServiceName {
    pub(crate) name: String,
}

/// Record 33.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct FreeVirtualIp {
    #[serde(rename = "IP")]
    pub(crate) ip: Offset,
    #[serde(rename = "IsCounter")]
    pub(crate) is_counter: bool,
}

/// Distance from 240.0.0.0, spelled as an IPv4-mapped IPv6 address; a plain IPv4 address is read too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offset(pub(crate) u32);

impl Serialize for Offset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&Ipv4Addr::from(self.0).to_ipv6_mapped().octets())
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = wire::msgpack::bytes::deserialize(deserializer)?;
        match bytes.as_slice() {
            [a, b, c, d] | [.., 0xff, 0xff, a, b, c, d] if bytes.len() == 4 || bytes.len() == 16 => {
                Ok(Offset(u32::from_be_bytes([*a, *b, *c, *d])))
            }
            _ => Err(serde::de::Error::custom("a virtual IP must be an IPv4 address")),
        }
    }
}

impl VirtualIpTable {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<VirtualIp>> {
        self.rows.values()
    }

    /// The free offsets and the counter, in the order a snapshot lists them.
    pub(crate) fn free_rows(&self) -> Vec<FreeVirtualIp> {
        let freed = self.free.keys().map(|ip| FreeVirtualIp { ip: Offset(*ip), is_counter: false });
        let counter = self.counter.map(|ip| FreeVirtualIp { ip: Offset(ip), is_counter: true });
        let mut rows: Vec<_> = freed.chain(counter).collect();
        rows.sort_unstable();
        rows
    }

    fn get(&self, peer: &str, service: &str) -> Option<&Arc<VirtualIp>> {
        self.rows.get::<[u8]>(&row_key(peer, service))
    }

    fn take_offset(&mut self) -> Result<u32, String> {
        if let Some((freed, ())) = self.free.get_min().copied() {
            self.free.remove(&freed);
            return Ok(freed);
        }
        let counter = self.counter.unwrap_or(0);
        if counter >= LAST_OFFSET {
            return Err("cannot allocate any more unique service virtual IPs".to_owned());
        }
        self.counter = Some(counter + 1);
        Ok(counter + 1)
    }
}

fn row_key(peer: &str, service: &str) -> Vec<u8> {
    if peer.is_empty() { key::row(&["~", service]) } else { key::row(&[&format!("peer:{peer}"), service]) }
}

fn address(offset: u32) -> Ipv4Addr {
    Ipv4Addr::from(BASE.saturating_add(offset))
}

impl Tx<'_> {
    /// Gives a mesh instance the virtual address of the service it serves, if the cluster has them turned on.
    pub(crate) fn assign_virtual_ip(&mut self, service: &mut NodeService) -> Result<(), String> {
        let of = match service.kind.as_str() {
            CONNECT_PROXY => service.proxy.destination_service_name.clone(),
            _ if service.connect.native => service.service.clone(),
            _ => return Ok(()),
        };
        if of.is_empty() || !self.root.metadata.is_on(ENABLED) {
            return Ok(());
        }
        let offset = match self.root.virtual_ips.get(&service.peer_name, &of) {
            Some(assigned) => assigned.ip.0,
            None => self.add_virtual_ip(&service.peer_name, of)?,
        };
        let virtual_address = ServiceAddress { address: address(offset).to_string(), port: service.port };
        service.tagged_addresses.insert(VIRTUAL_TAG.to_owned(), virtual_address);
        Ok(())
    }

    fn add_virtual_ip(&mut self, peer: &str, name: String) -> Result<u32, String> {
        let offset = self.root.virtual_ips.take_offset()?;
        let service = PeeredService { service_name: ServiceName { name }, peer: peer.to_owned(), name: String::new() };
        let row = VirtualIp { service, ip: Offset(offset), create_index: self.index, modify_index: self.index };
        self.put_virtual_ip(row);
        Ok(offset)
    }

    fn put_virtual_ip(&mut self, row: VirtualIp) {
        self.note_virtual_ip(&row.service.peer, row.modify_index);
        let at = row_key(&row.service.peer, &row.service.service_name.name);
        self.root.virtual_ips.rows.insert(at.into(), Arc::new(row));
    }

    fn note_virtual_ip(&mut self, peer: &str, at: u64) {
        self.raise(VIRTUAL_IPS, at);
        if !peer.is_empty() {
            self.raise(IMPORTED_VIRTUAL_IPS, at);
        }
    }

    /// Takes back the address of a service whose last instance is gone.
    pub(crate) fn free_virtual_ip(&mut self, peer: &str, service: &str) {
        let Some(row) = self.root.virtual_ips.rows.remove::<[u8]>(&row_key(peer, service)) else { return };
        self.root.virtual_ips.free.insert(row.ip.0, ());
        self.note_virtual_ip(peer, self.index);
    }

    pub(crate) fn restore_virtual_ip(&mut self, mut row: VirtualIp) {
        if row.service.service_name.name.is_empty() {
            row.service.service_name.name = std::mem::take(&mut row.service.name);
        }
        self.put_virtual_ip(row);
    }

    pub(crate) fn restore_free_virtual_ip(&mut self, row: FreeVirtualIp) {
        if row.is_counter {
            self.root.virtual_ips.counter = Some(row.ip.0);
        } else {
            self.root.virtual_ips.free.insert(row.ip.0, ());
        }
    }
}

/// Reads of virtual IPs.
impl Snapshot {
    /// The virtual address of a service, if it has one. Index: of all virtual addresses.
    pub fn virtual_ip(&self, peer: &str, service: &str) -> (u64, Option<Ipv4Addr>) {
        let row = self.root.virtual_ips.get(peer, service);
        (self.root.indexes.get(VIRTUAL_IPS), row.map(|row| address(row.ip.0)))
    }
}
