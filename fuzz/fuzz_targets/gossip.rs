//! Any bytes as gossip: the first byte chooses between a packet, a stream's request, and a stream's reply, and whether the pool is
//! encrypted (then most is refused). A core that has heard it still keeps time, still has itself as a member, and still sends.
#![no_main]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip::{Admission, Core, CoreSettings, Effect, ExchangeId, Input, Keyring, Member, Profile, StreamDecoder, StreamId};
use libfuzzer_sys::fuzz_target;

struct Everyone;

impl Admission for Everyone {
    fn admit(&self, _: &[Member], _: bool) -> Result<(), String> {
        Ok(())
    }
}

fn core(encrypted: bool) -> Core {
    let settings = CoreSettings {
        name: "own".to_owned(),
        advertise: SocketAddr::from((Ipv4Addr::LOCALHOST, 8301)),
        tags: BTreeMap::from([("role".to_owned(), "node".to_owned())]),
        profile: Profile::lan(),
        keyring: encrypted.then(|| Keyring::new(&[vec![7; 16]]).expect("a key")),
        verify_incoming: false,
        verify_outgoing: true,
        allowed: Vec::new(),
        resolve_conflicts: true,
        rejoin_after_leave: false,
        snapshot: None,
        seed: 1,
    };
    Core::new(settings, Arc::new(Everyone), Duration::ZERO).expect("a core")
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first() else { return };
    let from = SocketAddr::from(([10, 0, 0, 9], 8301));
    let mut core = core(choice & 8 != 0);
    let data = Bytes::copy_from_slice(bytes);
    // In pieces, as a stream brings it.
    let mut decoder = StreamDecoder::new(1 << 20);
    let frame = bytes.chunks(7).find_map(|piece| decoder.push(piece).transpose()).and_then(Result::ok);
    let input = match choice & 3 {
        0 => Input::StreamRequest { id: StreamId(1), from, frame: frame.unwrap_or(data) },
        1 => Input::ExchangeReply { id: ExchangeId(1), reply: Ok(frame.unwrap_or(data)) },
        _ => Input::Packet { from, data },
    };
    core.handle(input, Duration::from_millis(1));
    for second in 1..5 {
        core.handle(Input::Tick, Duration::from_secs(second));
        while let Some(effect) = core.poll() {
            if let Effect::Send { packet, .. } = effect {
                assert!(packet.len() <= 1 << 16);
            }
        }
    }
    assert!(core.member("own").is_some());
});
