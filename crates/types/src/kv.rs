//! Keys and values.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Name of an entry: any bytes, shared cheaply. Usually UTF-8; JSON shows other bytes as U+FFFD.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True for the empty key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Key {
    fn default() -> Self {
        Key(Arc::from(&[][..]))
    }
}

impl From<&[u8]> for Key {
    fn from(bytes: &[u8]) -> Self {
        Key(Arc::from(bytes))
    }
}

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Key(Arc::from(bytes))
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Key(Arc::from(text.as_bytes()))
    }
}

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&String::from_utf8_lossy(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("string")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Key, E> {
                Ok(Key::from(v))
            }
            fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Key, E> {
                Ok(Key::from(v))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Key, E> {
                Ok(Key::default())
            }
            fn visit_none<E: de::Error>(self) -> Result<Key, E> {
                Ok(Key::default())
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(KeyVisitor)
        } else {
            deserializer.deserialize_bytes(KeyVisitor)
        }
    }
}

/// One entry of the key/value store (`docs/spec/http-api.md` §6).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DirEntry {
    /// How often the key has been freshly locked.
    pub lock_index: u64,
    /// The entry's name.
    pub key: Key,
    /// Free number of the client's.
    pub flags: u64,
    /// The value; empty and absent are the same.
    #[serde(with = "wire::json::base64_bytes")]
    pub value: Bytes,
    /// ID of the session that holds the lock; empty when unlocked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// Index of the write that created the entry.
    pub create_index: u64,
    /// Index of the last write that changed it.
    pub modify_index: u64,
}

/// What to do with an entry. The names are the wire's, shared by KV requests and transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum KvOp {
    #[default]
    #[serde(rename = "")]
    None,
    Set,
    Delete,
    DeleteCas,
    DeleteTree,
    Cas,
    Lock,
    Unlock,
    Get,
    GetOrEmpty,
    GetTree,
    CheckSession,
    CheckIndex,
    CheckNotExists,
}

impl KvOp {
    const NAMES: [(&'static str, KvOp); 13] = [
        ("set", KvOp::Set),
        ("delete", KvOp::Delete),
        ("delete-cas", KvOp::DeleteCas),
        ("delete-tree", KvOp::DeleteTree),
        ("cas", KvOp::Cas),
        ("lock", KvOp::Lock),
        ("unlock", KvOp::Unlock),
        ("get", KvOp::Get),
        ("get-or-empty", KvOp::GetOrEmpty),
        ("get-tree", KvOp::GetTree),
        ("check-session", KvOp::CheckSession),
        ("check-index", KvOp::CheckIndex),
        ("check-not-exists", KvOp::CheckNotExists),
    ];

    /// The verb of this name, if there is one.
    pub fn parse(name: &str) -> Option<KvOp> {
        Self::NAMES.iter().find(|(n, _)| *n == name).map(|(_, op)| *op)
    }

    /// The verb's name on the wire.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(_, op)| *op == self).map_or("", |(n, _)| n)
    }

    /// True for a verb that changes the store.
    pub fn is_write(self) -> bool {
        use KvOp::{Cas, Delete, DeleteCas, DeleteTree, Lock, Set, Unlock};
        matches!(self, Set | Delete | DeleteCas | DeleteTree | Cas | Lock | Unlock)
    }
}

/// Command 2 of the replicated log: one write to the key/value store.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct KvRequest {
    /// Target datacenter; empty for the local one.
    pub datacenter: String,
    /// Name of the operation, see [`KvOp`]; kept as text so that an unknown one can be named in its error.
    pub op: String,
    /// The entry to write; only `Key` matters for deletes.
    pub dir_ent: DirEntry,
    /// Secret of the caller's token.
    pub token: String,
}
