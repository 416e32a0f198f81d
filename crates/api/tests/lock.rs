//! Locks against a real agent.

use std::time::Duration;

use api::{Client, Error, KvPair, LOCK_FLAGS, QueryOptions, Result, WriteOptions, test_support::run};

/// Short enough not to be noticed, long enough for one attempt.
const A_MOMENT: Duration = Duration::from_millis(20);

async fn entry(client: &Client, key: &str) -> Result<KvPair> {
    Ok(client.kv().get(key, &QueryOptions::new()).await?.0.unwrap_or_default())
}

#[test]
fn a_held_lock_looks_as_other_clients_expect() {
    run(async |agent| {
        let client = agent.client()?;
        let held = client.lock("lead").value("me").acquire().await?;
        let pair = entry(&client, "lead").await?;
        assert_eq!((pair.flags, pair.value.as_slice()), (0x2ddccbc058a50c18, b"me".as_slice()));
        assert_eq!((pair.session.as_str(), pair.lock_index), (held.session(), 1));
        let session = client.session().info(held.session(), &QueryOptions::new()).await?.0.unwrap();
        assert_eq!((session.name.as_str(), session.ttl.as_str()), ("Consul API Lock", "15s"));
        assert_eq!(session.lock_delay, Duration::from_secs(15));
        Ok(())
    });
}

#[test]
fn the_second_contender_waits_for_the_release() {
    run(async |agent| {
        let (first, second) = (agent.client()?, agent.client()?);
        let held = first.lock("lead").acquire().await?;
        let other = second.lock("lead");
        assert!(other.try_acquire(A_MOMENT).await?.is_none());
        let (won, released) = tokio::join!(other.acquire(), held.release());
        released?;
        let won = won?;
        assert_eq!(entry(&first, "lead").await?.session, won.session());
        won.release().await?;
        assert_eq!(entry(&first, "lead").await?.session, "");
        Ok(())
    });
}

#[test]
fn one_lock_is_acquired_once() {
    run(async |agent| {
        let lock = agent.client()?.lock("lead");
        let held = lock.acquire().await?;
        assert_eq!(lock.clone().acquire().await.unwrap_err().to_string(), "Lock already held");
        held.release().await?;
        lock.acquire().await?.release().await
    });
}

#[test]
fn a_destroyed_session_loses_the_lock() {
    run(async |agent| {
        let client = agent.client()?;
        let held = client.lock("lead").acquire().await?;
        client.session().destroy(held.session(), &WriteOptions::new()).await?;
        held.lost().await;
        Ok(())
    });
}

#[test]
fn a_deleted_key_loses_the_lock() {
    run(async |agent| {
        let client = agent.client()?;
        let held = client.lock("lead").acquire().await?;
        client.kv().delete("lead", &WriteOptions::new()).await?;
        held.lost().await;
        Ok(())
    });
}

#[test]
fn a_silent_agent_loses_the_lock() {
    run(async |mut agent| {
        let held = agent.client()?.lock("lead").acquire().await?;
        agent.kill().await.map_err(|error| Error::InvalidArgument(error.to_string()))?;
        held.lost().await;
        Ok(())
    });
}

#[test]
fn a_lock_under_lock_delay_is_not_taken() {
    run(async |agent| {
        let client = agent.client()?;
        let held = client.lock("lead").acquire().await?;
        client.session().destroy(held.session(), &WriteOptions::new()).await?;
        held.lost().await;
        assert!(client.lock("lead").try_acquire(A_MOMENT).await?.is_none());
        assert_eq!(entry(&client, "lead").await?.session, "");
        Ok(())
    });
}

#[test]
fn without_lock_delay_an_abandoned_lock_is_free_at_once() {
    run(async |agent| {
        let client = agent.client()?;
        drop(client.lock("lead").lock_delay(Duration::ZERO).acquire().await?);
        client.lock("lead").acquire().await?.release().await
    });
}

#[test]
fn an_abandoned_acquisition_destroys_its_session() {
    run(async |agent| {
        let client = agent.client()?;
        let held = client.lock("lead").acquire().await?;
        let lock = client.lock("lead");
        let mut acquisition = Box::pin(lock.acquire());
        let mut query = QueryOptions::new();
        // Drive it until its session is there, then give up.
        loop {
            let sessions = client.session();
            let (sessions, meta) = tokio::select! {
                _ = &mut acquisition => panic!("the lock is held"),
                sessions = sessions.list(&query) => sessions?,
            };
            if sessions.len() == 2 {
                break;
            }
            query = query.index(meta.last_index);
        }
        drop(acquisition);
        loop {
            let (sessions, meta) = client.session().list(&query).await?;
            if sessions.len() == 1 {
                assert_eq!(sessions[0].id, held.session());
                return Ok(());
            }
            query = query.index(meta.last_index);
        }
    });
}

#[test]
fn a_session_of_the_caller_is_used_and_left_alone() {
    run(async |agent| {
        let client = agent.client()?;
        let id = client.session().create(&api::SessionRequest::new(), &WriteOptions::new()).await?;
        let held = client.lock("lead").session(&id).acquire().await?;
        assert_eq!(held.session(), id);
        held.release().await?;
        assert!(client.session().info(&id, &QueryOptions::new()).await?.0.is_some());
        Ok(())
    });
}

#[test]
fn keys_of_others_are_refused() {
    run(async |agent| {
        let client = agent.client()?;
        client.kv().put(&KvPair::new("mine", "data"), &WriteOptions::new()).await?;
        let lock = client.lock("mine");
        assert!(matches!(lock.acquire().await, Err(Error::LockConflict)));
        assert!(matches!(lock.destroy().await, Err(Error::LockConflict)));
        assert!(matches!(client.lock("").acquire().await, Err(Error::InvalidArgument(_))));
        Ok(())
    });
}

#[test]
fn a_lock_in_use_is_not_destroyed() {
    run(async |agent| {
        let client = agent.client()?;
        let lock = client.lock("lead");
        lock.destroy().await?;
        let held = lock.acquire().await?;
        assert!(matches!(lock.destroy().await, Err(Error::LockHeld)));
        assert!(matches!(client.lock("lead").destroy().await, Err(Error::LockInUse)));
        held.release().await?;
        assert_eq!(entry(&client, "lead").await?.flags, LOCK_FLAGS);
        lock.destroy().await?;
        assert_eq!(entry(&client, "lead").await?, KvPair::default());
        Ok(())
    });
}

#[test]
fn failures_say_which_step_failed() {
    run(async |agent| {
        let lock = agent.client()?.lock("lead").options(&WriteOptions::new().namespace("x"));
        let error = lock.acquire().await.unwrap_err();
        let text = "failed to create session: Unexpected response code: 400 (Invalid query parameter: \"ns\" - Namespaces are \
                    a Consul Enterprise feature)";
        assert_eq!(error.to_string(), text);
        Ok(())
    });
}
