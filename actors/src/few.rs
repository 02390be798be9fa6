//! Lists that are mostly of one, which lies where the list is, and lists that are mostly empty, which take one address.

use std::ops::Deref;

/// Some values in an order that stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Few<T> {
    /// Just one.
    One(T),
    /// None or several.
    Several(Box<[T]>),
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (Some(one), None) => Self::One(one),
            (first, second) => Self::Several(first.into_iter().chain(second).chain(values).collect()),
        }
    }
}

/// Some values in an order that stays; mostly none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rare<T>(Option<Box<Box<[T]>>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for Rare<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |values| values)
    }
}

impl<T> FromIterator<T> for Rare<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Box<[T]> = values.into_iter().collect();
        Self((!values.is_empty()).then(|| Box::new(values)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_what_it_was_made_of() {
        for count in 0..4 {
            let made: Few<u8> = (0..count).collect();
            assert_eq!(*made, *(0..count).collect::<Vec<_>>());
            assert_eq!(matches!(made, Few::One(_)), count == 1);
            let made: Rare<u8> = (0..count).collect();
            assert_eq!(*made, *(0..count).collect::<Vec<_>>());
        }
    }
}
