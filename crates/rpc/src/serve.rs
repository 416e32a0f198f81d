//! The server's side of a stream of calls (`docs/spec/rpc-and-state.md` §2.1).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use telemetry::metrics::{self, Counter};
use wire::msgpack;

use crate::channel::Channel;
use crate::codec::{CallStream, EMPTY_BODY, REQUEST_MAX_BYTES, ReadError, RequestHeader, response_header};
use crate::dispatch::{Dispatch, DispatchError};

static REQUESTS: LazyLock<Counter> = LazyLock::new(|| metrics::counter("rpc.request"));
static REQUEST_ERRORS: LazyLock<Counter> = LazyLock::new(|| metrics::counter("rpc.request_error"));

/// The peer of a connection, as log lines name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from={}", self.0)
    }
}

/// Why a stream of calls is closed by the server.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    /// Told to the client before.
    #[error("{0}")]
    Refused(String),
    #[error("rpc: server cannot decode request: {0}")]
    Header(String),
    #[error("{0}")]
    Body(ReadError),
    #[error(transparent)]
    Send(io::Error),
}

impl ServeError {
    /// Whether it is only the peer that went away.
    fn is_farewell(&self) -> bool {
        match self {
            ServeError::Body(ReadError::Eof) => true,
            ServeError::Send(error) => matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ),
            _ => false,
        }
    }
}

/// Whether the stream goes on.
enum Next {
    Call,
    End,
}

/// Answers the calls of one stream, in order, until it ends.
pub(crate) async fn serve(channel: Channel, dispatch: Arc<dyn Dispatch>, from: SocketAddr) {
    let mut stream = CallStream::new(channel);
    loop {
        match serve_one(&mut stream, &*dispatch, from).await {
            Ok(Next::Call) => REQUESTS.one(),
            Ok(Next::End) => return,
            Err(error) => {
                if !error.is_farewell() {
                    tracing::error!(target: "agent.server.rpc", conn = %Peer(from), error = %error, "RPC error");
                    REQUEST_ERRORS.one();
                }
                return;
            }
        }
    }
}

async fn serve_one(stream: &mut CallStream, dispatch: &dyn Dispatch, from: SocketAddr) -> Result<Next, ServeError> {
    let header = match stream.value(REQUEST_MAX_BYTES).await {
        Ok(Some(header)) => header,
        Ok(None) | Err(ReadError::Eof) => return Ok(Next::End),
        Err(error) => return Err(ServeError::Header(error.to_string())),
    };
    let header: RequestHeader<'_> =
        msgpack::from_slice(&header).map_err(|error| ServeError::Header(error.to_string()))?;
    let (seq, method) = (header.seq, &*header.service_method);
    let body = match stream.value(REQUEST_MAX_BYTES).await {
        Ok(Some(body)) => body,
        Ok(None) => return Err(ServeError::Body(ReadError::Eof)),
        Err(error @ ReadError::Msgpack(_)) => return Err(refuse(stream, seq, method, error.to_string()).await),
        Err(error) => return Err(ServeError::Body(error)),
    };
    if !method.contains('.') {
        let text = format!("rpc: service/method request ill-formed: {method}");
        return Err(refuse(stream, seq, method, text).await);
    }
    // A caller that leaves takes its call along: nobody would read the answer of a query that waits for minutes.
    let result = tokio::select! {
        biased;
        result = dispatch.call(method, body, from) => result,
        () = stream.gone() => return Ok(Next::End),
    };
    match result {
        Ok(reply) => {
            let header = response_header(seq, method, "");
            stream.send(&header, Bytes::from(reply)).await.map_err(ServeError::Send)?;
            Ok(Next::Call)
        }
        Err(DispatchError::Failed(text)) => {
            answer_error(stream, seq, method, &text).await.map_err(ServeError::Send)?;
            Ok(Next::Call)
        }
        Err(DispatchError::BadRequest(text)) => Err(refuse(stream, seq, method, text).await),
        Err(unknown @ (DispatchError::UnknownService | DispatchError::UnknownMethod)) => {
            let text = format!("{unknown} {method}");
            Err(refuse(stream, seq, method, text).await)
        }
    }
}

/// Answers with an error after which the stream is closed.
async fn refuse(stream: &mut CallStream, seq: u64, method: &str, text: String) -> ServeError {
    match answer_error(stream, seq, method, &text).await {
        Ok(()) => ServeError::Refused(text),
        Err(error) => ServeError::Send(error),
    }
}

