//! Tests of the page: that it is well formed, needs nothing else, shows every number, and believes no foreign text.

use super::*;
use crate::document::sample;
use crate::results::{Measurement, Slice};

/// Marks that end a name.
const NAME_ENDS: &[char] = &[' ', '\n', '=', '/', '>'];

/// The names of all elements of `html`, which must be as strict as XML.
///
/// # Panics
///
/// When an element is not closed in its turn, an attribute has no quotes or stands twice, or `&` and `<` are loose.
fn elements(html: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a page begins with its type");
    while let Some((text, tag)) = rest.split_once('<') {
        assert_text(text);
        let (mut inside, after) = tag_end(tag);
        rest = after;
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name.trim()), "closed in its turn");
            continue;
        }
        let is_closed = inside.ends_with('/');
        inside = inside.trim_end_matches('/').trim_end();
        let (name, mut attributes) = inside.split_once([' ', '\n']).unwrap_or((inside, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "an element's name: {name}");
        let mut seen = Vec::new();
        while !attributes.trim().is_empty() {
            let (key, value) = attributes.trim_start().split_once("=\"").expect("an attribute has quotes");
            assert!(!key.is_empty() && !key.contains(NAME_ENDS), "an attribute's name: {key}");
            assert!(!seen.contains(&key), "{key} stands twice in {name}");
            let (value, after) = value.split_once('"').expect("a quote that ends");
            assert_text(value);
            assert!(
                after.is_empty() || after.starts_with([' ', '\n']),
                "a space between attributes: {after}"
            );
            seen.push(key);
            attributes = after;
        }
        all.push(name.to_owned());
        if !is_closed {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    all
}

/// Splits where the tag ends: at a `>` that stands in no quotes.
fn tag_end(tag: &str) -> (&str, &str) {
    let mut is_quoted = false;
    for (at, c) in tag.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return (&tag[..at], &tag[at + 1..]),
            '<' => panic!("a loose < in {}", &tag[..at]),
            _ => {}
        }
    }
    panic!("a tag without an end: {tag}")
}

fn assert_text(text: &str) {
    assert!(!text.contains('>') && !text.contains('<'), "a loose mark in {text}");
    for entity in text.split('&').skip(1) {
        let name = entity.split_once(';').map(|(name, _)| name).unwrap_or_default();
        let is_known = ["amp", "lt", "gt", "quot", "apos"].contains(&name) || name.starts_with('#');
        assert!(is_known, "a loose & in {text}");
    }
}

/// The page of `document`, checked for what must hold of every page.
fn checked(document: &Document) -> String {
    let html = html(document).expect("a page");
    assert_sound(&html);
    html
}

fn assert_sound(html: &str) {
    let elements = elements(html);
    assert!(
        !elements.iter().any(|name| ["script", "link", "img", "iframe", "base"].contains(&name.as_str()))
    );
    let without_names = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for reference in ["http://", "https://", "src=", "url(", "@import", "javascript:"] {
        assert!(!without_names.contains(reference), "{reference} reaches out of the page");
    }
    for line in html.lines().filter(|line| {
        ["<poly", "<line", "<rect", "<circle", "<text"].iter().any(|tag| line.starts_with(tag))
    }) {
        assert!(!line.contains("NaN") && !line.contains("inf"), "{line}");
    }
    // What a screen reader needs.
    let times = |what: &str| html.matches(what).count();
    assert_eq!(times("<table"), times("<caption"));
    assert_eq!(times("viewBox"), times("role=\"img\"") + times("aria-hidden=\"true\""));
}

#[test]
fn page_of_a_whole_run_is_sound_and_holds_its_numbers() {
    let document = sample::document();
    let html = checked(&document);
    for shown in [
        "loadtest compete --rounds 3 --data-parent '/srv/load test'",
        "2026-11-20T12:00:00.000Z",
        "AMD EPYC",
        "it was measured on a Sunday",
        "6.1.0-27-amd64",
        "8 192 MiB",
        "synchronous_commit = on; shared_buffers = 128MB",
        "What redis-always does with a purchase",
        "flash, 64 connections, 20 000 a second",
        "insufficient_stock",
        "p99.999",
        "1.33×",
        "MISSES THE MUST",
        "The same from the moment a request was really sent",
        "No broken invariant",
    ] {
        let shown = HtmlText(shown).to_string();
        assert!(html.contains(&shown), "{shown} is not on the page");
    }
    assert!(!html.contains("role=\"alert\""));
    // Budget; flash and spread: 2 side by side, refusals, 2 throughputs, 3 latencies, percentiles; the open one: 5.
    assert_eq!(html.matches("role=\"img\"").count(), 1 + 2 * 9 + 5);
}

/// As the template writes text.
struct HtmlText<'a>(&'a str);

impl std::fmt::Display for HtmlText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", minijinja::HtmlEscape(self.0))
    }
}

