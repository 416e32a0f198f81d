//! Addresses that are names: their records are looked up and added (`docs/spec/dns.md` §8).

use std::collections::HashMap;
use std::pin::Pin;

use crate::answer::{Composed, Follow};
use crate::codec::{Kind, Name};
use crate::lookup::{self, Ask};
use crate::message::{Data, Record};
use crate::recurse;

/// Most records of a name that are added to an answer without EDNS.
const RECORDS_MAX: usize = 5;
/// Most different names that are looked up for one answer.
const NAMES_MAX: usize = 128;

/// The records of a name: from the catalog when it is there, else from recursors.
///
/// A name of the catalog may stand for another one, and so on, as often as the ask has levels.
pub(crate) fn resolve<'a>(ask: &'a Ask<'_>, name: &'a Name) -> Pin<Box<dyn Future<Output = Vec<Record>> + Send + 'a>> {
    Box::pin(async move {
        let Some(domain_bytes) = ask.live.domain_of(name.as_str()) else {
            return recurse::addresses_of(ask.live, name).await;
        };
        let Some(level) = ask.level.checked_sub(1) else {
            tracing::error!(target: "agent.dns", name = %name,
                "Infinite recursion detected for name, won't perform any CNAME resolution.");
            return Vec::new();
        };
        let inner =
            Ask { name, kind: Kind::ANY, domain_bytes, edns: false, most: usize::MAX, level, source_ip: None, ..*ask };
        lookup::catalog(&inner).await.answer
    })
}

/// Adds what is still missing of an answer about instances.
pub(crate) async fn follow(ask: &Ask<'_>, composed: Composed, ttl: u32) -> Composed {
    let Composed { mut answer, additional, follow } = composed;
    let mut known: HashMap<String, Vec<Record>> = HashMap::new();
    let mut completed = Vec::with_capacity(additional.len());
    let mut rest = additional.into_iter().enumerate().peekable();
    for wanted in follow {
        let (Follow::Answer(name) | Follow::Additional { name, .. }) = &wanted;
        let records = match known.get(name.as_str()) {
            Some(records) => records.clone(),
            None => {
                let records = if known.len() < NAMES_MAX { resolve(ask, name).await } else { Vec::new() };
                let records = kept(records, ask.edns, ttl);
                known.insert(name.as_str().to_owned(), records.clone());
                records
            }
        };
        match wanted {
            Follow::Answer(_) => answer.extend(records),
            Follow::Additional { at, .. } => {
                while let Some((_, record)) = rest.next_if(|(place, _)| *place < at) {
                    completed.push(record);
                }
                completed.extend(records);
            }
        }
    }
    completed.extend(rest.map(|(_, record)| record));
    Composed { answer, additional: completed, follow: Vec::new() }
}

fn kept(records: Vec<Record>, edns: bool, ttl: u32) -> Vec<Record> {
    let most = if edns { usize::MAX } else { RECORDS_MAX };
    let wanted = records.into_iter().filter(|r| matches!(r.data, Data::Cname(_) | Data::A(_) | Data::Aaaa(_)));
    wanted.map(|record| Record { ttl, ..record }).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_aliases_are_kept_and_few_without_edns() {
        let owner = Name::new("www.ext.test");
        let record = |data| Record { owner: owner.clone(), ttl: 88, data };
        let mut records = vec![record(Data::Cname(Name::new("ext.test"))), record(Data::Txt(Box::from(&b"text"[..])))];
        records.extend((0..9).map(|last| record(Data::A([10, 0, 0, last].into()))));
        let with = kept(records.clone(), true, 7);
        assert_eq!((with.len(), with[0].ttl, &with[0].data), (10, 7, &records[0].data));
        assert_eq!(kept(records, false, 7).len(), RECORDS_MAX);
    }
}
