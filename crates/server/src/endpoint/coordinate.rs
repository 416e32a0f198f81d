//! Network coordinates.

use std::sync::Arc;

use state::Topic;
use types::coordinate::DIMENSIONS;
use types::method::{
    CoordinateListDatacenters, CoordinateListNodes, CoordinateNode, CoordinateUpdateOne, DatacenterMap,
    DatacenterRequest, Indexed, NodeRequest,
};
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
        let own = CoordinateEntry {
            node: config.node_name.clone(),
            segment: String::new(),
            coord: Some(Coordinate::origin()),
        };
        Ok(vec![DatacenterMap {
            datacenter: config.datacenter.clone(),
            area_id: WAN_AREA.to_owned(),
            coordinates: vec![own],
        }])
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
