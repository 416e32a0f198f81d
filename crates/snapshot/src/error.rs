//! What can be wrong with an archive, in the reference's words where it has any.

use std::fmt::{self, Display, Formatter};
use std::io;

/// A member of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member {
    /// `meta.json`.
    Meta,
    /// `state.bin`.
    State,
    /// `SHA256SUMS`.
    Sums,
}

impl Member {
    /// The member's file name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta.json",
            Self::State => "state.bin",
            Self::Sums => "SHA256SUMS",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        [Self::Meta, Self::State, Self::Sums].into_iter().find(|member| member.name().as_bytes() == name)
    }

    /// What the reference says it could not do when the member's bytes end or fail.
    fn reading(self) -> &'static str {
        match self {
            Self::Meta => "failed to read snapshot metadata",
            Self::State => "failed to read or write snapshot data",
            Self::Sums => "failed to read snapshot hashes",
        }
    }
}

impl Display for Member {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an archive could not be read or written, or a state not be inspected (`docs/spec/server-operations.md` §9.2).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input does not start like gzip.
    #[error("failed to decompress snapshot: {0}")]
    Decompress(String),
    /// The gzip stream ends or breaks between members.
    #[error("failed to read snapshot file: failed reading snapshot: {0}")]
    Container(String),
    /// A tar header that no writer makes.
    #[error("failed to read snapshot file: failed reading snapshot: archive/tar: invalid tar header")]
    TarHeader,
    /// A member's bytes end or break, or the state could not be handed on.
    #[error("failed to read snapshot file: {}: {cause}", member.reading())]
    Content {
        /// The member being read.
        member: Member,
        /// What happened.
        cause: String,
    },
    /// `meta.json` is not what it should be.
    #[error("failed to read snapshot file: failed to decode snapshot metadata: {0}")]
    Metadata(String),
    /// The archive holds something else.
    #[error("failed to read snapshot file: unexpected file {0:?} in snapshot")]
    UnexpectedFile(String),
    /// A link, folder or device in place of a file.
    #[error("failed to read snapshot file: \"{0}\" in snapshot is not a regular file")]
    NotRegular(Member),
    /// A member comes twice.
    #[error("failed to read snapshot file: duplicate file \"{0}\" in snapshot")]
    Duplicate(Member),
    /// A member, or the tar headers before one, are longer than anything legitimate.
    #[error("failed to read snapshot file: {what} is larger than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit_bytes: u64,
    },
    /// `state.bin` has another length than `meta.json` says.
    #[error("failed to read snapshot file: \"state.bin\" has {actual} bytes where \"meta.json\" says {declared}")]
    StateSize {
        /// The length in `meta.json`.
        declared: u64,
        /// The length found.
        actual: u64,
    },
    /// `SHA256SUMS` names a file that is no member.
    #[error("failed to read snapshot file: failed checking integrity of snapshot: list missing hash for {0:?}")]
    UnknownSum(String),
    /// A line of `SHA256SUMS` is no hash and name.
    #[error("failed to read snapshot file: failed checking integrity of snapshot: bad line {0} in \"SHA256SUMS\"")]
    BadSum(usize),
    /// A member's bytes have another hash.
    #[error("failed to read snapshot file: failed checking integrity of snapshot: hash check failed for \"{0}\"")]
    HashMismatch(Member),
    /// A member or its hash is not there.
    #[error("failed to read snapshot file: failed checking integrity of snapshot: file missing for \"{0}\"")]
    MissingFile(Member),
    /// The gzip stream ends or breaks behind the members.
    #[error("{0}")]
    Tail(String),
    /// The gzip stream goes on behind the members.
    #[error("{0} unread uncompressed bytes remain")]
    Unread(u64),
    /// The state to be archived ends early, goes on too long, or cannot be read.
    #[error("failed to write snapshot, size didn't match ({actual} != {declared})")]
    SourceSize {
        /// The length in the metadata.
        declared: u64,
        /// How much of it there was; one more than declared stands for any longer state.
        actual: u64,
    },
    /// The state to be archived cannot be read.
    #[error("failed to read snapshot state: {0}")]
    Source(#[source] io::Error),
    /// The archive cannot be written.
    #[error("failed to write snapshot archive: {0}")]
    Write(#[source] io::Error),
    /// The metadata cannot be put in writing.
    #[error("failed to encode snapshot metadata: {0}")]
    EncodeMeta(String),
    /// The state has no header.
    #[error("{0}")]
    StateHeader(String),
    /// A record of the state cannot be decoded.
    #[error("failed to decode msg type {kind}, error {cause}")]
    Record {
        /// The name of the record's type.
        kind: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The state cannot be read any further.
    #[error("failed to read snapshot state: {0}")]
    State(String),
    /// The statistics cannot be put in writing.
    #[error("failed to encode snapshot statistics: {0}")]
    Report(#[from] wire::json::JsonError),
}

/// What broke in a stream of decompressed bytes, in the words of the reference's libraries.
pub(crate) fn stream_text(error: &io::Error) -> String {
    let text = error.to_string();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected EOF".to_owned(),
        _ if text.contains("checksum") => "gzip: invalid checksum".to_owned(),
        _ if text.contains("gzip header") => "gzip: invalid header".to_owned(),
        _ if text.contains("deflate") => "flate: corrupt input".to_owned(),
        _ => text,
    }
}