#[test]
fn least_that_can_be_measured_makes_a_page() {
    let whole = sample::document();
    checked(&Document { measurements: Vec::new(), budget: Vec::new(), rivals: Vec::new(), ..whole.clone() });
    let slice =
        |until_seconds| Slice { until_seconds, answers: 0, wanted: 0, p50_us: 0.0, p99_us: 0.0, max_us: 0.0 };
    let nothing = Measurement {
        answers: 0,
        answers_per_second: 0.0,
        operations_per_second: 0.0,
        outcomes: Default::default(),
        latency: document::latency(&hdrhistogram::Histogram::new(3).expect("valid")),
        timeline: vec![slice(1.0)],
        server_cpu_us: None,
        generator_cpu_us: None,
        ..whole.measurements[0].clone()
    };
    let without_time = Measurement { timeline: Vec::new(), ..nothing.clone() };
    let of_no_length = Measurement { timeline: vec![slice(0.0), slice(0.0)], ..nothing.clone() };
    let floor = Measurement { rival: series::FLOOR.to_owned(), ..nothing.clone() };
    let one_slice = Measurement {
        timeline: vec![Slice { answers: 5, wanted: 5, p50_us: 90.0, ..slice(0.5) }],
        ..whole.measurements[0].clone()
    };
    for measurements in [
        vec![nothing.clone()],
        vec![without_time],
        vec![of_no_length],
        vec![nothing, floor.clone()],
        vec![one_slice.clone()],
        vec![one_slice, floor],
    ] {
        let html = checked(&Document { measurements, ..whole.clone() });
        assert!(html.contains("flash, 64 connections") && html.contains("Measured once"));
        assert!(!html.contains("Refused or other"), "nothing was refused");
    }
}

#[test]
fn budget_of_zeroes_makes_a_page() {
    let mut document = sample::document();
    document.measurements.clear();
    document.budget[0].measured = vec![0.0, 0.0];
    document.budget[1].measured = Vec::new();
    document.budget[2].must = 0.0;
    document.budget[3].measured = vec![f64::NAN];
    document.budget[4].aim = 0.0;
    checked(&document);
}

#[test]
fn foreign_text_is_escaped_wherever_it_stands() {
    const WICKED: &str = "<b>&\"'</b><script>alert(1)</script>";
    let mut document = sample::document();
    let text = || WICKED.to_owned();
    document.command.push(text());
    document.started_at = text();
    document.violations.push(text());
    let machine = &mut document.machine;
    let texts = [&mut machine.processor, &mut machine.system, &mut machine.kernel, &mut machine.file_system];
    texts.into_iter().for_each(|field| *field = text());
    for rival in &mut document.rivals {
        rival.name = format!("{WICKED}{}", rival.name);
        (rival.description, rival.version, rival.settings) = (text(), text(), vec![text()]);
    }
    for measurement in &mut document.measurements {
        measurement.rival = format!("{WICKED}{}", measurement.rival);
        measurement.scenario = text();
        measurement.outcomes.insert(text(), 7);
    }
    for row in &mut document.budget {
        (row.what, row.unit, row.note) = (text(), text(), text());
    }
    // `checked` finds any element or loose mark that such a text would have brought in.
    let html = checked(&document);
    assert!(!html.contains("<script") && !html.contains("<b>"));
    let comparison = compare::between(&document, &document);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("page.html");
    write_comparison(&document, &document, &comparison, &file).expect("written");
    assert_sound(&fs::read_to_string(&file).expect("a page"));
}

#[test]
fn doubts_stand_in_a_banner() {
    let mut document = sample::document();
    document.violations.push("never oversold: 4 sold of 3".to_owned());
    document.measurements[0].unexpected = 12;
    let html = checked(&document);
    assert!(html.contains("role=\"alert\"") && html.contains("VIOLATION: never oversold"));
    assert!(html.contains("12 answers were not those of the scenario"));
    assert!(!html.contains("No broken invariant"));
}

#[test]
fn comparison_has_both_sides() {
    let a = sample::document();
    let mut b = a.clone();
    b.machine.cores = 64;
    let comparison = compare::between(&a, &b);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("page.html");
    write_comparison(&a, &b, &comparison, &file).expect("written");
    let html = fs::read_to_string(&file).expect("a page");
    assert_sound(&html);
    for shown in ["A: holdfast", "B: holdfast", "no difference beyond the noise", "A 2, B 64", "p99.9"] {
        assert!(html.contains(shown), "{shown}");
    }
    assert_eq!(html.matches("role=\"img\"").count(), 3);
}

#[test]
fn document_kept_in_a_file_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let [results, page] = ["results.json", "page.html"].map(|name| folder.path().join(name));
    document::write(&sample::document(), &results).expect("written");
    run(&Request { results, html: page.clone() }).expect("shown");
    assert_eq!(fs::read_to_string(&page).expect("a page"), html(&sample::document()).expect("the same"));
}

#[test]
fn broken_histogram_is_named() {
    let mut document = sample::document();
    document.measurements[2].latency.histogram = "AAAA".to_owned();
    let rival = document.measurements[2].rival.clone();
    let error = html(&document).expect_err("no histogram");
    assert!(format!("{error:#}").contains(&rival), "{error:#}");
}

#[test]
fn command_can_be_typed_again() {
    let arguments = ["loadtest", "load", "--url=http://127.0.0.1:1", "a b", "it's", ""].map(str::to_owned);
    assert_eq!(command(&arguments), "loadtest load --url=http://127.0.0.1:1 'a b' 'it'\\''s' ''");
}

#[test]
fn checker_finds_what_is_not_well_formed() {
    for html in [
        "<p>",
        "<p></b>",
        "<p>a & b</p>",
        "<p>a > b</p>",
        "<p a=b></p>",
        "<p a=\"1\" a=\"2\"></p>",
        "<p a=\"<\"></p>",
        "<p a=\"1\"b=\"2\"></p>",
    ] {
        let page = format!("<!DOCTYPE html>{html}");
        assert!(std::panic::catch_unwind(|| elements(&page)).is_err(), "{html}");
    }
    assert_eq!(
        elements("<!DOCTYPE html>\n<p a=\"1\" b=\"&lt;>\"><br/></p>".replace("&lt;>", "&lt;").as_str()),
        ["p", "br"]
    );
}
