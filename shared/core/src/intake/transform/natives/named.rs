//! What a filter is, as it is handed to jaq.

use jaq_core::data::JustLut;
use jaq_core::native::bome;
use jaq_core::{Cv, Native, ValXs};

use super::super::value::{Value, ValueResult};

/// What a program runs over.
pub(in super::super) type Data = JustLut<Value>;

/// A filter as it is called, and how many arguments it has.
pub(super) type Named = (&'static str, usize, Native<Data>);

/// A list of filters. In a list of function pointers the compiler does not see through [`Data`].
macro_rules! filters {
    ($(($name:literal, $arguments:literal, $run:expr)),* $(,)?) => {
        vec![$(($name, $arguments, jaq_core::Native::new($run))),*]
    };
}

pub(super) use filters;

/// A filter of one value.
pub(super) fn unary<'a>(
    mut cv: Cv<'a, Data>,
    act: impl FnOnce(Value, Value) -> ValueResult,
) -> ValXs<'a, Value> {
    let argument = cv.0.pop_var();
    bome(act(cv.1, argument))
}
