//! Reads of catalog and health as doors see them: versions, the mesh, filters, waits.

#![allow(clippy::expect_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::DEADLINE;
use server::Server;
use types::method::{
    CatalogDeregister, CatalogGatewayServices, CatalogListServices, CatalogRegister, CatalogServiceNodes,
    CatalogVirtualIpForService, DatacenterRequest, HealthServiceNodes, Indexed, ServiceRequest,
};
use types::query::{Version, Want};
use types::{
    CheckServiceNode, DeregisterRequest, HealthCheck, NodeService, QueryOptions, QuerySource, RegisterRequest,
};

async fn register(server: &Server, node: &str, service: NodeService) {
    let request = RegisterRequest {
        node: node.to_owned(),
        address: "10.0.0.1".to_owned(),
        node_meta: [("rack".to_owned(), "r1".to_owned())].into(),
        service: Some(service),
        ..RegisterRequest::default()
    };
    server.call::<CatalogRegister>(request).await.expect("a registration");
}

async fn deregister(server: &Server, node: &str, service_id: &str) {
    let request =
        DeregisterRequest { node: node.to_owned(), service_id: service_id.to_owned(), ..DeregisterRequest::default() };
    server.call::<CatalogDeregister>(request).await.expect("a deregistration");
}

fn plain(name: &str, tags: &[&str]) -> NodeService {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    NodeService { service: name.to_owned(), tags, ..NodeService::default() }
}

fn proxy(name: &str, destination: &str) -> NodeService {
    let mut service = NodeService { kind: "connect-proxy".to_owned(), ..plain(name, &[]) };
    service.proxy.destination_service_name = destination.to_owned();
    service
}

fn of(service: &str) -> ServiceRequest {
    ServiceRequest { service: service.to_owned(), ..ServiceRequest::default() }
}

async fn health(server: &Server, request: ServiceRequest) -> Indexed<Vec<CheckServiceNode>> {
    server.call::<HealthServiceNodes>(request).await.expect("a read")
}

fn ids(found: &Indexed<Vec<CheckServiceNode>>) -> Vec<&str> {
    found.value.iter().map(|instance| instance.service.id.as_str()).collect()
}

#[tokio::test]
async fn a_version_is_told_without_the_value() {
    let server = common::start(common::config()).await;
    register(&server, "n1", plain("web", &[])).await;
    let want = |want| QueryOptions { want, ..QueryOptions::default() };
    let told = health(&server, ServiceRequest { options: want(Want::Version), ..of("web") }).await;
    let version = told.meta.version.expect("a version");
    assert_eq!((told.value.len(), version.index), (0, told.meta.index));
    let value = health(&server, ServiceRequest { options: want(Want::Value), ..of("web") }).await;
    assert_eq!((value.value.len(), value.meta.version), (1, Some(version)));
    register(&server, "n2", plain("web", &[])).await;
    let later = health(&server, ServiceRequest { options: want(Want::Answer), ..of("web") }).await;
    assert_eq!(later.value.len(), 2);
    assert!(later.meta.version.is_some_and(|later: Version| later.index > version.index));
    let source = QuerySource { node: "n1".to_owned(), ..QuerySource::default() };
    let sorted = health(&server, ServiceRequest { source, options: want(Want::Version), ..of("web") }).await;
    assert_eq!((sorted.value.len(), sorted.meta.version), (2, None), "distances change without an index");
    server.stop().await;
}

#[tokio::test]
async fn the_mesh_is_looked_up_by_destination() {
    let server = common::start(common::config()).await;
    register(&server, "n1", plain("web", &["a"])).await;
    register(&server, "n1", proxy("web-proxy", "web")).await;
    let mut native = plain("native", &[]);
    native.connect.native = true;
    register(&server, "n2", native).await;
    let cases = [
        (ServiceRequest { connect: true, ..of("WEB") }, vec!["web-proxy"]),
        (ServiceRequest { connect: true, tags: vec!["none".to_owned()], ..of("web") }, vec!["web-proxy"]),
        (ServiceRequest { connect: true, ..of("native") }, vec!["native"]),
        (ServiceRequest { connect: true, ..of("web-proxy") }, vec![]),
        (ServiceRequest { ingress: true, ..of("web") }, vec![]),
        (ServiceRequest { ingress: true, tags: vec!["A".to_owned()], ..of("web") }, vec!["web"]),
        (ServiceRequest { peer_name: "nobody".to_owned(), ..of("web") }, vec![]),
    ];
    for (request, expected) in cases {
        let asked = format!("{request:?}");
        assert_eq!(ids(&health(&server, request.clone()).await), expected, "{asked}");
        if !request.ingress {
            let found = server.call::<CatalogServiceNodes>(request).await.expect("a read");
            let ids: Vec<_> = found.value.iter().map(|instance| instance.service.id.as_str()).collect();
            assert_eq!(ids, expected, "{asked}");
        }
    }
    let behind = server.call::<CatalogGatewayServices>(of("gateway")).await.expect("a read");
    assert_eq!((behind.value.len(), behind.meta.index), (0, 1));
    let address = server.call::<CatalogVirtualIpForService>(of("none")).await.expect("a read");
    assert_eq!(address, "");
    server.stop().await;
}

