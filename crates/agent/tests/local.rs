//! Services and checks of an agent, from registration to the catalog of a real server.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::server::{Server, ServerConfig, test_support};
use agent::{
    Agent, AgentError, CheckSettings, Identity, KeptSettings, LocalError, LocalSettings, Pools, Servers, Source,
};
use config::{CheckDefinition, CheckSpec, ServiceCheck, ServiceDefinition};
use tokio_util::sync::CancellationToken;
use types::method::{CatalogDeregister, CatalogNodeServices, CatalogRegister, HealthNodeChecks, NodeRequest};
use types::{CheckStatus, DeregisterRequest, HealthCheck, NodeService, QueryOptions, RegisterRequest};

/// Nothing here takes longer, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const NODE: &str = "one";
const NODE_ID: &str = "6fb2c1a0-40ad-4f6b-a50a-9a31a26b6e4e";

fn settings(data_dir: Option<&Path>, services: Vec<ServiceDefinition>) -> LocalSettings {
    LocalSettings {
        data_dir: data_dir.map(Path::to_owned),
        checks: CheckSettings::default(),
        tls: Default::default(),
        advertise: [127, 0, 0, 1].into(),
        node_tagged_addresses: Default::default(),
        expose_ports: 21500..21755,
        services,
        check_definitions: Vec::new(),
    }
}

async fn try_start(settings: LocalSettings) -> Result<Arc<Agent>, AgentError> {
    let identity = Identity {
        node_name: NODE.to_owned(),
        node_id: NODE_ID.to_owned(),
        datacenter: "dc1".to_owned(),
        node_meta: Default::default(),
        advertise: [127, 0, 0, 1].into(),
        server: true,
        bootstrap: true,
        disable_remote_exec: true,
        disable_coordinates: true,
    };
    let config = ServerConfig {
        node_name: NODE.to_owned(),
        node_id: NODE_ID.parse().unwrap(),
        session_ttl_min: Duration::from_secs(10),
        ..test_support::config()
    };
    let stopping = CancellationToken::new();
    let fabric = test_support::fabric(&config, &stopping).await;
    let pools = Pools { lan: fabric.lan.clone(), wan: None };
    let server = Server::start(config, fabric, stopping.clone()).await.unwrap();
    let started = Agent::start(
        identity,
        Servers::Here(server.clone()),
        pools,
        settings,
        KeptSettings::default(),
        stopping.clone(),
    );
    if started.is_err() {
        stopping.cancel();
        server.stop().await;
    }
    started
}

async fn start(data_dir: Option<&Path>) -> Arc<Agent> {
    try_start(settings(data_dir, Vec::new())).await.unwrap()
}

fn service(name: &str) -> ServiceDefinition {
    let check = ServiceCheck { id: String::new(), spec: ttl() };
    ServiceDefinition { name: name.to_owned(), port: 80, checks: vec![check], ..ServiceDefinition::default() }
}

fn ttl() -> CheckSpec {
    CheckSpec { ttl: Duration::from_secs(3600), ..CheckSpec::default() }
}

fn request() -> NodeRequest {
    NodeRequest { node: NODE.to_owned(), options: QueryOptions::default() }
}

async fn catalog_services(agent: &Agent) -> Vec<Arc<NodeService>> {
    let found = agent.call::<CatalogNodeServices>(request()).await.unwrap().value;
    found.map(|node| node.services).unwrap_or_default().into_iter().filter(|s| s.id != "consul").collect()
}

async fn catalog_checks(agent: &Agent) -> Vec<Arc<HealthCheck>> {
    let found = agent.call::<HealthNodeChecks>(request()).await.unwrap().value;
    found.into_iter().filter(|check| check.check_id != "serfHealth").collect()
}