async fn answer_error(stream: &mut CallStream, seq: u64, method: &str, text: &str) -> io::Result<()> {
    stream.send(&response_header(seq, method, text), Bytes::from_static(EMPTY_BODY)).await
}

#[cfg(test)]
mod tests {
    use net::BoxFuture;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::codec::request_header;

    struct Methods;

    impl Dispatch for Methods {
        fn call<'a>(
            &'a self,
            method: &'a str,
            body: Bytes,
            _from: SocketAddr,
        ) -> BoxFuture<'a, Result<Vec<u8>, DispatchError>> {
            Box::pin(async move {
                match method {
                    "Status.Ping" => Ok(EMPTY_BODY.to_vec()),
                    "Echo.Body" => Ok(body.to_vec()),
                    "Fail.Now" => Err(DispatchError::Failed("No cluster leader".to_owned())),
                    "Fail.Decode" => Err(DispatchError::BadRequest("cannot decode".to_owned())),
                    "Status.Unknown" => Err(DispatchError::UnknownMethod),
                    _ => Err(DispatchError::UnknownService),
                }
            })
        }
    }

    fn from() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    /// Everything the server answers to these bytes, after which the client says no more.
    async fn answers(request: &[u8]) -> Vec<u8> {
        let (mut near, far) = tokio::io::duplex(1024 * 1024);
        near.write_all(request).await.unwrap();
        near.shutdown().await.unwrap();
        serve(Channel::Conn(Box::new(far)), Arc::new(Methods), from()).await;
        let mut answers = Vec::new();
        near.read_to_end(&mut answers).await.unwrap();
        answers
    }

    fn request(method: &str) -> Vec<u8> {
        [request_header(7, method).as_slice(), EMPTY_BODY].concat()
    }

    fn answer(method: &str, error: &str) -> Vec<u8> {
        [response_header(7, method, error).as_slice(), EMPTY_BODY].concat()
    }

    #[tokio::test]
    async fn a_ping_is_answered_byte_by_byte_as_the_reference_does() {
        let bytes = answers(b"\x82\xa3Seq\x01\xadServiceMethod\xabStatus.Ping\x80").await;
        assert_eq!(bytes, b"\x83\xa5Error\xa0\xa3Seq\x01\xadServiceMethod\xabStatus.Ping\x80");
    }

    #[tokio::test]
    async fn calls_in_a_row_are_answered_in_order_until_one_ends_the_stream() {
        let table = [
            // (method, error text, whether the stream goes on)
            ("Status.Ping", "", true),
            ("Fail.Now", "No cluster leader", true),
            ("Fail.Decode", "cannot decode", false),
            ("Status.Unknown", "rpc: can't find method Status.Unknown", false),
            ("Nothing.Here", "rpc: can't find service Nothing.Here", false),
            ("nodot", "rpc: service/method request ill-formed: nodot", false),
        ];
        for (method, error, goes_on) in table {
            let bytes = answers(&[request(method), request("Status.Ping")].concat()).await;
            let mut expected = answer(method, error);
            if goes_on {
                expected.extend(answer("Status.Ping", ""));
            }
            assert_eq!(bytes, expected, "{method}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_not_answered() {
        for garbage in [b"\xc1".as_slice(), b"\xa3abc\x80", b"\x93\x01\x02\x03", b"\x81\xa3Seq\xa1x\x80", b"\x82\xa3Se"]
        {
            assert_eq!(answers(garbage).await, b"", "{garbage:02x?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_no_value_is_refused() {
        let bytes = answers(&[request_header(7, "Status.Ping").as_slice(), b"\xc1"].concat()).await;
        let text = msgpack::Scanner::default().scan(b"\xc1").unwrap_err().to_string();
        assert_eq!(bytes, answer("Status.Ping", &text));
    }

    #[tokio::test]
    async fn a_long_body_comes_back_whole() {
        let body = [b"\xdb\x00\x08\x00\x00".as_slice(), &vec![b'x'; 0x8_0000]].concat();
        let bytes = answers(&[request_header(7, "Echo.Body").as_slice(), &body].concat()).await;
        assert_eq!(bytes, [response_header(7, "Echo.Body", "").as_slice(), &body].concat());
    }
}
