//! What the categories refuse, as clients see it.

use holdfast_actors::domain::category::{CATEGORIES_MAX, DEPTH_MAX, Misfit, Refusal};

use crate::http::problem::{Code, FieldError, Problem};

pub(super) fn problem(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::Unknown => Problem::new(Code::NotFound, "There is no such category."),
        Refusal::Misplaced(misfits) => Problem::invalid(misfits.iter().copied().map(misfit).collect()),
        Refusal::NotListable(places) => {
            let unknown = |place: &usize| FieldError {
                field: format!("category_ids[{place}]"),
                code: "unknown",
                detail: "There is no such category.".into(),
            };
            Problem::invalid(places.iter().map(unknown).collect())
        }
        Refusal::TooMany => super::invalid(
            "",
            "too_many",
            format!("There are {CATEGORIES_MAX} categories already, and there may not be more."),
        ),
        Refusal::InUse => Problem::new(Code::InUse, "It has children, or products or price rules name it."),
        Refusal::VersionMismatch { actual, .. } => super::version_mismatch(*actual),
    }
}

fn misfit(misfit: Misfit) -> FieldError {
    let (field, code, detail) = match misfit {
        Misfit::SlugTaken => ("slug", "taken", "Another category has this slug.".to_owned()),
        Misfit::UnknownParent => ("parent_id", "unknown", "There is no such category.".to_owned()),
        Misfit::Cycle => ("parent_id", "cycle", "A category cannot be below itself.".to_owned()),
        Misfit::TooDeep => ("parent_id", "too_deep", format!("The tree has at most {DEPTH_MAX} levels.")),
    };
    FieldError { field: field.to_owned(), code, detail: detail.into() }
}
