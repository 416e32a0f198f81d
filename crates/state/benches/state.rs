//! Costs of the paths that matter: a write, reads, and waking many waiters.

use criterion::{Criterion, criterion_group, criterion_main};
fn placeholder(_: &mut Criterion) {}
criterion_group!(benches, placeholder);
criterion_main!(benches);
