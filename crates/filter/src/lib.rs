//! Filter expressions: parse once, evaluate against values without serialising them.
//!
//! The language is the reference's (`docs/spec/http-api.md` §2). [`Expression::parse`] reads the text, [`Expression::bind`]
//! checks it against what a type offers ([`Fields`]) and gives a [`Filter`]; nothing is left to fail when values are tested.
//!
//! ```
//! use filter::Filter;
//! use types::Node;
//!
//! let filter = Filter::<Node>::new("Node matches `^db-` and Meta.rack != r1")?;
//! assert!(filter.matches(&Node { node: "db-1".into(), ..Node::default() }));
//!
//! let error = Filter::<Node>::new("Rack == r1").unwrap_err();
//! assert_eq!(error.to_string(), r#"Selector "Rack" is not valid"#);
//! # Ok::<(), filter::FilterError>(())
//! ```
//!
//! [`re2`] compiles regular expressions, those of filters and of everything else that takes them from users.
#![forbid(unsafe_code)]

mod access;
mod bind;
mod coerce;
mod error;
mod expression;
mod filter;
mod parse;
mod quote;
pub mod re2;
mod scan;
mod schema;

pub use access::{Access, Each, Entries, Field, Fields, Nested, Through};
pub use bind::{Predicate, Reach};
pub use error::{CREATE_ERROR_PREFIX, Fault, FilterError, ParseError};
pub use expression::{Expression, Match, Operator, Selector};
pub use filter::Filter;
pub use parse::{MAX_DEPTH, MAX_LENGTH_BYTES};
pub use schema::NodeInfo;