fn ids(services: &[Arc<NodeService>]) -> Vec<&str> {
    services.iter().map(|service| service.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_is_in_the_catalog_when_the_call_returns() {
    let agent = start(None).await;
    agent.register_service(service("web"), Source::Api, false).await.unwrap();
    assert_eq!(ids(&catalog_services(&agent).await), ["web"]);
    let checks = catalog_checks(&agent).await;
    assert_eq!((checks[0].check_id.as_str(), checks[0].status.as_str()), ("service:web", "critical"));
    agent.update_ttl("service:web", CheckStatus::Passing, "fine").await.unwrap();
    let checks = catalog_checks(&agent).await;
    assert_eq!((checks[0].status.as_str(), checks[0].output.as_str()), ("passing", "fine"));
    agent.set_node_maintenance(Some(""), "").await;
    assert_eq!(catalog_checks(&agent).await.len(), 2);
    agent.set_node_maintenance(None, "").await;
    agent.deregister_service("web").await.unwrap();
    assert!(catalog_services(&agent).await.is_empty() && catalog_checks(&agent).await.is_empty());
    let unknown = agent.deregister_service("web").await;
    assert_eq!(unknown, Err(LocalError::UnknownService("web".to_owned())));
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_registrations_at_once_all_arrive() {
    let agent = start(None).await;
    let registrations = (0..100).map(|n| {
        let agent = agent.clone();
        async move { agent.register_service(service(&format!("s{n:03}")), Source::Api, false).await }
    });
    let mut running = tokio::task::JoinSet::new();
    registrations.for_each(|registration| drop(running.spawn(registration)));
    while let Some(registered) = running.join_next().await {
        registered.unwrap().unwrap();
    }
    assert_eq!(catalog_services(&agent).await.len(), 100);
    assert_eq!(catalog_checks(&agent).await.len(), 100);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_the_catalog_are_repaired() {
    let agent = start(None).await;
    agent.register_service(service("web"), Source::Api, false).await.unwrap();
    let request =
        DeregisterRequest { node: NODE.to_owned(), service_id: "web".to_owned(), ..DeregisterRequest::default() };
    agent.call::<CatalogDeregister>(request).await.unwrap();
    let foreign = NodeService { id: "foreign".to_owned(), service: "foreign".to_owned(), ..NodeService::default() };
    let request = RegisterRequest {
        node: NODE.to_owned(),
        skip_node_update: true,
        service: Some(foreign),
        ..RegisterRequest::default()
    };
    agent.call::<CatalogRegister>(request).await.unwrap();
    agent.compare_soon();
    let repaired = async {
        let mut index = 0;
        loop {
            let options = QueryOptions { min_index: index, ..QueryOptions::default() };
            let request = NodeRequest { node: NODE.to_owned(), options };
            let found = agent.call::<CatalogNodeServices>(request).await.unwrap();
            index = found.meta.index;
            let services = found.value.unwrap().services;
            if ids(&services) == ["consul", "web"] {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, repaired).await.unwrap();
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn api_registrations_and_results_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let agent = start(Some(dir.path())).await;
    agent.register_service(service("web"), Source::Api, false).await.unwrap();
    agent.register_service(service("gone"), Source::Api, false).await.unwrap();
    let node_check = CheckDefinition { id: "mem".to_owned(), spec: ttl(), ..CheckDefinition::default() };
    agent.register_check(node_check, Source::Api).await.unwrap();
    agent.update_ttl("service:web", CheckStatus::Warning, "hot").await.unwrap();
    agent.set_service_maintenance("web", Some("repairs"), "").await.unwrap();
    agent.deregister_service("gone").await.unwrap();
    agent.stop().await;

    let again = start(Some(dir.path())).await;
    assert_eq!(ids(&again.local().services()), ["web"]);
    let states: Vec<_> = again.local().checks().iter().map(|c| (c.check_id.clone(), c.status.clone())).collect();
    let expected = [("_service_maintenance:web", "critical"), ("mem", "critical"), ("service:web", "warning")];
    assert_eq!(states, expected.map(|(id, status)| (id.to_owned(), status.to_owned())));
    again.stop().await;

    // What the configuration defines wins over what was left, for good.
    let configured = ServiceDefinition { port: 81, checks: Vec::new(), ..service("web") };
    let configured = try_start(settings(Some(dir.path()), vec![configured])).await.unwrap();
    assert_eq!(configured.local().service("web").unwrap().port, 81);
    configured.stop().await;
    let without = start(Some(dir.path())).await;
    assert!(without.local().services().is_empty());
    without.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_replaces_definitions_of_files_and_keeps_results() {
    let dir = tempfile::tempdir().unwrap();
    let agent = try_start(settings(Some(dir.path()), vec![service("a"), service("b")])).await.unwrap();
    agent.register_service(service("api"), Source::Api, false).await.unwrap();
    agent.update_ttl("service:a", CheckStatus::Passing, "alive").await.unwrap();
    let changed = ServiceDefinition { port: 81, ..service("a") };
    agent.reload_definitions(vec![changed, service("c")], Vec::new()).await.unwrap();
    assert_eq!(ids(&agent.local().services()), ["a", "api", "c"]);
    assert_eq!(agent.local().service("a").unwrap().port, 81);
    let check = agent.local().check("service:a").unwrap();
    assert_eq!((check.status.as_str(), check.output.as_str()), ("passing", "alive"));

    let refused = agent.reload_definitions(vec![service("")], Vec::new()).await;
    let text = "Failed to register service \"\": Service name missing";
    assert_eq!(refused, Err(AgentError::Definition(text.to_owned())));
    assert_eq!(ids(&agent.local().services()), ["a", "api", "c"]);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_data_directory_a_reload_forgets_the_api() {
    let agent = try_start(settings(None, vec![service("a")])).await.unwrap();
    agent.register_service(service("api"), Source::Api, false).await.unwrap();
    agent.register_service(ServiceDefinition { port: 81, ..service("a") }, Source::Api, false).await.unwrap();
    agent.set_node_maintenance(Some(""), "").await;
    let mut changes = agent.local().changes();
    changes.mark_unchanged();
    agent.reload_definitions(vec![service("a")], Vec::new()).await.unwrap();
    assert!(changes.has_changed().unwrap() && !agent.local().is_paused());
    assert_eq!(ids(&agent.local().services()), ["a"]);
    assert_eq!(agent.local().service("a").unwrap().port, 80);
    assert_eq!(agent.local().counts().checks, 1);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_definitions_of_files_keep_an_agent_from_starting() {
    let script = CheckSpec { args: vec!["x".to_owned()], interval: Duration::from_secs(9), ..CheckSpec::default() };
    let check = CheckDefinition {
        id: "i".to_owned(),
        spec: CheckSpec { name: "nm".to_owned(), ..script },
        ..CheckDefinition::default()
    };
    let settings = LocalSettings { check_definitions: vec![check], ..settings(None, Vec::new()) };
    let error = try_start(settings).await.err().unwrap();
    let text = "Failed to register check 'nm': Scripts are disabled on this agent; to enable, configure \
                'enable_script_checks' or 'enable_local_script_checks' to true";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_cannot_be_replaced_goes() {
    let agent = start(None).await;
    let check = |spec| CheckDefinition { id: "c".to_owned(), spec, ..CheckDefinition::default() };
    agent.register_check(check(ttl()), Source::Api).await.unwrap();
    let os_service = CheckSpec { os_service: "x".to_owned(), interval: Duration::from_secs(9), ..CheckSpec::default() };
    let refused = agent.register_check(check(os_service), Source::Api).await;
    assert_eq!(refused, Err(LocalError::Refused("not implemented".to_owned())));
    assert_eq!(agent.local().check("c"), None);
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hash_of_a_service_changes_with_it_alone() {
    let agent = start(None).await;
    agent.register_service(service("web"), Source::Api, false).await.unwrap();
    let hash = || agent.local().service_hash("web").map(|(_, hash)| hash);
    let before = hash();
    agent.update_ttl("service:web", CheckStatus::Passing, "").await.unwrap();
    agent.register_service(service("other"), Source::Api, false).await.unwrap();
    agent
        .register_service(ServiceDefinition { checks: Vec::new(), ..service("web") }, Source::Api, true)
        .await
        .unwrap();
    assert_eq!(hash(), before);
    assert!(agent.local().check("service:web").is_none(), "existing checks were to be replaced");
    agent.register_service(ServiceDefinition { port: 81, ..service("web") }, Source::Api, false).await.unwrap();
    assert_ne!(hash(), before);
    agent.stop().await;
}
