//! Semaphores against a real agent.

use std::time::Duration;

use api::{Error, KvPair, QueryOptions, SEMAPHORE_FLAGS, SessionBehavior, WriteOptions, test_support::run};
use serde_json::json;

const A_MOMENT: Duration = Duration::from_millis(20);

#[test]
fn a_held_slot_looks_as_other_clients_expect() {
    run(async |agent| {
        let client = agent.client()?;
        let held = client.semaphore("slots/", 3).value("me").acquire().await?;
        let (pairs, _) = client.kv().list("slots/", &QueryOptions::new()).await?;
        let [lock, contender] = pairs.as_slice() else { panic!("{pairs:?}") };
        assert_eq!((lock.key.as_str(), lock.flags, lock.session.as_str()), ("slots/.lock", 0xe0f69a2baa414de0, ""));
        let content: serde_json::Value = serde_json::from_slice(&lock.value).unwrap();
        assert_eq!(content, json!({"Limit": 3, "Holders": {held.session(): true}}));
        assert_eq!(contender.key, format!("slots/{}", held.session()));
        assert_eq!((contender.flags, contender.value.as_slice()), (SEMAPHORE_FLAGS, b"me".as_slice()));
        assert_eq!(contender.session, held.session());
        let session = client.session().info(held.session(), &QueryOptions::new()).await?.0.unwrap();
        assert_eq!((session.name.as_str(), session.behavior), ("Consul API Semaphore", SessionBehavior::Delete));
        Ok(())
    });
}

#[test]
fn no_more_than_the_limit_hold_a_slot() {
    run(async |agent| {
        let slots = || Ok::<_, Error>(agent.client()?.semaphore("slots", 2));
        let first = slots()?.acquire().await?;
        let second = slots()?.acquire().await?;
        let third = slots()?;
        assert!(third.try_acquire(A_MOMENT).await?.is_none());
        let (won, released) = tokio::join!(third.acquire(), first.release());
        released?;
        won?.release().await?;
        second.release().await
    });
}

#[test]
fn dead_holders_give_way() {
    run(async |agent| {
        let client = agent.client()?;
        let held = client.semaphore("slots", 1).acquire().await?;
        client.session().destroy(held.session(), &WriteOptions::new()).await?;
        held.lost().await;
        client.semaphore("slots", 1).acquire().await?.release().await
    });
}

#[test]
fn contenders_must_agree_on_the_limit() {
    run(async |agent| {
        let client = agent.client()?;
        let held = client.semaphore("slots", 2).acquire().await?;
        let error = client.semaphore("slots", 3).acquire().await.unwrap_err();
        assert_eq!(error.to_string(), "semaphore limit conflict (lock: 2, local: 3)");
        held.release().await
    });
}

#[test]
fn keys_of_others_are_refused() {
    run(async |agent| {
        let client = agent.client()?;
        client.kv().put(&KvPair::new("mine/.lock", "data"), &WriteOptions::new()).await?;
        assert!(matches!(client.semaphore("mine", 1).acquire().await, Err(Error::SemaphoreConflict)));
        assert!(matches!(client.semaphore("", 1).acquire().await, Err(Error::InvalidArgument(_))));
        assert!(matches!(client.semaphore("x", 0).acquire().await, Err(Error::InvalidArgument(_))));
        Ok(())
    });
}

#[test]
fn a_semaphore_in_use_is_not_destroyed() {
    run(async |agent| {
        let client = agent.client()?;
        let semaphore = client.semaphore("slots", 1);
        semaphore.destroy().await?;
        let held = semaphore.acquire().await?;
        assert!(matches!(semaphore.destroy().await, Err(Error::SemaphoreHeld)));
        assert!(matches!(semaphore.acquire().await, Err(Error::SemaphoreHeld)));
        assert!(matches!(client.semaphore("slots", 1).destroy().await, Err(Error::SemaphoreInUse)));
        held.release().await?;
        semaphore.destroy().await?;
        assert!(client.kv().list("slots", &QueryOptions::new()).await?.0.is_empty());
        Ok(())
    });
}
