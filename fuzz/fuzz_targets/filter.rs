//! Filters from anywhere: reading one never panics, what is read prints to the same expression, and what suits a type
//! decides about its values.

#![no_main]

use filter::{Expression, Fields, NodeInfo};
use libfuzzer_sys::fuzz_target;
use types::{CheckServiceNode, HealthCheck, Node, NodeService, ServiceNode};

fuzz_target!(|text: &str| {
    let Ok(expression) = Expression::parse(text) else { return };
    let printed = expression.to_string();
    assert_eq!(Expression::parse(&printed).as_ref(), Ok(&expression), "{printed}");

    let (node, service, check) = (Node::default(), NodeService::default(), HealthCheck::default());
    decide(&expression, &node);
    decide(&expression, &service);
    decide(&expression, &check);
    let (node, service, checks) = (node.into(), service.into(), vec![check.into()]);
    decide(&expression, &ServiceNode { node, service });
    let instance = CheckServiceNode { node: Node::default().into(), service: NodeService::default().into(), checks };
    decide(&expression, &instance);
    let CheckServiceNode { node, service, checks } = instance;
    decide(&expression, &NodeInfo { node, services: vec![service], checks });
});

fn decide<T: Fields>(expression: &Expression, value: &T) {
    if let Ok(filter) = expression.bind::<T>() {
        filter.matches(value);
    }
}
