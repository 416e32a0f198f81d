//! The certificate authority as the agents of its cluster see it.

#![allow(clippy::expect_used)]

mod common;

use std::path::Path;

use common::{DEADLINE, config, start};
use server::{ConnectSettings, Server, ServerConfig, Storage};
use types::connect_ca::ProviderSettings;
use types::method::{ConnectCaRoots, DatacenterRequest, Indexed, SnapshotRequest};
use types::{CaRoots, QueryOptions, RpcError};

const CLUSTER_ID: &str = "7F42f496-fbc7-8692-05ed-334aa5340c1e";

/// The roots once one of them is active.
async fn roots(server: &Server) -> CaRoots {
    let mut min_index = 1;
    loop {
        let options = QueryOptions { min_index, max_wait: DEADLINE, ..QueryOptions::default() };
        let found = ask(server, options).await.expect("roots");
        if !found.value.active_root_id.is_empty() {
            return found.value;
        }
        min_index = found.meta.index;
    }
}

async fn ask(server: &Server, options: QueryOptions) -> Result<Indexed<CaRoots>, RpcError> {
    let request = DatacenterRequest { options, ..DatacenterRequest::default() };
    server.call::<ConnectCaRoots>(request).await
}

fn with(connect: ConnectSettings) -> ServerConfig {
    ServerConfig { connect, ..config() }
}

fn on_disk(folder: &Path) -> ServerConfig {
    ServerConfig { storage: Storage::Disk(folder.to_owned()), ..config() }
}

#[tokio::test]
async fn the_first_leader_makes_a_root() {
    let server = start(config()).await;
    let found = roots(&server).await;
    let [root] = &found.roots[..] else { panic!("not one root: {found:?}") };
    assert_eq!((&root.id, root.active), (&found.active_root_id, true));
    assert_eq!(found.trust_domain, format!("{}.consul", root.external_trust_domain));
    assert_eq!((root.private_key_type.as_str(), root.private_key_bits), ("ec", 256));
    let read = pki::Certificate::from_pem(&root.root_cert).expect("a certificate");
    assert_eq!((read.id, read.serial_number), (root.id.clone(), root.serial_number));
    server.stop().await;
}

#[tokio::test]
async fn an_agent_file_may_name_the_cluster_and_say_how_its_root_is_made() {
    let settings = [("PrivateKeyBits", "384".into()), ("RootCertTTL", "9000h".into())];
    let ca_config = ProviderSettings(settings.map(|(name, value)| (name.to_owned(), value)).into());
    let server =
        start(with(ConnectSettings { enabled: true, cluster_id: Some(CLUSTER_ID.to_owned()), ca_config })).await;
    let found = roots(&server).await;
    assert_eq!(found.trust_domain, format!("{}.consul", CLUSTER_ID.to_lowercase()));
    let root = &found.roots[0];
    assert_eq!(root.private_key_bits, 384);
    assert_eq!(root.not_after.unix_seconds() - root.not_before.unix_seconds(), 9000 * 3600);
    server.stop().await;
}

#[tokio::test]
async fn a_cluster_keeps_its_root_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = start(on_disk(folder.path())).await;
    let before = roots(&server).await;
    server.stop().await;
    drop(server);
    let server = start(on_disk(folder.path())).await;
    assert_eq!(roots(&server).await, before);
    server.stop().await;
}

#[tokio::test]
async fn a_restore_brings_the_saved_root_back() {
    let old = start(config()).await;
    let before = roots(&old).await;
    let saved = old.snapshot_save(&SnapshotRequest::default()).await.expect("an archive");
    old.stop().await;
    let new = start(config()).await;
    assert_ne!(roots(&new).await, before);
    new.snapshot_restore(&SnapshotRequest::default(), saved.archive).await.expect("a restore");
    assert_eq!(ask(&new, QueryOptions::default()).await.expect("roots").value, before);
    new.stop().await;
}

#[tokio::test]
async fn a_restored_state_without_an_authority_gets_one() {
    let without = start(with(ConnectSettings::default())).await;
    let saved = without.snapshot_save(&SnapshotRequest::default()).await.expect("an archive");
    without.stop().await;
    let server = start(config()).await;
    let before = roots(&server).await;
    server.snapshot_restore(&SnapshotRequest::default(), saved.archive).await.expect("a restore");
    let after = roots(&server).await;
    assert_ne!(after.active_root_id, before.active_root_id);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_cannot_make_a_root_works_without() {
    let ca_config = ProviderSettings([("PrivateKeyType".to_owned(), "rsa".into())].into());
    let server = start(with(ConnectSettings { enabled: true, cluster_id: None, ca_config })).await;
    server.snapshot_save(&SnapshotRequest::default()).await.expect("a server with its duties taken up");
    let found = ask(&server, QueryOptions::default()).await.expect("a named authority").value;
    assert_eq!((found.active_root_id.as_str(), found.roots.len()), ("", 0));
    server.stop().await;
}

#[tokio::test]
async fn without_a_mesh_there_are_no_roots() {
    let server = start(with(ConnectSettings::default())).await;
    let error = ask(&server, QueryOptions::default()).await.expect_err("refused").to_string();
    assert_eq!(error, "Connect must be enabled in order to use this endpoint");
    server.stop().await;
}
