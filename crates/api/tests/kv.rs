//! The key-value store against a real agent.

use api::{Error, KvPair, QueryOptions, WriteOptions, test_support::run};

#[test]
fn entries_are_written_read_listed_and_deleted() {
    run(async |agent| {
        let kv = agent.client()?.kv();
        let (read, write) = (QueryOptions::new(), WriteOptions::new());
        assert_eq!(kv.get("app/a", &read).await?.0, None);
        kv.put(&KvPair { flags: 42, ..KvPair::new("app/a", [0xff, 0x00]) }, &write).await?;
        kv.put(&KvPair::new("app/b/c", ""), &write).await?;
        kv.put(&KvPair::new("app/b/d", "d"), &write).await?;

        let (pair, meta) = kv.get("/app/a", &read).await?;
        let pair = pair.unwrap();
        assert_eq!((pair.flags, pair.value.as_slice(), pair.session.as_str()), (42, [0xff, 0x00].as_slice(), ""));
        assert_eq!((meta.last_index, meta.known_leader), (pair.modify_index, true));

        let (pairs, _) = kv.list("app/", &read).await?;
        let keys: Vec<&str> = pairs.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(keys, ["app/a", "app/b/c", "app/b/d"]);
        assert_eq!(kv.keys("app/", "/", &read).await?.0, ["app/a", "app/b/"]);
        assert_eq!(kv.keys("app/", "", &read).await?.0, keys);
        assert!(kv.keys("nothing", "", &read).await?.0.is_empty());

        kv.delete("app/a", &write).await?;
        kv.delete_tree("app/b/", &write).await?;
        assert!(kv.list("app/", &read).await?.0.is_empty());
        Ok(())
    });
}

#[test]
fn keys_reach_the_store_as_given() {
    run(async |agent| {
        let kv = agent.client()?.kv();
        for key in
            ["with space", "q?a=b&c#d", "per%cent%2F", "plus+", "\u{e9}t\u{e9}", "a;b=c,d:e@f$g", "star*(x)!'", "end/"]
        {
            kv.put(&KvPair::new(key, key), &WriteOptions::new()).await?;
            let (pair, _) = kv.get(key, &QueryOptions::new()).await?;
            assert_eq!(pair.map(|pair| (pair.key, pair.value)), Some((key.to_owned(), key.as_bytes().to_vec())));
        }
        Ok(())
    });
}

#[test]
fn conditional_writes_say_whether_they_happened() {
    run(async |agent| {
        let kv = agent.client()?.kv();
        let write = WriteOptions::new();
        assert!(kv.cas(&KvPair::new("k", "1"), &write).await?, "0 means only if absent");
        assert!(!kv.cas(&KvPair::new("k", "2"), &write).await?);
        let index = kv.get("k", &QueryOptions::new()).await?.0.unwrap().modify_index;
        assert!(kv.cas(&KvPair { modify_index: index, ..KvPair::new("k", "3") }, &write).await?);
        assert!(!kv.delete_cas("k", index, &write).await?);
        let index = kv.get("k", &QueryOptions::new()).await?.0.unwrap().modify_index;
        assert!(kv.delete_cas("k", index, &write).await?);
        Ok(())
    });
}

#[test]
fn a_large_value_survives() {
    run(async |agent| {
        let kv = agent.client()?.kv();
        let value: Vec<u8> = (0..512 * 1024).map(|i: u32| i.to_le_bytes()[0]).collect();
        kv.put(&KvPair::new("large", value.clone()), &WriteOptions::new()).await?;
        assert_eq!(kv.get("large", &QueryOptions::new()).await?.0.unwrap().value, value);
        let too_large = kv.put(&KvPair::new("large", vec![0; 512 * 1024 + 1]), &WriteOptions::new()).await;
        assert_eq!(too_large.unwrap_err().status(), Some(413));
        Ok(())
    });
}

#[test]
fn refusals_are_worded_as_by_the_reference() {
    run(async |agent| {
        let kv = agent.client()?.kv();
        let slash = kv.put(&KvPair::new("/k", ""), &WriteOptions::new()).await.unwrap_err();
        assert_eq!(slash.to_string(), "Invalid key. Key must not begin with a '/': /k");
        let options = QueryOptions::new().dc("nowhere");
        let unknown = kv.get("k", &options).await.unwrap_err();
        assert_eq!(unknown.to_string(), "Unexpected response code: 500 (No path to datacenter)");
        assert!(unknown.is_retryable());
        let namespace = kv.get("k", &QueryOptions::new().namespace("x")).await.unwrap_err();
        let text = "Unexpected response code: 400 (Invalid query parameter: \"ns\" - Namespaces are a Consul Enterprise feature)";
        assert_eq!(namespace.to_string(), text);
        assert!(!namespace.is_retryable());
        Ok(())
    });
}

#[test]
fn an_agent_that_stopped_is_a_refused_connection() {
    run(async |mut agent| {
        let client = agent.client()?;
        client.status().leader(&QueryOptions::new()).await?;
        agent.kill().await.map_err(|error| Error::InvalidArgument(error.to_string()))?;
        let error = client.status().leader(&QueryOptions::new()).await.unwrap_err();
        let address = agent.http_addr();
        let expected =
            format!("Get \"http://{address}/v1/status/leader\": dial tcp {address}: connect: connection refused");
        assert_eq!(error.to_string(), expected);
        Ok::<(), Error>(())
    });
}

#[test]
fn locks_on_keys_belong_to_sessions() {
    run(async |agent| {
        let client = agent.client()?;
        let (kv, write) = (client.kv(), WriteOptions::new());
        let mine = client.session().create(&api::SessionRequest::new(), &write).await?;
        let theirs = client.session().create(&api::SessionRequest::new(), &write).await?;
        let held_by = |session: &str| KvPair { session: session.to_owned(), ..KvPair::new("lock", "v") };
        assert!(kv.acquire(&held_by(&mine), &write).await?);
        assert!(!kv.acquire(&held_by(&theirs), &write).await?);
        assert!(!kv.release(&held_by(&theirs), &write).await?);
        assert_eq!(kv.get("lock", &QueryOptions::new()).await?.0.unwrap().session, mine);
        assert!(kv.release(&held_by(&mine), &write).await?);
        Ok(())
    });
}
