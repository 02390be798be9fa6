//! Page: a document as one HTML file that needs nothing else, neither a network nor a script.
//!
//! Owns the page's shape and what stands in it; plots are drawn by `plot`, and everything foreign is escaped by the
//! template. `compare` says what is different, and the page shows it. Measures nothing.

mod colour;
mod load;
mod plot;
mod rows;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::Serialize;

use crate::compare::{self, Comparison};
use crate::results::{Document, Machine};
use crate::{document, report, series};

/// The name ends in `.html`, by which the engine knows that it must escape.
const TEMPLATE_NAME: &str = "page.html";
const TEMPLATE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
/// Characters of a shell word that need no quotes.
const PLAIN: &str = "-_./:=,@%+";

/// What `loadtest page` is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// Results as written by --json
    #[arg(value_name = "FILE.json")]
    results: PathBuf,
    /// The page to write
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
}

/// Everything that the template shows.
#[derive(Debug, Serialize)]
struct Page {
    title: String,
    /// One, or two that are compared.
    runs: Vec<Run>,
    /// What casts doubt on the figures.
    warnings: Vec<String>,
    sections: Vec<Section>,
}

/// Where the figures come from.
#[derive(Debug, Serialize)]
struct Run {
    /// `A` and `B` when there are two.
    name: Option<&'static str>,
    started_at: String,
    command: String,
    machine: Vec<(&'static str, String)>,
}

/// A part with a heading of its own.
#[derive(Debug, Serialize)]
struct Section {
    title: String,
    figures: Vec<Figure>,
}

/// Plots that belong together, and a table with the same numbers.
#[derive(Debug, Default, Serialize)]
struct Figure {
    title: String,
    note: String,
    keys: Vec<Key>,
    plots: Vec<Plot>,
    tables: Vec<Table>,
    /// Tables too long to stand open.
    is_folded: bool,
}

/// What a colour stands for.
#[derive(Debug, Clone, Serialize)]
struct Key {
    name: String,
    colour: &'static str,
    /// Lines have dashes, bars have none.
    is_bar: bool,
}

#[derive(Debug, Serialize)]
struct Plot {
    title: String,
    /// Markup of ours: the one thing that is not escaped.
    svg: Value,
}

/// The first cell of each row is its heading.
#[derive(Debug, Default, Serialize)]
struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    text: TableText,
}

/// Which cells hold sentences: those are broken into lines, figures never.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
enum TableText {
    #[default]
    Figures,
    /// The last cell of each row is a note.
    Noted,
    Prose,
}

/// Does what `request` says.
///
/// # Errors
///
/// When the file is no document, or the page cannot be written.
pub(crate) fn run(request: &Request) -> anyhow::Result<()> {
    write(&document::read(&request.results)?, &request.html)
}

/// Keeps `document` in the files that were asked for: as data in `json`, to be looked at in `html`.
///
/// # Errors
///
/// When one of them cannot be made.
pub(crate) fn keep(document: &Document, json: Option<&Path>, html: Option<&Path>) -> anyhow::Result<()> {
    if let Some(file) = json {
        document::write(document, file)?;
    }
    if let Some(file) = html {
        write(document, file)?;
    }
    Ok(())
}

/// Shows `document` in `file`.
///
/// # Errors
///
/// When a histogram of it is none, or the file cannot be written.
pub(crate) fn write(document: &Document, file: &Path) -> anyhow::Result<()> {
    put(&html(document)?, file)
}

/// Shows what is different between `a` and `b` in `file`.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn write_comparison(
    a: &Document,
    b: &Document,
    comparison: &Comparison,
    file: &Path,
) -> anyhow::Result<()> {
    let mut sections: Vec<Section> = rows::comparison(comparison)?;
    sections.push(rows::rivals("Who was measured in A", a));
    sections.push(rows::rivals("Who was measured in B", b));
    let page = Page {
        title: "Load tests compared".to_owned(),
        runs: vec![Run::of(Some("A"), a), Run::of(Some("B"), b)],
        warnings: comparison.warnings.clone(),
        sections,
    };
    put(&render(&page)?, file)
}

fn html(document: &Document) -> anyhow::Result<String> {
    let mut sections = Vec::new();
    if !document.budget.is_empty() {
        sections.push(rows::budget(document)?);
    }
    let loads = series::by_load(document);
    for (load, found) in &loads {
        sections.push(load::section(document, load, found)?);
    }
    if !document.rivals.is_empty() {
        sections.push(rows::rivals("Who was measured", document));
    }
    let mut scenarios: Vec<&str> = Vec::new();
    for (load, _) in &loads {
        if !scenarios.contains(&load.scenario.as_str()) {
            scenarios.push(&load.scenario);
        }
    }
    let title = match scenarios.is_empty() {
        true => "Load test".to_owned(),
        false => format!("Load test: {}", scenarios.join(", ")),
    };
    let warnings = compare::document_warnings(document);
    render(&Page { title, runs: vec![Run::of(None, document)], warnings, sections })
}

fn render(page: &Page) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.add_template(TEMPLATE_NAME, TEMPLATE).context("read the page's template")?;
    let style = Value::from_safe_string(format!("{STYLE}\n{}", colour::rules()));
    let template = environment.get_template(TEMPLATE_NAME).context("find the page's template")?;
    template
        .render(minijinja::context! { page => Value::from(Serde(page)), style => style })
        .context("fill in the page")
}

fn put(html: &str, file: &Path) -> anyhow::Result<()> {
    fs::write(file, html).with_context(|| format!("write {}", file.display()))
}

impl Run {
    fn of(name: Option<&'static str>, document: &Document) -> Self {
        let notes = document.notes.iter().map(|note| ("Note", note.clone()));
        Self {
            name,
            started_at: document.started_at.clone(),
            command: command(&document.command),
            machine: machine(&document.machine).into_iter().chain(notes).collect(),
        }
    }
}

/// The line to type into a shell to do it again.
fn command(arguments: &[String]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
        match !argument.is_empty() && argument.chars().all(is_plain) {
            true => argument.clone(),
            false => format!("'{}'", argument.replace('\'', "'\\''")),
        }
    });
    quoted.collect::<Vec<String>>().join(" ")
}

fn machine(machine: &Machine) -> Vec<(&'static str, String)> {
    vec![
        ("Processor", machine.processor.clone()),
        ("Cores", report::count(machine.cores)),
        ("Memory", format!("{} MiB", report::count(machine.memory_bytes >> 20))),
        ("System", machine.system.clone()),
        ("Kernel", machine.kernel.clone()),
        ("File system", machine.file_system.clone()),
    ]
}
