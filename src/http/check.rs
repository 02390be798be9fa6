//! Collects everything that is wrong with a body, each under its path.
//!
//! A body's `check` asks for its fields one by one and builds itself if all are there; the caller answers
//! with all errors at once. Decides nothing about stock: these are questions of form only.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use super::field::{Fault, Field, Object, Objects};
use super::problem::{FieldError, Problem};

/// More errors than this help nobody; the rest is left out.
const ERRORS_MAX: usize = 100;

/// The errors so far and the place that is being looked at.
#[derive(Debug, Default)]
pub struct Check {
    /// Written out only for an error: a body of ten thousand items has as many places.
    path: Vec<Part>,
    errors: Vec<FieldError>,
}

/// A field, or an item of one, on the way to the place that is being looked at.
#[derive(Clone, Copy, Debug)]
struct Part {
    name: &'static str,
    index: Option<usize>,
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

    /// The checked objects of a required array of at least one; every wrong one is noted.
    pub fn objects<R, T, const COUNT_MAX: usize>(
        &mut self,
        name: &'static str,
        field: Field<Objects<R, COUNT_MAX>>,
        mut check: impl FnMut(R, &mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Objects(raw) = self.required(name, field)?;
        self.each(name, raw, 1..=COUNT_MAX, |this, index, item| {
            this.within(Part { name, index: Some(index) }, |inner| check(item, inner))
        })
    }

    /// The checked object of a field that may be absent or null; the outer `None` means an error was noted.
    pub fn optional_object<R, T>(
        &mut self,
        name: &'static str,
        field: Field<Object<R>>,
        check: impl FnOnce(R, &mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.optional(name, field)? {
            None => Some(None),
            Some(Object(raw)) => self.within(Part { name, index: None }, |inner| check(raw, inner)).map(Some),
        }
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
            let detail = format!("Must have {} to {} items.", count.start(), count.end());
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
                field: self.path_of(name),
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

    fn within<T>(&mut self, part: Part, work: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(part);
        let result = work(self);
        self.path.pop();
        result
    }

    /// The path of the field `name` of the place that is being looked at.
    fn path_of(&self, name: &str) -> String {
        let mut path = String::new();
        for Part { name, index } in &self.path {
            path.push_str(name);
            if let Some(index) = index {
                write!(path, "[{index}]").expect("a string takes any text");
            }
            path.push('.');
        }
        path + name
    }
}
