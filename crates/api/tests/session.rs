//! Sessions against a real agent.

use std::time::Duration;

use api::{QueryOptions, SessionBehavior, SessionRequest, WriteOptions, test_support::run};

#[test]
fn a_session_has_what_was_asked_for() {
    run(async |agent| {
        let session = agent.client()?.session();
        let request = SessionRequest::new()
            .name("worker")
            .lock_delay(Duration::from_millis(1_500))
            .behavior(SessionBehavior::Delete)
            .ttl(Duration::from_secs(30));
        let id = session.create(&request, &WriteOptions::new()).await?;
        let (entry, meta) = session.info(&id, &QueryOptions::new()).await?;
        let entry = entry.unwrap();
        assert_eq!((entry.id.as_str(), entry.name.as_str(), entry.ttl.as_str()), (id.as_str(), "worker", "30s"));
        assert_eq!((entry.lock_delay, entry.behavior), (Duration::from_millis(1_500), SessionBehavior::Delete));
        assert_eq!(entry.node_checks, ["serfHealth"]);
        assert!(meta.last_index >= entry.create_index);
        let expected = std::slice::from_ref(&entry);
        assert_eq!(session.node(&entry.node, &QueryOptions::new()).await?.0, expected);
        assert_eq!(session.list(&QueryOptions::new()).await?.0, expected);
        Ok(())
    });
}

#[test]
fn a_session_without_checks_has_none() {
    run(async |agent| {
        let session = agent.client()?.session();
        let id = session.create_no_checks(&SessionRequest::new(), &WriteOptions::new()).await?;
        assert!(session.info(&id, &QueryOptions::new()).await?.0.unwrap().node_checks.is_empty());
        Ok(())
    });
}

#[test]
fn destroyed_sessions_cannot_be_renewed() {
    run(async |agent| {
        let (session, write) = (agent.client()?.session(), WriteOptions::new());
        let id = session.create(&SessionRequest::new().ttl(Duration::from_secs(10)), &write).await?;
        assert_eq!(session.renew(&id, &write).await?.map(|entry| entry.id), Some(id.clone()));
        session.destroy(&id, &write).await?;
        session.destroy(&id, &write).await?;
        assert_eq!(session.renew(&id, &write).await?, None);
        Ok(())
    });
}

#[test]
fn a_ttl_out_of_range_is_refused() {
    run(async |agent| {
        let session = agent.client()?.session();
        let request = SessionRequest::new().ttl(Duration::from_secs(1));
        let error = session.create(&request, &WriteOptions::new()).await.unwrap_err();
        let text = "Unexpected response code: 500 (Invalid Session TTL '1000000000', must be between [10s=24h0m0s])";
        assert_eq!(error.to_string(), text);
        Ok(())
    });
}

#[test]
fn a_heartbeat_notices_that_its_session_is_gone() {
    run(async |agent| {
        let (session, write) = (agent.client()?.session(), WriteOptions::new());
        let id = session.create(&SessionRequest::new().ttl(Duration::from_secs(10)), &write).await?;
        session.destroy(&id, &write).await?;
        // Renewed at half of what we say, which is at once.
        let heartbeat = session.renew_periodic(&id, Duration::from_millis(20), write);
        heartbeat.expired().await;
        assert_eq!(heartbeat.stop().await.unwrap_err().to_string(), "session expired");
        Ok(())
    });
}

#[test]
fn a_dropped_heartbeat_destroys_its_session() {
    run(async |agent| {
        let (session, write) = (agent.client()?.session(), WriteOptions::new());
        let id = session.create(&SessionRequest::new().ttl(Duration::from_secs(10)), &write).await?;
        let (_, meta) = session.info(&id, &QueryOptions::new()).await?;
        drop(session.renew_periodic(&id, Duration::from_secs(10), write));
        let (entry, _) = session.info(&id, &QueryOptions::new().index(meta.last_index)).await?;
        assert_eq!(entry, None);
        Ok(())
    });
}
