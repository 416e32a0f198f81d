//! Network coordinates.

use std::collections::BTreeMap;
use std::sync::Arc;

use gossip::Gossip;
use state::Topic;
use types::coordinate::DIMENSIONS;
use types::method::{
    CoordinateListDatacenters, CoordinateListNodes, CoordinateNode, CoordinateUpdateOne, DatacenterMap,
    DatacenterRequest, Indexed, NodeRequest,
};
use types::server_info::ServerInfo;
use types::{Coordinate, CoordinateEntry, CoordinateUpdate, RpcError};

use crate::server::{Handle, Server};

/// Area of the servers of all datacenters.
const WAN_AREA: &str = "wan";

impl Handle<CoordinateUpdateOne> for Server {
    async fn handle(&self, request: CoordinateUpdate) -> Result<(), RpcError> {
        self.shared.check_datacenter(&request.datacenter)?;
        let Some(coordinate) = &request.coord else { return Err(RpcError::other("must provide a coordinate (Coord)")) };
        if !coordinate.is_valid() {
            return Err(RpcError::other("invalid coordinate"));
        }
        if coordinate.vec.len() != DIMENSIONS {
            return Err(RpcError::other("incompatible coordinate"));
        }
        self.shared.check_leader()?;
        let place = (request.node.to_lowercase(), request.segment.clone());
        self.shared.coordinates.lock().insert(place, request);
        Ok(())
    }
}

impl Handle<CoordinateListDatacenters> for Server {
    async fn handle(&self, (): ()) -> Result<Vec<DatacenterMap>, RpcError> {
        let config = &self.shared.config;
        let entry =
            |node: &str, coord| CoordinateEntry { node: node.to_owned(), segment: String::new(), coord: Some(coord) };
        let mut maps: BTreeMap<String, Vec<CoordinateEntry>> = BTreeMap::new();
        for member in self.shared.members.wan().map(Gossip::members).iter().flat_map(|members| members.iter()) {
            let Some(info) = ServerInfo::from_tags(&member.name, member.address, &member.tags) else { continue };
            let coordinate = self.shared.members.wan().and_then(|wan| wan.coordinate_of(&member.name));
            let coordinate = coordinate.unwrap_or_else(Coordinate::origin);
            maps.entry(info.datacenter).or_default().push(entry(&info.short_name, coordinate));
        }
        // Without a pool of servers this one is all there is.
        maps.entry(config.datacenter.clone()).or_insert_with(|| vec![entry(&config.node_name, Coordinate::origin())]);
        let maps = maps.into_iter().map(|(datacenter, coordinates)| DatacenterMap {
            datacenter,
            area_id: WAN_AREA.to_owned(),
            coordinates,
        });
        Ok(maps.collect())
    }
}

impl Handle<CoordinateListNodes> for Server {
    async fn handle(&self, request: DatacenterRequest) -> Result<Indexed<Vec<CoordinateEntry>>, RpcError> {
        self.shared.read(&request.options, || vec![Topic::coordinates()], |s| owned(s.coordinates())).await
    }
}

impl Handle<CoordinateNode> for Server {
    async fn handle(&self, request: NodeRequest) -> Result<Indexed<Vec<CoordinateEntry>>, RpcError> {
        let node = &request.node;
        self.shared
            .read(&request.options, || vec![Topic::node_coordinates(node)], |s| owned(s.node_coordinates(node)))
            .await
    }
}

fn owned((index, entries): (u64, Vec<Arc<CoordinateEntry>>)) -> (u64, Vec<CoordinateEntry>) {
    (index, entries.iter().map(|entry| CoordinateEntry::clone(entry)).collect())
}
