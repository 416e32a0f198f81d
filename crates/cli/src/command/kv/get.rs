//! `kv get`.

use api::KvPair;
use wire::json::base64_bytes;

use super::{optional_key, query_failed};
use crate::client::{block_on, connect, read_options};
use crate::error::{Error, Outcome};
use crate::invocation::Invocation;
use crate::layout::tabs;

const DETAIL_PADDING_COLUMNS: usize = 6;

pub(super) fn get(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let key = optional_key(invocation)?;
    let (keys, recurse, detailed) = (values.bool("keys"), values.bool("recurse"), values.bool("detailed"));
    if key.is_empty() && !recurse && !keys {
        return Err(Error::failed("Error! Missing KEY argument"));
    }
    let kv = connect(invocation)?.kv();
    let options = read_options(invocation);
    block_on(async {
        let terminal = invocation.terminal;
        if keys && !recurse {
            let separator = values.text("separator");
            let (names, _) = kv.keys(key, separator, &options).await.map_err(query_failed)?;
            for name in names {
                terminal.say(name);
            }
            return Ok(());
        }
        if recurse {
            let (pairs, _) = kv.list(key, &options).await.map_err(query_failed)?;
            let mut out = Vec::new();
            for (at, pair) in pairs.iter().enumerate() {
                if detailed {
                    if at > 0 {
                        out.push(b'\n');
                    }
                    out.extend(details(pair, (!keys).then(|| shown(invocation, pair))));
                } else if keys {
                    out.extend(pair.key.as_bytes());
                    out.push(b'\n');
                } else {
                    out.extend(pair.key.as_bytes());
                    out.push(b':');
                    out.extend(shown(invocation, pair));
                    out.push(b'\n');
                }
            }
            terminal.write(&out);
            return Ok(());
        }
        let (pair, _) = kv.get(key, &options).await.map_err(query_failed)?;
        let Some(pair) = pair else {
            return Err(Error::failed(format!("Error! No key exists at: {key}")));
        };
        let value = shown(invocation, &pair);
        if detailed {
            terminal.write(&details(&pair, Some(value)));
        } else {
            terminal.write(&[value.as_slice(), b"\n"].concat());
        }
        Ok(())
    })
}

/// The value as it is to be printed.
fn shown(invocation: &Invocation<'_>, pair: &KvPair) -> Vec<u8> {
    if invocation.values.bool("base64") {
        return base64_bytes::encode(&pair.value).into_bytes();
    }
    pair.value.clone()
}

/// One record: a row for each property. The value's bytes are printed as they are, behind their label.
fn details(pair: &KvPair, value: Option<Vec<u8>>) -> Vec<u8> {
    let session = if pair.session.is_empty() { "-" } else { &pair.session };
    let mut table = format!(
        "CreateIndex\t{}\nFlags\t{}\nKey\t{}\nLockIndex\t{}\nModifyIndex\t{}\nSession\t{session}\n",
        pair.create_index, pair.flags, pair.key, pair.lock_index, pair.modify_index
    );
    for (name, text) in [("Partition", &pair.partition), ("Namespace", &pair.namespace)] {
        if !text.is_empty() {
            table.push_str(&format!("{name}\t{text}\n"));
        }
    }
    let Some(value) = value else {
        return (tabs(&table, 0, DETAIL_PADDING_COLUMNS) + "\n").into_bytes();
    };
    table.push_str(if value.is_empty() { "Value" } else { "Value\t" });
    let mut out = tabs(&table, 0, DETAIL_PADDING_COLUMNS).into_bytes();
    out.extend(value);
    out.push(b'\n');
    out
}
