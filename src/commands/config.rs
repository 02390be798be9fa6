//! `holdfast config show`: what the server would run with, and why.

use std::io::{self, Write};

use anyhow::Context as _;

use crate::cli::Failure;
use crate::config::{Effective, Row};

/// Prints every setting with its source, as a table or as JSON.
///
/// # Errors
///
/// When stdout cannot be written.
pub fn show(effective: &Effective, as_json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let text = if as_json { json(&effective.table) } else { table(&effective.table) };
    out.write_all(text.as_bytes()).context("write the settings")?;
    Ok(())
}

fn json(rows: &[Row]) -> String {
    let object: serde_json::Map<_, _> = rows
        .iter()
        .map(|row| {
            let told = serde_json::json!({ "value": row.value, "source": row.source });
            (row.name.to_owned(), told)
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Object(object))
}

fn table(rows: &[Row]) -> String {
    let value = |row: &Row| row.value.clone().unwrap_or_else(|| "-".to_owned());
    let width = |of: &dyn Fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let name_width = width(&|row| row.name.len());
    let value_width = width(&|row| value(row).chars().count());
    rows.iter()
        .map(|row| format!("{:name_width$}  {:value_width$}  {}\n", row.name, value(row), row.source))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Inputs, load};

    #[test]
    fn json_names_value_and_source_of_each() {
        let effective = load(&Inputs::default()).unwrap();
        let told: serde_json::Value = serde_json::from_str(&json(&effective.table)).unwrap();
        assert_eq!(told["listen"], serde_json::json!({ "value": "127.0.0.1:3000", "source": "default" }));
        assert_eq!(told["redis_url"], serde_json::json!({ "value": null, "source": "default" }));
    }

    #[test]
    fn table_lines_up() {
        let effective = load(&Inputs::default()).unwrap();
        let text = table(&effective.table);
        assert_eq!(text.lines().count(), effective.table.len());
        let columns: Vec<_> = text.lines().map(|line| line.rfind("  default")).collect();
        assert!(columns.iter().all(|column| *column == columns[0]), "{text}");
    }
}
