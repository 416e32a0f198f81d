//! Service discovery: what agents register and report, and what the catalog and health endpoints make of it.

use api::{
    AgentCheckRegistration, AgentServiceRegistration, CatalogDeregistration, CatalogRegistration, HealthCheck,
    QueryOptions, ServiceQuery, WriteOptions, test_support::run,
};

#[test]
fn services_and_checks_are_registered_reported_and_removed() {
    run(async |agent| {
        let client = agent.client()?;
        let (agent, read, write) = (client.agent(), QueryOptions::new(), WriteOptions::new());
        let web = AgentServiceRegistration {
            port: 80,
            tags: vec!["v1".into()],
            meta: [("team".to_owned(), "blue".to_owned())].into(),
            checks: vec![AgentCheckRegistration::ttl("30s")],
            replace_existing_checks: true,
            ..AgentServiceRegistration::new("web")
        };
        agent.register_service(&web, &write).await?;
        let services = agent.services(&read).await?;
        assert_eq!(services.keys().collect::<Vec<_>>(), ["web"]);
        let (service, meta) = agent.service("web", &read).await?;
        assert_eq!((service.port, Some(service.content_hash)), (80, meta.content_hash));

        assert_eq!(agent.health_by_id("web", &read).await?.unwrap().aggregated_status, "critical");
        agent.update_ttl("service:web", "warning", "slow", &write).await?;
        assert_eq!(agent.health_by_id("web", &read).await?.unwrap().aggregated_status, "warning");
        agent.update_ttl("service:web", "passing", "fine", &write).await?;
        let health = agent.health_by_name("web", &read).await?;
        assert_eq!((health.len(), health[0].aggregated_status.as_str()), (1, "passing"));
        assert_eq!(agent.checks(&read).await?["service:web"].output, "fine");
        assert!(agent.health_by_id("none", &read).await?.is_none());
        assert!(agent.health_by_name("none", &read).await?.is_empty());

        let query = ServiceQuery::new("web").tag("v1").passing();
        let mut watch = client.health().watch_service(query, read.clone());
        while watch.changed().await?.0.is_empty() {}
        let (instances, _) = client.health().service("web", &read).await?;
        assert_eq!(instances[0].service.meta["team"], "blue");
        let (rows, _) = client.catalog().service("web", &["v1"], &read).await?;
        assert_eq!((rows[0].service_port, rows[0].service_tags.as_slice()), (80, ["v1".to_owned()].as_slice()));
        assert_eq!(client.catalog().services(&read).await?.0["web"], ["v1"]);

        let check = AgentCheckRegistration { name: "disk".into(), ..AgentCheckRegistration::ttl("30s") };
        agent.register_check(&check, &write).await?;
        agent.deregister_check("disk", &write).await?;
        agent.deregister_service("web", &write).await?;
        let gone = agent.deregister_service("web", &write).await.unwrap_err();
        assert_eq!(gone.status(), Some(404));
        Ok(())
    });
}

#[test]
fn a_local_service_is_followed_by_its_hash() {
    run(async |agent| {
        let agent = agent.client()?.agent();
        let web = |port| AgentServiceRegistration { port, ..AgentServiceRegistration::new("web") };
        agent.register_service(&web(80), &WriteOptions::new()).await?;
        let mut watch = agent.watch_service("web", QueryOptions::new());
        assert_eq!(watch.changed().await?.0.port, 80);
        agent.register_service(&web(81), &WriteOptions::new()).await?;
        assert_eq!(watch.changed().await?.0.port, 81);
        Ok(())
    });
}

#[test]
fn maintenance_is_a_check() {
    run(async |agent| {
        let agent = agent.client()?.agent();
        let (read, write) = (QueryOptions::new(), WriteOptions::new());
        agent.register_service(&AgentServiceRegistration::new("web"), &write).await?;
        agent.enable_node_maintenance("new disk & more", &write).await?;
        agent.enable_service_maintenance("web", "", &write).await?;
        let checks = agent.checks(&read).await?;
        assert_eq!(checks["_node_maintenance"].notes, "new disk & more");
        assert_eq!(checks["_service_maintenance:web"].status, "critical");
        agent.disable_node_maintenance(&write).await?;
        agent.disable_service_maintenance("web", &write).await?;
        assert!(agent.checks(&read).await?.is_empty());
        Ok(())
    });
}

#[test]
fn the_catalog_takes_nodes_directly() {
    run(async |agent| {
        let client = agent.client()?;
        let (catalog, read, write) = (client.catalog(), QueryOptions::new(), WriteOptions::new());
        let registration = CatalogRegistration {
            node: "outside".into(),
            address: "10.0.0.9".into(),
            node_meta: [("rack".to_owned(), "r1".to_owned())].into(),
            service: Some(api::AgentService { service: "legacy".into(), port: 70, ..Default::default() }),
            checks: vec![HealthCheck {
                check_id: "c".into(),
                name: "c".into(),
                status: "passing".into(),
                service_id: "legacy".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        catalog.register(&registration, &write).await?;
        let (nodes, _) = catalog.nodes(&read.clone().node_meta("rack", "r1")).await?;
        assert_eq!((nodes.len(), nodes[0].address.as_str()), (1, "10.0.0.9"));
        let (node, _) = catalog.node("outside", &read).await?;
        assert_eq!(node.unwrap().services["legacy"].port, 70);
        assert_eq!(catalog.node_services("outside", &read).await?.0.services.len(), 1);
        assert!(catalog.node("nobody", &read).await?.0.is_none());
        assert!(catalog.node_services("nobody", &read).await?.0.node.is_none());
        let (filtered, _) = catalog.nodes(&read.clone().filter("Meta.rack == r2")).await?;
        assert!(filtered.is_empty());
        assert_eq!(client.health().checks("legacy", &read).await?.0[0].service_name, "legacy");
        assert_eq!(client.health().node("outside", &read).await?.0.len(), 1);
        assert!(client.health().state("bogus", &read).await.is_err());
        assert_eq!(catalog.datacenters().await?, ["dc1"]);
        assert!(catalog.connect("legacy", &read).await?.0.is_empty());
        assert!(catalog.gateway_services("none", &read).await?.0.is_empty());
        let node = CatalogDeregistration { node: "outside".into(), ..Default::default() };
        catalog.deregister(&node, &write).await?;
        assert!(catalog.node("outside", &read).await?.0.is_none());
        Ok(())
    });
}
