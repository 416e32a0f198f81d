//! Blocking queries as streams, against a real agent.

use std::time::Duration;

use api::{
    AgentServiceRegistration, FireRequest, KvPair, QueryOptions, ServiceQuery, WriteOptions, id_to_index,
    test_support::run,
};
use futures_util::StreamExt;

#[test]
fn a_key_is_followed_through_its_life() {
    run(async |agent| {
        let (kv, write) = (agent.client()?.kv(), WriteOptions::new());
        let mut watch = kv.watch("k", QueryOptions::new());
        assert_eq!(watch.changed().await?.0, None);
        kv.put(&KvPair::new("k", "1"), &write).await?;
        let (pair, meta) = watch.changed().await?;
        let pair = pair.unwrap();
        assert_eq!((pair.value.as_slice(), pair.modify_index), (b"1".as_slice(), meta.last_index));
        kv.delete("k", &write).await?;
        assert_eq!(watch.changed().await?.0, None);
        Ok(())
    });
}

#[test]
fn changes_elsewhere_are_not_reported() {
    run(async |agent| {
        let (kv, write) = (agent.client()?.kv(), WriteOptions::new());
        let mut watch = kv.watch_prefix("a/", QueryOptions::new());
        assert!(watch.changed().await?.0.is_empty());
        kv.put(&KvPair::new("b", ""), &write).await?;
        kv.put(&KvPair::new("a/1", ""), &write).await?;
        let keys: Vec<_> = watch.changed().await?.0.into_iter().map(|pair| pair.key).collect();
        assert_eq!(keys, ["a/1"]);
        Ok(())
    });
}

#[test]
fn a_restored_snapshot_starts_over() {
    run(async |agent| {
        let client = agent.client()?;
        let (kv, write) = (client.kv(), WriteOptions::new());
        kv.put(&KvPair::new("k", "old"), &write).await?;
        let mut archive = Vec::new();
        let (mut snapshot, _) = client.snapshot().save(&QueryOptions::new()).await?;
        while let Some(chunk) = snapshot.next().await {
            archive.extend_from_slice(&chunk?);
        }
        kv.put(&KvPair::new("k", "new"), &write).await?;
        // A read that arrives after the restore with a higher index waits in vain; this bounds it.
        let mut watch = kv.watch("k", QueryOptions::new().wait(Duration::from_secs(1)));
        assert_eq!(watch.changed().await?.0.unwrap().value, b"new");
        let snapshot = client.snapshot();
        let (changed, restored) =
            tokio::join!(watch.changed(), snapshot.restore(std::io::Cursor::new(archive), &write));
        restored?;
        assert_eq!(changed?.0.unwrap().value, b"old");
        Ok(())
    });
}

#[test]
fn service_instances_come_and_go() {
    run(async |agent| {
        let client = agent.client()?;
        let mut watch = client.health().watch_service(ServiceQuery::new("web").tag("v1"), QueryOptions::new());
        assert!(watch.changed().await?.0.is_empty());
        let web =
            AgentServiceRegistration { tags: vec!["v1".into()], port: 80, ..AgentServiceRegistration::new("web") };
        client.agent().register_service(&web, &WriteOptions::new()).await?;
        assert_eq!(watch.changed().await?.0[0].service.port, 80);
        client.agent().deregister_service("web", &WriteOptions::new()).await?;
        assert!(watch.changed().await?.0.is_empty());
        Ok(())
    });
}

#[test]
fn events_are_reported_once_each() {
    run(async |agent| {
        let event = agent.client()?.event();
        let fire = async |name: &str| event.fire(&FireRequest::new(name), &WriteOptions::new()).await;
        let mut watch = event.watch("deploy", QueryOptions::new());
        assert!(watch.changed().await?.0.is_empty());
        for _ in 0..3 {
            let id = fire("deploy").await?;
            let (events, meta) = watch.changed().await?;
            assert_eq!(events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
            assert_eq!(id_to_index(&id), Some(meta.last_index));
        }
        Ok(())
    });
}

#[test]
fn errors_are_items_too() {
    run(async |agent| {
        let mut watch = agent.client()?.kv().watch("k", QueryOptions::new().dc("nowhere"));
        let error = watch.next().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "Unexpected response code: 500 (No path to datacenter)");
        Ok(())
    });
}
