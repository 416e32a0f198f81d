//! `kv put`.

use api::{Error as ApiError, KvPair};
use wire::json::base64_bytes;

use crate::client::{block_on, connect, write_options};
use crate::error::{Error, Outcome};
use crate::invocation::Invocation;
use crate::source;

pub(super) fn put(invocation: &Invocation<'_>) -> Outcome {
    let values = &invocation.values;
    let (key, data) = match invocation.args.as_slice() {
        [] => return Err(Error::failed("Error! Missing KEY argument")),
        [key] => (key, ""),
        [key, data] => (key, data.as_str()),
        more => {
            return Err(Error::failed(format!("Error! Too many arguments (expected 1 or 2, got {})", more.len())));
        }
    };
    let mut value = source::data(data, invocation.terminal).map_err(|e| Error::failed(format!("Error! {e}")))?;
    if values.bool("base64") {
        let (decoded, fault) = decode_leniently(&value);
        if let Some(fault) = fault {
            invocation.terminal.complain(format!("Error! Cannot base 64 decode data: {fault}"));
        }
        value = decoded;
    }
    let (acquire, release) = (values.bool("acquire"), values.bool("release"));
    if (acquire || release) && values.text("session").is_empty() {
        return Err(Error::failed("Error! Missing -session (required with -acquire and -release)"));
    }
    let pair = KvPair {
        modify_index: values.uint("modify-index"),
        flags: values.uint("flags"),
        session: values.text("session").to_string(),
        ..KvPair::new(key, value)
    };
    let kv = connect(invocation)?.kv();
    let options = write_options();
    let failed = |e: ApiError| Error::failed(format!("Error! Failed writing data: {e}"));
    block_on(async {
        let success = if values.bool("cas") {
            if !kv.cas(&pair, &options).await.map_err(failed)? {
                return Err(Error::failed(refused_cas(key, pair.modify_index)));
            }
            "Data written to"
        } else if acquire {
            if !kv.acquire(&pair, &options).await.map_err(failed)? {
                return Err(Error::failed("Error! Did not acquire lock"));
            }
            "Lock acquired on"
        } else if release {
            // The reference names the key where the cause should stand, and scripts compare its text.
            let failed = |_| Error::failed(format!("Error! Failed writing data: {key}"));
            if !kv.release(&pair, &options).await.map_err(failed)? {
                return Err(Error::failed("Error! Did not release lock"));
            }
            "Lock released on"
        } else {
            kv.put(&pair, &options).await.map_err(failed)?;
            "Data written to"
        };
        invocation.terminal.say(format!("Success! {success}: {key}"));
        Ok(())
    })
}

fn refused_cas(key: &str, index: u64) -> String {
    if index == 0 {
        format!("Error! Did not write to {key}: CAS performed with index=0 and key already exists.")
    } else {
        format!("Error! Did not write to {key}: CAS failed")
    }
}

/// Decodes base64. When it is wrong somewhere, answers what stands before that and the fault: the reference writes it.
fn decode_leniently(text: &[u8]) -> (Vec<u8>, Option<base64_bytes::IllegalBase64>) {
    match base64_bytes::decode(text) {
        Ok(bytes) => (bytes, None),
        Err(fault) => {
            let good = text.get(..fault.0).unwrap_or(text);
            let symbols: Vec<u8> = good.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
            let whole_groups = symbols.len() - symbols.len() % 4;
            (base64_bytes::decode(&symbols[..whole_groups]).unwrap_or_default(), Some(fault))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_base64_yields_what_stands_before_the_fault() {
        for (text, bytes, fault) in [
            ("aGVsbG8=", "hello", None),
            ("aGVs\nbG8=\n", "hello", None),
            ("aGVs!!!", "hel", Some(4)),
            ("aGVsb", "hel", Some(4)),
            ("!", "", Some(0)),
            ("aGk=x", "hi", Some(4)),
        ] {
            let (got, error) = decode_leniently(text.as_bytes());
            assert_eq!((got.as_slice(), error.map(|e| e.0)), (bytes.as_bytes(), fault), "{text}");
        }
    }
}
