//! Transactions against a real agent.

use api::{
    AgentService, CheckTxnOp, HealthCheck, KvTxnOp, Node, NodeTxnOp, QueryOptions, Result, ServiceTxnOp, Txn, TxnError,
    TxnOp, TxnOutcome, TxnResult, TxnVerb, test_support::run,
};

async fn committed(txn: &Txn, operations: &[TxnOp]) -> Result<Vec<TxnResult>> {
    match txn.run(operations, &QueryOptions::new()).await?.0 {
        TxnOutcome::Committed(results) => Ok(results),
        TxnOutcome::RolledBack(errors) => panic!("{errors:?}"),
    }
}

async fn rolled_back(txn: &Txn, operations: &[TxnOp]) -> Result<Vec<TxnError>> {
    match txn.run(operations, &QueryOptions::new()).await?.0 {
        TxnOutcome::Committed(results) => panic!("{results:?}"),
        TxnOutcome::RolledBack(errors) => Ok(errors),
    }
}

#[test]
fn all_or_nothing_happens() {
    run(async |agent| {
        let client = agent.client()?;
        let txn = client.txn();
        committed(&txn, &[KvTxnOp::set("a", "1").flags(7).into(), KvTxnOp::set("b", "2").into()]).await?;
        let errors = rolled_back(
            &txn,
            &[
                KvTxnOp::delete("a").into(),
                KvTxnOp::cas("b", "3", 1).into(),
                KvTxnOp::check_not_exists("b").into(),
                KvTxnOp::get("c").into(),
            ],
        )
        .await?;
        let texts: Vec<_> = errors.iter().map(|error| (error.op_index, error.what.as_str())).collect();
        assert_eq!(
            texts,
            [(1, "failed to set key \"b\", index is stale"), (2, "key \"b\" exists"), (3, "key \"c\" doesn't exist"),]
        );
        assert_eq!(client.kv().get("a", &QueryOptions::new()).await?.0.unwrap().flags, 7);
        Ok(())
    });
}

#[test]
fn reads_return_entries_and_metadata() {
    run(async |agent| {
        let txn = agent.client()?.txn();
        committed(&txn, &[KvTxnOp::set("t/a", "1").into(), KvTxnOp::set("t/b", "2").into()]).await?;
        let operations = [KvTxnOp::get_tree("t/").into(), KvTxnOp::get_or_empty("none").into()];
        let (outcome, meta) = txn.run(&operations, &QueryOptions::new().consistent()).await?;
        let TxnOutcome::Committed(results) = outcome else { panic!("{outcome:?}") };
        let entries: Vec<_> = results
            .into_iter()
            .map(|result| match result {
                TxnResult::Kv(pair) => (pair.key, String::from_utf8(pair.value).unwrap()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [("t/a", "1"), ("t/b", "2"), ("none", "")];
        assert_eq!(entries, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert!(meta.known_leader);
        Ok(())
    });
}

#[test]
fn sessions_lock_and_unlock() {
    run(async |agent| {
        let client = agent.client()?;
        let id = client.session().create(&api::SessionRequest::new(), &api::WriteOptions::new()).await?;
        let txn = client.txn();
        committed(&txn, &[KvTxnOp::lock("k", "v", &id).into(), KvTxnOp::check_session("k", &id).into()]).await?;
        let errors =
            rolled_back(&txn, &[KvTxnOp::unlock("k", "v", "00000000-0000-0000-0000-000000000000").into()]).await?;
        assert_eq!(errors[0].what, "failed to unlock key \"k\", lock isn't held, or is held by another session");
        committed(&txn, &[KvTxnOp::unlock("k", "v", &id).into()]).await?;
        Ok(())
    });
}

#[test]
fn nodes_services_and_checks_are_operated_on() {
    run(async |agent| {
        let client = agent.client()?;
        let txn = client.txn();
        let node = Node { node: "n1".into(), address: "10.0.0.1".into(), ..Node::default() };
        let service = AgentService { id: "web-1".into(), service: "web".into(), port: 80, ..AgentService::default() };
        let check = HealthCheck {
            node: "n1".into(),
            check_id: "web-check".into(),
            name: "web".into(),
            status: "passing".into(),
            service_id: "web-1".into(),
            ..HealthCheck::default()
        };
        let on_service = |verb| ServiceTxnOp { verb, node: "n1".into(), service: service.clone() };
        let results = committed(
            &txn,
            &[
                NodeTxnOp { verb: TxnVerb::Set, node: node.clone() }.into(),
                on_service(TxnVerb::Set).into(),
                CheckTxnOp { verb: TxnVerb::Set, check: check.clone() }.into(),
            ],
        )
        .await?;
        let [TxnResult::Node(set_node), TxnResult::Service(set_service), TxnResult::Check(set_check)] =
            results.as_slice()
        else {
            panic!("{results:?}")
        };
        assert_eq!((set_node.address.as_str(), set_service.port), ("10.0.0.1", 80));
        assert_eq!((set_check.service_name.as_str(), set_check.status.as_str()), ("web", "passing"));

        let results = committed(
            &txn,
            &[
                NodeTxnOp { verb: TxnVerb::Get, node: node.clone() }.into(),
                on_service(TxnVerb::Get).into(),
                CheckTxnOp { verb: TxnVerb::Delete, check }.into(),
                on_service(TxnVerb::Delete).into(),
            ],
        )
        .await?;
        assert_eq!(results.len(), 2);
        let stale = Node { modify_index: 1, ..node };
        let errors = rolled_back(&txn, &[NodeTxnOp { verb: TxnVerb::DeleteCas, node: stale }.into()]).await?;
        assert_eq!(errors[0].what, "failed to delete node \"n1\", index is stale");
        Ok(())
    });
}
