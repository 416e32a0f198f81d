//! Filtering a catalog of 10,000 nodes, by kind of test.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use filter::Filter;
use types::Node;

const NODES: u64 = 10_000;

const EXPRESSIONS: [(&str, &str); 5] = [
    ("equal", "Node == `node-5000`"),
    ("map", "Meta.rack == r7"),
    ("map and text", "Meta.rack == r7 and Datacenter == dc1 and `10.0.` in Address"),
    ("matches", "Node matches `^node-[0-9]*7$`"),
    ("or, not", "not (Meta.rack == r1 or Meta.rack == r2 or `gpu` in Meta)"),
];

fn nodes() -> Vec<Node> {
    (0..NODES)
        .map(|number| Node {
            node: format!("node-{number}"),
            address: format!("10.0.{}.{}", number / 250, number % 250),
            datacenter: "dc1".into(),
            meta: [("rack".into(), format!("r{}", number % 40)), ("os".into(), "linux".into())].into(),
            ..Node::default()
        })
        .collect()
}

fn filtering(criterion: &mut Criterion) {
    let nodes = nodes();
    let mut group = criterion.benchmark_group("10000 nodes");
    group.throughput(Throughput::Elements(NODES));
    for (name, expression) in EXPRESSIONS {
        let filter = Filter::<Node>::new(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        group.bench_function(name, |bencher| {
            bencher.iter(|| nodes.iter().filter(|node| filter.matches(black_box(node))).count());
        });
    }
    group.finish();
    criterion.bench_function("parse and bind", |bencher| {
        bencher
            .iter(|| Filter::<Node>::new(black_box("Meta.rack == r7 and (Datacenter == dc1 or `10.0.` in Address)")));
    });
}

criterion_group!(benches, filtering);
criterion_main!(benches);
