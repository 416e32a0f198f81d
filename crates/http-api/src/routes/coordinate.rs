//! `/v1/coordinate/` (`docs/spec/http-api.md` §9).

use http::StatusCode;
use serde::{Deserialize, Serialize};
use types::method::{
    CoordinateListDatacenters, CoordinateListNodes, CoordinateNode, CoordinateUpdateOne, DatacenterRequest, NodeRequest,
};
use types::{Coordinate, CoordinateEntry, CoordinateUpdate};

use super::ask;
use super::body::{Dropped, decode};
use crate::params::Enterprise;
use crate::pipeline::Call;
use crate::reply::{Answer, Failure, Reply, metadata};

fn refuse_disabled(call: &Call) -> Result<(), Failure> {
    if call.door.settings.disable_coordinates {
        return Err(Failure::new(StatusCode::UNAUTHORIZED, "Coordinate support disabled"));
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DatacenterView<'a> {
    datacenter: &'a str,
    #[serde(rename = "AreaID")]
    area_id: &'a str,
    coordinates: &'a [CoordinateEntry],
}

/// Coordinates of servers, by datacenter.
pub(crate) async fn datacenters(call: &mut Call) -> Answer {
    refuse_disabled(call)?;
    let maps = call.door.agent.call::<CoordinateListDatacenters>(()).await?;
    let views: Vec<_> = maps
        .iter()
        .map(|map| DatacenterView { datacenter: &map.datacenter, area_id: &map.area_id, coordinates: &map.coordinates })
        .collect();
    Reply::json(&views, call.pretty())
}

/// Coordinates of all nodes.
pub(crate) async fn nodes(call: &mut Call) -> Answer {
    refuse_disabled(call)?;
    let options = call.options()?;
    call.refuse_enterprise(Enterprise::Partition)?;
    let token = options.token.clone();
    let request = DatacenterRequest { options, ..DatacenterRequest::default() };
    let reply = ask::<CoordinateListNodes, _>(call, request).await.map_err(Failure::with_zero_metadata)?;
    let entries = of_segment(call, reply.value);
    Ok(Reply::json(&entries, call.pretty())?.with_metadata(&metadata(reply.meta, None, &token)))
}

/// Coordinates of a node, its name spelt as asked.
pub(crate) async fn node(call: &mut Call) -> Answer {
    refuse_disabled(call)?;
    let options = call.options()?;
    call.refuse_enterprise(Enterprise::Partition)?;
    let name = call.argument_text().into_owned();
    let token = options.token.clone();
    let request = NodeRequest { node: name.clone(), options };
    let reply = ask::<CoordinateNode, _>(call, request).await.map_err(Failure::with_zero_metadata)?;
    let mut entries = of_segment(call, reply.value);
    if entries.is_empty() {
        return Ok(Reply::status(StatusCode::NOT_FOUND));
    }
    for entry in &mut entries {
        entry.node.clone_from(&name);
    }
    Ok(Reply::json(&entries, call.pretty())?.with_metadata(&metadata(reply.meta, None, &token)))
}

fn of_segment(call: &Call, mut entries: Vec<CoordinateEntry>) -> Vec<CoordinateEntry> {
    if call.query.has("segment") {
        let segment = call.query.text("segment");
        entries.retain(|entry| entry.segment == segment);
    }
    entries
}

#[derive(Deserialize, Default)]
#[serde(default, rename = "CoordinateUpdateRequest", rename_all = "PascalCase")]
#[allow(dead_code, reason = "see Dropped")]
struct UpdateBody {
    datacenter: String,
    node: String,
    segment: String,
    coord: Option<Coordinate>,
    token: Dropped,
}

/// Reports a node's coordinate.
pub(crate) async fn update(call: &mut Call) -> Answer {
    refuse_disabled(call)?;
    let bytes = call.read_body().await?;
    let body: UpdateBody = decode(&bytes)?;
    call.refuse_enterprise(Enterprise::Both)?;
    if body.coord.is_none() {
        return Err(Failure::bad_request("Must provide a coordinate (Coord)"));
    }
    let asked = call.datacenter();
    let request = CoordinateUpdate {
        datacenter: if asked.is_empty() { body.datacenter } else { asked },
        node: body.node,
        segment: body.segment,
        coord: body.coord,
        token: call.token(),
    };
    call.door.agent.call::<CoordinateUpdateOne>(request).await?;
    Ok(Reply::empty())
}
