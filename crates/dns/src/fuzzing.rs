//! What the fuzz target calls; not for use.

use crate::codec::{self, Kind, Refusal};
use crate::message::{Cut, Reply};
use crate::{edns, name};

/// Reads bytes as a request and as a recursor's reply, writes what was read, and reads it again.
///
/// # Panics
/// When what was read is not written and read again the same.
pub fn fuzz(data: &[u8]) {
    if let Some(response) = codec::response(data) {
        assert!(response.answer.len() <= data.len() / 11, "a record takes at least eleven bytes");
    }
    let request = match codec::request(data) {
        Ok(request) => request,
        Err(Refusal::Silence | Refusal::Rejected { .. }) => return,
    };
    assert!(request.end <= data.len(), "the message ends within the packet");
    let Some(question) = &request.question else { return };
    let before_domain = question.name.as_str().to_ascii_lowercase();
    for kind in [Kind::A, Kind::SRV] {
        // Whether it has a form or not: only that it ends.
        let _ = name::parse(&before_domain, kind);
    }
    let reply = Reply {
        id: request.id,
        opcode: request.opcode,
        flags: 0,
        rcode: codec::Rcode::NoError,
        question: Some(question.clone()),
        answer: Vec::new(),
        authority: Vec::new(),
        additional: Vec::new(),
        edns: request.edns.map(|edns| edns::reply(&edns, true, codec::Rcode::NoError)),
    };
    for compress in [true, false] {
        let mut written = Vec::new();
        let outcome = reply.write(&Cut::nothing(&reply), compress, &mut written);
        assert!(outcome.is_ok(), "a name that was read can be written");
        assert!(written.len() <= reply.most_bytes(&Cut::nothing(&reply)), "the estimate is an upper bound");
        // As a request again: a reply differs by the QR bit alone.
        if let Some(flags) = written.get_mut(2) {
            *flags &= 0x7f;
        }
        let again = codec::request(&written);
        let same = again.is_ok_and(|again| again.question == request.question && again.end == written.len());
        assert!(same, "what was written is read again");
    }
}
