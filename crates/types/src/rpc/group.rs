//! The two groups of fields that every read and every answer to one carries flat among its own
//! (`docs/spec/rpc-and-state.md` §2.5): one macro for each defines a struct with its own fields and the group's.
//!
//! Fields stand in the order in which the reference declares them, so that a struct sent as a list is read right.

/// A request that reads: its own fields, then the group `QO`.
macro_rules! request {
    ($(#[$doc:meta])* $name:ident<$a:lifetime> { $($(#[$attr:meta])* $key:literal $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub(super) struct $name<$a> {
            $($(#[$attr])* #[serde(rename = $key)] $field: $type,)*
            #[serde(rename = "Token")]
            token: std::borrow::Cow<$a, str>,
            #[serde(rename = "MinQueryIndex")]
            min_query_index: u64,
            #[serde(rename = "MaxQueryTime")]
            max_query_time: wire::GoDuration,
            #[serde(rename = "AllowStale")]
            allow_stale: bool,
            #[serde(rename = "RequireConsistent")]
            require_consistent: bool,
            #[serde(rename = "UseCache")]
            use_cache: bool,
            #[serde(rename = "MaxStaleDuration")]
            max_stale_duration: wire::GoDuration,
            #[serde(rename = "MaxAge")]
            max_age: wire::GoDuration,
            #[serde(rename = "MustRevalidate")]
            must_revalidate: bool,
            #[serde(rename = "StaleIfError")]
            stale_if_error: wire::GoDuration,
            #[serde(rename = "Filter")]
            filter: std::borrow::Cow<$a, str>,
            #[serde(rename = "AllowNotModifiedResponse")]
            allow_not_modified_response: bool,
        }

        impl<$a> $name<$a> {
            /// The same request with these options.
            fn with(mut self, options: &$a crate::QueryOptions) -> $name<$a> {
                self.token = std::borrow::Cow::Borrowed(&options.token);
                self.min_query_index = options.min_index;
                self.max_query_time = options.max_wait.into();
                self.allow_stale = options.consistency == crate::Consistency::Stale;
                self.require_consistent = options.consistency == crate::Consistency::Consistent;
                self.max_stale_duration = options.max_stale.into();
                self.filter = std::borrow::Cow::Borrowed(&options.filter);
                self
            }

            /// The options it came with. Whoever asks for both freshnesses gets the stronger one.
            fn take_options(&mut self, datacenter: String) -> crate::QueryOptions {
                crate::QueryOptions {
                    datacenter,
                    token: std::mem::take(&mut self.token).into_owned(),
                    consistency: match (self.require_consistent, self.allow_stale) {
                        (true, _) => crate::Consistency::Consistent,
                        (false, true) => crate::Consistency::Stale,
                        (false, false) => crate::Consistency::Default,
                    },
                    max_stale: self.max_stale_duration.as_std(),
                    min_index: self.min_query_index,
                    max_wait: self.max_query_time.as_std(),
                    filter: std::mem::take(&mut self.filter).into_owned(),
                    want: crate::Want::Answer,
                }
            }
        }
    };
}

/// An answer to a read: its own fields, then the group `QM`.
macro_rules! reply {
    ($(#[$doc:meta])* $name:ident<$a:lifetime> { $($(#[$attr:meta])* $key:literal $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub(super) struct $name<$a> {
            $($(#[$attr])* #[serde(rename = $key)] $field: $type,)*
            #[serde(rename = "Index")]
            index: u64,
            #[serde(rename = "LastContact")]
            last_contact: wire::GoDuration,
            #[serde(rename = "KnownLeader")]
            known_leader: bool,
            /// Never filled by a server.
            #[serde(rename = "ConsistencyLevel")]
            consistency_level: std::borrow::Cow<$a, str>,
            /// Never true: no request of ours allows it.
            #[serde(rename = "NotModified")]
            not_modified: bool,
            #[serde(rename = "Backend")]
            backend: i64,
            #[serde(rename = "ResultsFilteredByACLs")]
            filtered_by_acls: bool,
        }

        impl<$a> $name<$a> {
            /// The same answer with this about itself.
            fn with(mut self, meta: &crate::QueryMeta) -> $name<$a> {
                self.index = meta.index;
                self.last_contact = meta.last_contact.into();
                self.known_leader = meta.known_leader;
                self.backend = super::group::backend_number(meta.backend);
                self.filtered_by_acls = meta.filtered_by_acls;
                self
            }

            /// What it tells about itself.
            fn meta(&self) -> crate::QueryMeta {
                crate::QueryMeta {
                    index: self.index,
                    last_contact: self.last_contact.as_std(),
                    known_leader: self.known_leader,
                    backend: super::group::backend_of(self.backend),
                    filtered_by_acls: self.filtered_by_acls,
                    version: None,
                    waited: false,
                }
            }
        }
    };
}

pub(super) use {reply, request};

use crate::Backend;

const STREAMING: i64 = 1;

/// The reference's number of a backend.
pub(super) fn backend_number(backend: Backend) -> i64 {
    match backend {
        Backend::BlockingQuery => 0,
        Backend::Streaming => STREAMING,
    }
}

/// The backend with this number.
pub(super) fn backend_of(number: i64) -> Backend {
    if number == STREAMING { Backend::Streaming } else { Backend::BlockingQuery }
}
