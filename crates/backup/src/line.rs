use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Manifest;

/// A line of a backup that is no row. Rows are arrays, so that the first character tells.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The first one.
    Manifest(Manifest),
    /// Before the rows of a table.
    Table(TableLine),
    /// After them: how many they were.
    Rows(u64),
    /// The last one: how many rows each table had.
    End(BTreeMap<String, u64>),
}

/// Which table, and what the values of its rows are.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TableLine {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
}

/// What a column can hold.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Cell {
    Integer(#[expect(dead_code, reason = "only its form matters")] i64),
    Text(#[expect(dead_code, reason = "only its form matters")] String),
}

/// Whether a text is a row of so many columns.
pub(crate) fn is_row(text: &str, columns: usize) -> bool {
    serde_json::from_str::<Vec<Option<Cell>>>(text).is_ok_and(|cells| cells.len() == columns)
}

/// The version of the format, of whatever version the line is.
pub(crate) fn format_of(line: &str) -> Option<u32> {
    #[derive(Deserialize)]
    struct First {
        manifest: Format,
    }
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let first: First = serde_json::from_str(line).ok()?;
    Some(first.manifest.format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_texts_numbers_and_nothing_else() {
        assert!(is_row(r#"["a", 9223372036854775807, null]"#, 3));
        assert!(!is_row(r#"["a", 1]"#, 3));
        for other in ["[true]", "[1.5]", "[[1]]", "[{}]", "[1", "{}", "[9e99]", ""] {
            assert!(!is_row(other, 1), "{other}");
        }
    }

    #[test]
    fn the_format_is_known_whatever_else_is_new() {
        assert_eq!(format_of(r#"{"manifest":{"format":7,"new":[1]}}"#), Some(7));
        assert_eq!(format_of(r#"{"table":{}}"#), None);
    }
}
