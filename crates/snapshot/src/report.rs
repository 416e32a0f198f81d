//! Statistics as the command line prints them (`docs/spec/cli.md` §7.3).

use serde::Serialize;
use wire::json::{INDENT_THREE_SPACES, to_vec_pretty};

use crate::{Error, Group, Meta, Stats};

/// Spaces between the widest cell of a column and the next column.
const CELL_PADDING: usize = 6;
/// Narrowest column, with its padding.
const MIN_CELL_WIDTH: usize = 8;
const RULE: &str = "----";

/// The tables, with a final line end.
pub fn pretty(meta: &Meta, stats: &Stats) -> String {
    let facts = [
        ["ID", &meta.id],
        ["Size", &meta.size.to_string()],
        ["Index", &meta.index.to_string()],
        ["Term", &meta.term.to_string()],
        ["Version", &meta.version.to_string()],
    ];
    let mut text = table(&facts.map(|row| row.map(str::to_owned)));
    text.push('\n');
    text.push_str(&groups_table("Type", &stats.kinds, stats.total_bytes));
    if !stats.keys.is_empty() {
        text.push('\n');
        text.push_str(&groups_table("Key Name", &stats.keys, stats.total_key_bytes));
    }
    text
}

/// The JSON object, indented by three spaces, with a final line end.
///
/// # Errors
///
/// [`Error::Report`].
pub fn json(meta: &Meta, stats: &Stats) -> Result<String, Error> {
    let report = Report {
        meta: ReportMeta { id: &meta.id, size: meta.size, index: meta.index, term: meta.term, version: meta.version },
        stats: stats.kinds.iter().map(Row::from).collect(),
        stats_kv: (!stats.keys.is_empty()).then(|| stats.keys.iter().map(Row::from).collect()),
        total_size: stats.total_bytes,
        total_size_kv: stats.total_key_bytes,
    };
    let mut bytes = to_vec_pretty(&report, INDENT_THREE_SPACES)?;
    bytes.push(b'\n');
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report<'a> {
    meta: ReportMeta<'a>,
    stats: Vec<Row<'a>>,
    #[serde(rename = "StatsKV")]
    stats_kv: Option<Vec<Row<'a>>>,
    total_size: u64,
    #[serde(rename = "TotalSizeKV")]
    total_size_kv: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReportMeta<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    size: u64,
    index: u64,
    term: u64,
    version: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    name: &'a str,
    sum: u64,
    count: u64,
}

impl<'a> From<&'a Group> for Row<'a> {
    fn from(group: &'a Group) -> Self {
        Self { name: &group.name, sum: group.bytes, count: group.count }
    }
}

fn groups_table(title: &str, groups: &[Group], total_bytes: u64) -> String {
    let rule = || [RULE; 3].map(str::to_owned);
    let mut rows = vec![[title, "Count", "Size"].map(str::to_owned), rule()];
    rows.extend(groups.iter().map(|group| [printable(&group.name), group.count.to_string(), size_text(group.bytes)]));
    rows.push(rule());
    rows.push(["Total".to_owned(), String::new(), size_text(total_bytes)]);
    table(&rows)
}

/// Rows in columns, each row behind a space.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [MIN_CELL_WIDTH; COLUMNS];
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let lead = usize::from(column == 0);
            widths[column] = widths[column].max(lead + cell.chars().count() + CELL_PADDING);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let shown = if column == 0 { format!(" {cell}") } else { cell.clone() };
            text.push_str(&shown);
            if column + 1 < COLUMNS {
                text.extend(std::iter::repeat_n(' ', widths[column] - shown.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}

/// A name that cannot break the table or the terminal, whatever keys the snapshot holds.
fn printable(name: &str) -> String {
    name.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// `1.5KB`: one decimal, none when it would be zero.
fn size_text(bytes: u64) -> String {
    const UNITS: [(u64, &str); 5] = [(1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"), (1, "B")];
    let Some((unit_bytes, unit)) = UNITS.into_iter().find(|(unit_bytes, _)| bytes >= *unit_bytes) else {
        return "0".to_owned();
    };
    let number = format!("{:.1}", bytes as f64 / unit_bytes as f64);
    format!("{}{unit}", number.strip_suffix(".0").unwrap_or(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, bytes: u64, count: u64) -> Group {
        Group { name: name.to_owned(), bytes, count }
    }

    fn example() -> (Meta, Stats) {
        let meta =
            Meta { version: 1, id: "2-13-1602222343947".to_owned(), index: 13, term: 2, size: 5141, ..Meta::default() };
        let kinds = vec![group("Register", 1750, 3), group("Index", 344, 12)];
        (meta, Stats { kinds, total_bytes: 2094, ..Stats::default() })
    }

    #[test]
    fn sizes_have_a_unit_and_one_decimal() {
        let cases = [
            (0, "0"),
            (1, "1B"),
            (1023, "1023B"),
            (1024, "1KB"),
            (1536, "1.5KB"),
            (1_048_575, "1024KB"),
            (1 << 20, "1MB"),
            (5 << 30, "5GB"),
            (3 << 40, "3TB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(size_text(bytes), expected);
        }
    }

    #[test]
    fn the_pretty_form_is_the_references() {
        let (meta, stats) = example();
        let expected = [
            " ID           2-13-1602222343947",
            " Size         5141",
            " Index        13",
            " Term         2",
            " Version      1",
            "",
            " Type          Count      Size",
            " ----          ----       ----",
            " Register      3          1.7KB",
            " Index         12         344B",
            " ----          ----       ----",
            " Total                    2KB",
            "",
        ];
        assert_eq!(pretty(&meta, &stats), expected.join("\n"));
    }

    #[test]
    fn key_groups_are_a_table_of_their_own() {
        let (meta, mut stats) = example();
        stats.keys = vec![group("a\u{1b}/é", 10, 1), group("", 9, 2)];
        stats.total_key_bytes = 19;
        let expected = [
            "",
            " Key Name       Count      Size",
            " ----           ----       ----",
            " a\\u{1b}/é      1          10B",
            "                2          9B",
            " ----           ----       ----",
            " Total                     19B",
            "",
        ];
        let text = pretty(&meta, &stats);
        assert!(text.ends_with(&expected.join("\n")), "{text}");
    }

    #[test]
    fn the_json_form_is_the_references() {
        let (meta, mut stats) = example();
        stats.kinds.truncate(1);
        stats.keys = vec![group("a<b", 10, 1)];
        let expected = r#"{
   "Meta": {
      "ID": "2-13-1602222343947",
      "Size": 5141,
      "Index": 13,
      "Term": 2,
      "Version": 1
   },
   "Stats": [
      {
         "Name": "Register",
         "Sum": 1750,
         "Count": 3
      }
   ],
   "StatsKV": [
      {
         "Name": "a\u003cb",
         "Sum": 10,
         "Count": 1
      }
   ],
   "TotalSize": 2094,
   "TotalSizeKV": 0
}
"#;
        assert_eq!(json(&meta, &stats).unwrap(), expected);
    }

    #[test]
    fn empty_statistics_have_an_empty_list_and_no_keys() {
        let text = json(&Meta::default(), &Stats::default()).unwrap();
        assert!(text.contains("\"Stats\": [],\n   \"StatsKV\": null,\n"), "{text}");
    }
}
