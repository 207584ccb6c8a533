//! The form in which filters are passed to jaq.

use jaq_core::data::JustLut;
use jaq_core::native::bome;
use jaq_core::{Cv, Native, ValXs};

use super::super::value::{Value, ValueResult};

/// The data of a run.
pub(in super::super) type Data = JustLut<Value>;

/// A name of a filter, its number of arguments, and its function.
pub(super) type Named = (&'static str, usize, Native<Data>);

/// A list of filters. The compiler cannot infer [`Data`] in a list of function pointers.
macro_rules! filters {
    ($(($name:literal, $arguments:literal, $run:expr)),* $(,)?) => {
        vec![$(($name, $arguments, jaq_core::Native::new($run))),*]
    };
}

pub(super) use filters;

/// A filter without arguments.
pub(super) fn unary<'a>(
    mut cv: Cv<'a, Data>,
    act: impl FnOnce(Value, Value) -> ValueResult,
) -> ValXs<'a, Value> {
    let argument = cv.0.pop_var();
    bome(act(cv.1, argument))
}
