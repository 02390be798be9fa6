//! Collects everything that is wrong with a body, each under its path.
//!
//! A body's `check` asks for its fields one by one and builds itself if all are there; the caller answers
//! with all errors at once. Decides nothing about stock: these are questions of form only.

use std::ops::RangeInclusive;

use super::field::{Fault, Field, Objects};
use super::problem::{FieldError, Problem};

/// More errors than this help nobody; the rest is left out.
const ERRORS_MAX: usize = 100;

/// The errors so far and the place that is being looked at.
#[derive(Debug, Default)]
pub struct Check {
    path: String,
    errors: Vec<FieldError>,
}

impl Check {
    /// The value of a field that must be there; `None` means an error was noted.
    pub fn required<T>(&mut self, name: &str, field: Field<T>) -> Option<T> {
        match field {
            Field::Good(value) => return Some(value),
            Field::Wrong(fault) => self.refuse(name, fault),
            Field::Absent => self.refuse(name, Fault::new("required", "Is missing.")),
            Field::Null => self.refuse(name, Fault::new("required", "Must not be null.")),
        }
        None
    }

    /// The value of a field that may be absent or null; the outer `None` means an error was noted.
    pub fn optional<T>(&mut self, name: &str, field: Field<T>) -> Option<Option<T>> {
        match field {
            Field::Absent | Field::Null => Some(None),
            other => self.required(name, other).map(Some),
        }
    }

    /// The checked objects of a required array whose length is within `count`; every wrong one is noted.
    pub fn objects<R, T>(
        &mut self,
        name: &str,
        field: Field<Objects<R>>,
        count: RangeInclusive<usize>,
        mut check: impl FnMut(R, &mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Objects(raw) = self.required(name, field)?;
        self.each(name, raw, count, |this, index, item| this.within(name, index, |inner| check(item, inner)))
    }

    /// The values of a required array whose length is within `count`; every wrong one is noted.
    pub fn values<T>(
        &mut self,
        name: &str,
        field: Field<Vec<Field<T>>>,
        count: RangeInclusive<usize>,
    ) -> Option<Vec<T>> {
        let raw = self.required(name, field)?;
        self.each(name, raw, count, |this, index, item| match item {
            Field::Good(value) => Some(value),
            wrong => this.required(&format!("{name}[{index}]"), wrong),
        })
    }

    fn each<R, T>(
        &mut self,
        name: &str,
        raw: Vec<R>,
        count: RangeInclusive<usize>,
        mut check: impl FnMut(&mut Self, usize, R) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items_max = raw.len();
        if !count.contains(&items_max) {
            let detail = format!("Must have {} to {} items, not {items_max}.", count.start(), count.end());
            self.refuse(name, Fault::new("out_of_range", detail));
            return None;
        }
        let mut items = Vec::with_capacity(items_max);
        for (index, item) in raw.into_iter().enumerate() {
            items.extend(check(self, index, item));
        }
        (items.len() == items_max).then_some(items)
    }

    /// Notes that the field `name` of the place that is being looked at is wrong.
    pub fn refuse(&mut self, name: &str, fault: Fault) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(FieldError {
                field: join(&self.path, name),
                code: fault.code,
                detail: fault.detail,
            });
        }
    }

    /// Ends the check: the value if nothing was wrong, else all that was.
    ///
    /// # Panics
    ///
    /// When a check gave no value and noted no error.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problem> {
        if !self.errors.is_empty() {
            return Err(Problem::invalid(self.errors));
        }
        Ok(value.expect("a check that notes no error gives a value"))
    }

    fn within<T>(&mut self, name: &str, index: usize, work: impl FnOnce(&mut Self) -> T) -> T {
        use std::fmt::Write as _;

        let len_outer = self.path.len();
        let separator = if self.path.is_empty() { "" } else { "." };
        write!(self.path, "{separator}{name}[{index}]").expect("a string takes any text");
        let result = work(self);
        self.path.truncate(len_outer);
        result
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
