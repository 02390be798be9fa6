//! The command line and the plan, and what a budget says of its rows.

use clap::Parser;

use super::*;
use crate::results::Better;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    request: Request,
}

fn plan(words: &[&str]) -> anyhow::Result<Plan> {
    Plan::of(&Line::try_parse_from(["budget"].iter().chain(words))?.request)
}

#[test]
fn without_arguments_the_whole_table_is_measured() {
    let plan = plan(&[]).expect("it takes none");
    assert_eq!(plan.rows, Row::value_variants());
    assert_eq!((plan.rounds, plan.duration, plan.is_short), (5, Duration::from_secs(3), false));
}

#[test]
fn rows_are_named_and_what_is_out_of_bounds_is_refused() {
    let plan_of =
        plan(&["--rows", "in-process,hot,hot", "--short", "--server-env", "A=B=C"]).expect("they are known");
    assert_eq!(plan_of.rows, [Row::Hot, Row::InProcess]);
    assert_eq!((plan_of.rounds, plan_of.spread_products), (1, 500));
    assert_eq!(plan_of.server_env, [("A".to_owned(), "B=C".to_owned())]);
    for wrong in
        [["--rows", "cold"], ["--rounds", "0"], ["--seconds", "0"], ["--threads", "0"], ["--server-env", "A"]]
    {
        assert!(plan(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn table_says_how_far_each_row_has_come() {
    let mut document = document::begin(Vec::new());
    document.budget.push(BudgetRow {
        what: "GET one product".into(),
        must: 0.7,
        aim: 0.95,
        better: Better::Higher,
        unit: "× floor".into(),
        measured: vec![0.8, 0.76, 0.6],
        server_cpu_us: Some(7.25),
        generator_cpu_us: None,
        note: "as it was".into(),
    });
    document.violations.push("one too many".into());
    let text = describe(&document);
    let row = text.lines().nth(1).expect("a row below the heading");
    for cell in ["0.60–0.76–0.80", "80 %", "met"] {
        assert!(row.contains(cell), "{cell} in {row}");
    }
    assert!(
        text.contains("GET one product: as it was") && text.contains("VIOLATION: one too many"),
        "{text}"
    );
}