#[tokio::test]
async fn a_proxy_that_leaves_ends_the_wait_of_those_who_see_it_only() {
    let server = common::start(common::config()).await;
    register(&server, "n1", proxy("proxy", "web")).await;
    register(&server, "n2", proxy("proxy", "web")).await;
    register(&server, "n1", proxy("db-proxy", "db")).await;
    let mesh = |options| ServiceRequest { connect: true, options, ..of("web") };
    let before = health(&server, mesh(QueryOptions::default())).await.meta.index;
    let options = QueryOptions { min_index: before, max_wait: DEADLINE, ..QueryOptions::default() };
    let waiter = {
        let (server, request) = (server.clone(), mesh(options));
        tokio::spawn(async move { health(&server, request).await })
    };
    while server.store().watchers() == 0 {
        tokio::task::yield_now().await;
    }
    deregister(&server, "n1", "db-proxy").await;
    assert!(!waiter.is_finished());
    register(&server, "n2", proxy("proxy", "elsewhere")).await;
    let found = waiter.await.expect("no panic");
    assert_eq!((ids(&found), found.meta.index > before, found.meta.waited), (vec!["proxy"], true, true));
    server.stop().await;
}

#[tokio::test]
async fn names_are_those_of_instances_that_a_filter_keeps() {
    let server = common::start(common::config()).await;
    register(&server, "n1", plain("web", &["a"])).await;
    register(&server, "n2", plain("web", &["b"])).await;
    register(&server, "n2", plain("db", &[])).await;
    let names = async |filter: &str| {
        let options = QueryOptions { filter: filter.to_owned(), ..QueryOptions::default() };
        let request = DatacenterRequest { options, ..DatacenterRequest::default() };
        server.call::<CatalogListServices>(request).await.map(|found| found.value)
    };
    let web = |tags: &[&str]| {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        BTreeMap::from([("web".to_owned(), tags)])
    };
    assert_eq!(names("ServiceName == web").await, Ok(web(&["a", "b"])));
    assert_eq!(names("Node == n1 and ServiceName != consul").await, Ok(web(&["a"])));
    assert_eq!(names("ServiceName == none").await, Ok(BTreeMap::new()));
    let refused = names("Nope == a").await.expect_err("an unknown field").to_string();
    assert_eq!(refused, "Failed to create boolean expression evaluator: Selector \"Nope\" is not valid");
    server.stop().await;
}

#[tokio::test]
async fn ten_thousand_who_wait_for_one_service_wait_for_nothing_else() {
    let server = common::start(common::config()).await;
    register(&server, "n1", plain("web", &[])).await;
    let before = health(&server, of("web")).await.meta.index;
    let options =
        QueryOptions { min_index: before, max_wait: DEADLINE, want: Want::Version, ..QueryOptions::default() };
    let request = Arc::new(ServiceRequest { options, ..of("web") });
    let waiters: Vec<_> = (0..10_000)
        .map(|_| {
            let (server, request) = (server.clone(), Arc::clone(&request));
            tokio::spawn(async move { health(&server, ServiceRequest::clone(&request)).await })
        })
        .collect();
    while server.store().watchers() < waiters.len() {
        tokio::task::yield_now().await;
    }
    register(&server, "n2", plain("db", &[])).await;
    assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
    let check = HealthCheck { name: "up".to_owned(), status: "critical".to_owned(), ..HealthCheck::default() };
    let request = RegisterRequest {
        node: "n1".to_owned(),
        address: "10.0.0.1".to_owned(),
        check: Some(check),
        ..RegisterRequest::default()
    };
    server.call::<CatalogRegister>(request).await.expect("a registration");
    let mut versions = Vec::new();
    for waiter in waiters {
        let found = waiter.await.expect("no panic");
        assert!(found.value.is_empty() && found.meta.index > before);
        versions.push(found.meta.version.expect("a version"));
    }
    versions.dedup();
    assert_eq!(versions.len(), 1, "all see the same version");
    server.stop().await;
}
