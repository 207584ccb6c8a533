//! The operators of jq. Errors name the types of values and never quote values.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

use jaq_core::ops::Math;

use super::super::meter;
use super::{Container, Error, Member, Number, Value, ValueResult};

impl Add for Value {
    type Output = ValueResult;

    fn add(self, other: Self) -> ValueResult {
        match (self, other) {
            (Self::Null, value) | (value, Self::Null) => Ok(value),
            (Self::Number(one), Self::Number(other)) => {
                calculate((one, other), Math::Add, i64::checked_add, |one, other| one + other)
            }
            (Self::Text(one), Self::Text(other)) => Ok(Self::text([&*one, &*other].concat())),
            (Self::Array(one), Self::Array(other)) => {
                let mut items = one.into_items();
                items.extend_from_slice(other.items());
                meter::charge_for(other.items().len());
                Ok(Self::array(items))
            }
            (Self::Object(one), Self::Object(other)) => Ok(merge(one, other)),
            (one, other) => Err(Error::math(one, Math::Add, other)),
        }
    }
}

/// The members of both objects. If both have a member, the second object counts.
fn merge(one: Rc<Container<Member>>, other: Rc<Container<Member>>) -> Value {
    let mut members = one.into_items();
    for (name, value) in other.into_items() {
        match members.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => {
                if let Some(member) = members.get_mut(at) {
                    member.1 = value;
                }
            }
            Err(at) => {
                meter::charge_for(members.len() - at);
                members.insert(at, (name, value));
            }
        }
    }
    Value::sorted(members)
}

impl Sub for Value {
    type Output = ValueResult;

    fn sub(self, other: Self) -> ValueResult {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => {
                calculate((one, other), Math::Sub, i64::checked_sub, |one, other| one - other)
            }
            (Self::Array(one), Self::Array(other)) => {
                let mut items = one.into_items();
                items.retain(|item| meter::over().is_none() && !other.items().contains(item));
                Ok(Self::array(items))
            }
            (one, other) => Err(Error::math(one, Math::Sub, other)),
        }
    }
}

impl Mul for Value {
    type Output = ValueResult;

    fn mul(self, other: Self) -> ValueResult {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => {
                calculate((one, other), Math::Mul, i64::checked_mul, |one, other| one * other)
            }
            (one, other) => Err(Error::math(one, Math::Mul, other)),
        }
    }
}

impl Div for Value {
    type Output = ValueResult;

    fn div(self, other: Self) -> ValueResult {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => {
                calculate((one, other), Math::Div, exact_quotient, |one, other| one / other)
            }
            (Self::Text(text), Self::Text(separator)) => Ok(split(&text, &separator)),
            (one, other) => Err(Error::math(one, Math::Div, other)),
        }
    }
}

impl Rem for Value {
    type Output = ValueResult;

    fn rem(self, other: Self) -> ValueResult {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => {
                calculate((one, other), Math::Rem, i64::checked_rem, |one, other| one % other)
            }
            (one, other) => Err(Error::math(one, Math::Rem, other)),
        }
    }
}

impl Neg for Value {
    type Output = ValueResult;

    fn neg(self) -> ValueResult {
        Self::Number(Number::Integer(0)) - self
    }
}

fn calculate(
    (one, other): (Number, Number),
    math: Math,
    whole: fn(i64, i64) -> Option<i64>,
    double: fn(f64, f64) -> f64,
) -> ValueResult {
    meter::charge_for(one.length() + other.length());
    if let (Number::Integer(one), Number::Integer(other)) = (&one, &other)
        && let Some(result) = whole(*one, *other)
    {
        return Ok(Value::Number(Number::Integer(result)));
    }
    let result = Number::double(double(one.as_f64(), other.as_f64()));
    // JSON has neither NaN nor infinite numbers.
    let refused = || Error::math(Value::Number(one), math, Value::Number(other));
    result.map(Value::Number).ok_or_else(refused)
}

fn exact_quotient(one: i64, other: i64) -> Option<i64> {
    (one.checked_rem(other)? == 0).then(|| one.checked_div(other))?
}

/// Splits like jq: an empty separator splits into characters, and an empty text has no parts.
pub(in super::super) fn split(text: &str, separator: &str) -> Value {
    let part = |part: &str| Value::text(part);
    if text.is_empty() {
        return Value::array(Vec::new());
    }
    if separator.is_empty() {
        let parts = text.chars().take_while(|_| meter::charge(1));
        return Value::array(parts.map(|one| part(one.encode_utf8(&mut [0; 4]))).collect());
    }
    let parts = text.split(separator).take_while(|_| meter::charge(1));
    Value::array(parts.map(part).collect())
}
