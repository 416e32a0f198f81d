//! What can go wrong when a state is read back.

/// A `state.bin` could not be restored; the state is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Reading failed, or the data ended inside a record.
    #[error("failed to read snapshot data: {0}")]
    Read(#[from] std::io::Error),
    /// A value is not what the record's type promises.
    #[error("failed to decode {record} record: {cause}")]
    Decode {
        /// Label of the record's type, or `header`.
        record: String,
        /// What the decoder says.
        cause: String,
    },
    /// A record of the Enterprise edition; the text is the reference's (`docs/spec/rpc-and-state.md` §5.1).
    #[error("msg type <{0}> is a Consul Enterprise log entry. Consul OSS cannot restore it")]
    Enterprise(u8),
    /// A record type that does not exist in a snapshot.
    #[error("Unrecognized msg type {0}")]
    UnknownType(u8),
    /// A record contradicts another, or the rules of its table.
    #[error("failed to restore {record} record: {cause}")]
    Refused {
        /// Label of the record's type.
        record: &'static str,
        /// The rule.
        cause: String,
    },
}
