//! The filters that are written in Rust; `definitions.jq` has the others. Each filter takes steps for the
//! length of its input, so its steps are proportional to its work.

mod lists;
mod named;
mod texts;

use jaq_core::box_iter::box_once;
use jaq_core::native::{Fun, bome, v};
use jaq_core::{Bind, Exn, Native, ValXs};

pub(super) use self::named::Data;
use self::named::{Named, filters};
use super::meter;
use super::value::{Error, Number, Value, ValueResult};

/// The ticks: the name of each filter and its steps.
pub(super) const TICKS: [(&str, u32); 16] = [
    ("_t1", 1),
    ("_t2", 2),
    ("_t4", 4),
    ("_t8", 8),
    ("_t12", 12),
    ("_t16", 16),
    ("_t24", 24),
    ("_t32", 32),
    ("_t48", 48),
    ("_t64", 64),
    ("_t96", 96),
    ("_t128", 128),
    ("_t192", 192),
    ("_t256", 256),
    ("_t512", 512),
    ("_t4096", 4096),
];

/// Every filter.
pub(super) fn all() -> impl Iterator<Item = Fun<Data>> {
    let of_values = [filters(), texts::filters(), lists::filters()].into_iter().flatten();
    let of_values = of_values.map(|(name, count, native)| (name, v(count), native));
    let of_filters = lists::of_filters().into_iter().map(|(name, count, native)| {
        (name, std::iter::repeat_n(Bind::Fun(()), count).collect(), native)
    });
    of_values.chain(of_filters).chain(ticks()).chain(jaq_core::funs())
}

fn ticks() -> impl Iterator<Item = Fun<Data>> {
    let natives = [
        tick::<1>(),
        tick::<2>(),
        tick::<4>(),
        tick::<8>(),
        tick::<12>(),
        tick::<16>(),
        tick::<24>(),
        tick::<32>(),
        tick::<48>(),
        tick::<64>(),
        tick::<96>(),
        tick::<128>(),
        tick::<192>(),
        tick::<256>(),
        tick::<512>(),
        tick::<4096>(),
    ];
    TICKS.iter().zip(natives).map(|((name, _), native)| (*name, v(0), native))
}

/// Passes its input on, also as a path and in an update, and takes steps. Halting is not an error, so
/// `try`, `?` and `//` cannot catch it.
const fn tick<const STEPS: u64>() -> Native<Data> {
    fn halted<'a, T: 'a>() -> ValXs<'a, T, Value> {
        box_once(Err(Exn::halt(1)))
    }
    Native::new(|cv| if meter::charge(STEPS) { box_once(Ok(cv.1)) } else { halted() })
        .with_paths(|cv| if meter::charge(STEPS) { box_once(Ok(cv.1)) } else { halted() })
        .with_update(|cv, update| if meter::charge(STEPS) { update(cv.1) } else { halted() })
}

fn filters() -> Vec<Named> {
    filters![
        ("length", 0, |cv| bome(length(cv.1))),
        ("type", 0, |cv| bome(Ok(Value::text(cv.1.kind())))),
        ("tonumber", 0, |cv| bome(number(cv.1))),
        ("floor", 0, |cv| bome(rounded(&cv.1, f64::floor))),
        ("ceil", 0, |cv| bome(rounded(&cv.1, f64::ceil))),
        ("round", 0, |cv| bome(rounded(&cv.1, f64::round))),
        ("sqrt", 0, |cv| bome(calculated(&cv.1, libm::sqrt))),
        ("abs", 0, |cv| bome(absolute(cv.1))),
        ("pow", 2, |mut cv| {
            let exponent = cv.0.pop_var();
            let base = cv.0.pop_var();
            bome(power(&base, &exponent))
        }),
    ]
}

fn length(value: Value) -> ValueResult {
    match &value {
        Value::Null => Ok(Value::integer(0)),
        Value::Bool(_) => Err(Error::typ(value, "something with a length")),
        Value::Number(_) => absolute(value),
        Value::Text(text) => {
            meter::charge_for(text.len());
            Ok(Value::integer(text.chars().count()))
        }
        Value::Array(array) => Ok(Value::integer(array.items().len())),
        Value::Object(object) => Ok(Value::integer(object.items().len())),
    }
}

/// Parses a text as a JSON number.
fn number(value: Value) -> ValueResult {
    let Value::Text(text) = &value else {
        return value.as_number().cloned().map(Value::Number);
    };
    meter::charge_for(text.len());
    // serde_json refuses numbers that are larger than every double.
    if serde_json::from_str::<serde_json::Number>(text).is_ok() {
        return Ok(Value::Number(Number::written(text.trim())));
    }
    Err(Error::typ(value, "number"))
}

fn absolute(value: Value) -> ValueResult {
    let number = value.as_number()?;
    if value < Value::integer(0) { -value } else { Ok(Value::Number(number.clone())) }
}

fn rounded(value: &Value, round: fn(f64) -> f64) -> ValueResult {
    match value.as_number()? {
        Number::Integer(integer) => Ok(Value::Number(Number::Integer(*integer))),
        Number::Double(_) | Number::Written(_) => calculated(value, round),
    }
}

fn calculated(value: &Value, act: fn(f64) -> f64) -> ValueResult {
    finite(act(value.as_number()?.as_f64()), value)
}

fn power(base: &Value, exponent: &Value) -> ValueResult {
    finite(libm::pow(base.as_number()?.as_f64(), exponent.as_number()?.as_f64()), base)
}

fn finite(double: f64, of: &Value) -> ValueResult {
    let refused = || Error::typ(of.clone(), "operand: the result is no number");
    Number::double(double).map(Value::Number).ok_or_else(refused)
}
