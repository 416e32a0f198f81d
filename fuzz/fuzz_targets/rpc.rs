//! Any bytes as the body of a request, and of a reply, of any method of the server port. The first byte chooses the method. What
//! decodes encodes, and then decodes again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use types::method::*;
use types::rpc::RpcMethod;

fn check<M: RpcMethod>(body: &[u8]) {
    if let Ok(request) = M::decode_request(body) {
        let mut again = Vec::new();
        M::encode_request(&request, &mut again).expect("what was decoded can be encoded");
        assert!(M::decode_request(&again).is_ok(), "{}", M::NAME);
    }
    if let Ok(reply) = M::decode_reply(body) {
        let mut again = Vec::new();
        M::encode_reply(&reply, &mut again).expect("what was decoded can be encoded");
        assert!(M::decode_reply(&again).is_ok(), "{}", M::NAME);
    }
}

macro_rules! checks {
    ($($name:ident)*) => {
        const CHECKS: &[fn(&[u8])] = &[$(check::<$name>),*];
    };
}

types::for_each_method!(checks);

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    CHECKS[usize::from(*choice) % CHECKS.len()](body);
});
