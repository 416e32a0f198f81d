//! What the client can ask of an agent that has everything: sidecars, membership, ACL tokens, autopilot.
//!
//! Run against one: `CONSUL_BIN=/path/to/consul cargo test -p api --features whole-agent --test whole`. Parts move to the other
//! files as our own agent learns them.

use api::{
    AgentServiceRegistration, AutopilotConfiguration, ConnectRegistration, MemberStatus, MembersOptions, QueryOptions,
    TokenKind, WriteOptions, test_support::run,
};

#[test]
fn operators_see_raft_and_autopilot() {
    run(async |agent| {
        let client = agent.client()?;
        let (operator, read, write) = (client.operator(), QueryOptions::new(), WriteOptions::new());
        let raft = operator.raft_configuration(&read).await?;
        assert!(raft.servers[0].leader && raft.servers[0].voter);
        assert_eq!(client.status().peers(&read).await?, [raft.servers[0].address.clone()]);
        let error = operator.raft_remove_peer_by_address("1.2.3.4:5", &write).await.unwrap_err();
        let text = "Unexpected response code: 500 (address \"1.2.3.4:5\" was not found in the Raft configuration)";
        assert_eq!(error.to_string(), text);

        let current = operator.autopilot_configuration(&read).await?;
        let wanted = AutopilotConfiguration { max_trailing_logs: 99, ..current.clone() };
        assert!(operator.autopilot_cas_configuration(&wanted, &write).await?);
        assert!(!operator.autopilot_cas_configuration(&wanted, &write).await?);
        assert_eq!(operator.autopilot_configuration(&read).await?.max_trailing_logs, 99);
        operator.autopilot_set_configuration(&AutopilotConfiguration::default(), &write).await?;
        let reset = operator.autopilot_configuration(&read).await?;
        assert_eq!((reset.max_trailing_logs, reset.cleanup_dead_servers), (250, true));
        // Right after the start the state is not healthy yet: an answer all the same.
        assert!(operator.autopilot_health(&read).await?.servers.len() <= 1);
        assert!(operator.autopilot_state(&read).await?.servers.len() <= 1);
        let pools = operator.keyring_list(&read).await.unwrap_err();
        assert!(pools.to_string().contains("Keyring is empty (encryption not enabled)"), "{pools}");
        Ok(())
    });
}

#[test]
fn a_sidecar_is_registered_with_its_service() {
    run(async |agent| {
        let client = agent.client()?;
        let (agent, read, write) = (client.agent(), QueryOptions::new(), WriteOptions::new());
        let web = AgentServiceRegistration {
            connect: Some(ConnectRegistration { sidecar_service: Some(Box::default()), ..Default::default() }),
            port: 80,
            ..AgentServiceRegistration::new("web")
        };
        agent.register_service(&web, &write).await?;
        let services = agent.services(&read).await?;
        assert_eq!(services.keys().collect::<Vec<_>>(), ["web", "web-sidecar-proxy"]);
        assert_eq!(services["web-sidecar-proxy"].proxy.as_ref().unwrap().destination_service_name, "web");
        let (proxies, _) = client.health().connect("web", &read).await?;
        assert_eq!(proxies[0].service.kind, "connect-proxy");
        Ok(())
    });
}

#[test]
fn the_agent_describes_itself() {
    run(async |agent| {
        let client = agent.client()?;
        let (agent, read) = (client.agent(), QueryOptions::new());
        let info = agent.self_info(&read).await?;
        let name = info.config_text("NodeName").unwrap();
        assert_eq!(info.config_text("Datacenter"), Some("dc1"));
        assert_eq!(info.stats.as_ref().unwrap()["consul"]["leader"], "true");
        assert_eq!(info.member.as_ref().unwrap().status(), Some(MemberStatus::Alive));
        assert!(info.coord.is_some() && info.xds.is_some() && info.debug_config.is_some());

        let members = agent.members(&MembersOptions::new().segment("_all"), &read).await?;
        assert_eq!(members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), [name]);
        let wan = agent.members(&MembersOptions::new().wan(), &read).await?;
        assert_eq!(wan[0].name, format!("{name}.dc1"));
        assert!(agent.host(&read).await?.contains_key("Memory"));
        assert!(!agent.metrics(&read).await?.gauges.is_empty());
        Ok(())
    });
}

#[test]
fn tokens_need_acls() {
    run(async |agent| {
        let agent = agent.client()?.agent();
        let error = agent.set_token(TokenKind::Default, "t", &WriteOptions::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "Unexpected response code: 401 (ACL support disabled)");
        Ok(())
    });
}
