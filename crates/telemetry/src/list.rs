//! Lists as field values.

use std::fmt::{self, Debug, Display, Formatter};

/// Opens a list on its way through `tracing`, which hands a subscriber nothing but something to format. A Unicode
/// noncharacter: no text of ours starts with it.
const OPEN: char = '\u{FFFF}';
/// Ends each item of a list on its way through `tracing`.
const END_OF_ITEM: char = '\0';

/// A list of values for a log field: `["a", "b"]` in text, an array of strings in JSON.
///
/// ```text
/// tracing::info!(target: "agent", lan_addresses = ?telemetry::List(&addresses), "(LAN) joining");
/// ```
pub struct List<'a, T>(pub &'a [T]);

impl<T: Display> Debug for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // The minus flag, which no standard type reads, says that the reader is `split` below.
        if !f.sign_minus() {
            return f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish();
        }
        write!(f, "{OPEN}")?;
        for item in self.0 {
            write!(f, "{item}{END_OF_ITEM}")?;
        }
        Ok(())
    }
}

/// The items of a [`List`] that was formatted with `{:-?}`, or nothing when the text is no list.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    let items = text.strip_prefix(OPEN)?;
    Some(items.split_terminator(END_OF_ITEM).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_survive_the_way_through_a_formatter() {
        let cases: [&[&str]; 4] = [&[], &[""], &["a"], &["a b", "", "c"]];
        for items in cases {
            assert_eq!(split(&format!("{:-?}", List(items))).unwrap(), items, "{items:?}");
        }
    }

    #[test]
    fn other_readers_see_a_plain_list() {
        assert_eq!(format!("{:?}", List(&["a", "b"])), r#"["a", "b"]"#);
    }
}
