//! Agent, catalog, health, operator, coordinates, events, snapshots: shapes as a real agent sends them.

use api::{FireRequest, QueryOptions, WriteOptions, test_support::run};
use tokio::io::AsyncReadExt;

#[test]
fn the_log_is_followed_line_by_line() {
    run(async |agent| {
        let client = agent.client()?;
        let agent = client.agent();
        let mut lines = agent.monitor("debug", &QueryOptions::new()).await?;
        let mut json = agent.monitor_json("debug", &QueryOptions::new()).await?;
        agent.reload(&WriteOptions::new()).await?;
        let line = lines.next_line().await?.unwrap();
        assert!(line.contains("] "), "{line}");
        let line = json.next_line().await?.unwrap();
        assert!(
            serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|line| line["@message"].is_string()),
            "{line}"
        );
        let error = agent.monitor("nosuch", &QueryOptions::new()).await.err().unwrap();
        assert_eq!(error.to_string(), "Unexpected response code: 400 (Unknown log level: nosuch)");
        Ok(())
    });
}

#[test]
fn coordinates_and_events_have_their_shapes() {
    run(async |agent| {
        let client = agent.client()?;
        let read = QueryOptions::new();
        assert_eq!(client.coordinate().datacenters().await?[0].datacenter, "dc1");
        client.coordinate().nodes(&read).await?;
        assert_eq!(client.coordinate().node("none", &read).await.unwrap_err().status(), Some(404));
        let request = FireRequest::new("e").payload([1, 2]).node_filter(".*").service_filter("x").tag_filter("y");
        client.event().fire(&request, &WriteOptions::new()).await?;
        let bad = FireRequest::new("e").tag_filter("y");
        let error = client.event().fire(&bad, &WriteOptions::new()).await.unwrap_err();
        let text = "Unexpected response code: 500 (Cannot provide tag filter without service filter)";
        assert_eq!(error.to_string(), text);
        Ok(())
    });
}

#[test]
fn a_broken_archive_is_refused_and_a_good_one_is_gzip() {
    run(async |agent| {
        let snapshot = agent.client()?.snapshot();
        let (mut archive, meta) = snapshot.save(&QueryOptions::new()).await?;
        let mut bytes = Vec::new();
        archive.read_to_end(&mut bytes).await.unwrap();
        assert_eq!((&bytes[..2], meta.last_index > 0), ([0x1f, 0x8b].as_slice(), true));
        let error = snapshot.restore(&b"junk that is no archive"[..], &WriteOptions::new()).await.unwrap_err();
        assert!(error.to_string().contains("gzip: invalid header"), "{error}");
        Ok(())
    });
}
