//! The order of jq: null, false, true, numbers, texts, arrays, objects. A comparison without steps ends early
//! with any result, because the run ends.

use std::cmp::Ordering;

use super::super::meter;
use super::{Member, Value};

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => {
                meter::charge_for(one.length() + other.length());
                one.compare(other)
            }
            (Self::Text(one), Self::Text(other)) => {
                meter::charge_for(one.len().min(other.len()));
                one.cmp(other)
            }
            (Self::Array(one), Self::Array(other)) => items(one.items(), other.items()),
            (Self::Object(one), Self::Object(other)) => members(one.items(), other.items()),
            (one, other) => one.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Value {
    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }
}

fn items(one: &[Value], other: &[Value]) -> Ordering {
    for (one, other) in one.iter().zip(other) {
        if !meter::charge(1) {
            return Ordering::Equal;
        }
        let order = one.cmp(other);
        if order != Ordering::Equal {
            return order;
        }
    }
    one.len().cmp(&other.len())
}

/// Compares objects by their names, then by their values.
fn members(one: &[Member], other: &[Member]) -> Ordering {
    meter::charge_for(one.len().min(other.len()));
    let names = |members: &[Member]| -> Vec<std::rc::Rc<str>> {
        members.iter().map(|(name, _)| std::rc::Rc::clone(name)).collect()
    };
    let order = names(one).cmp(&names(other));
    if order != Ordering::Equal {
        return order;
    }
    for ((_, one), (_, other)) in one.iter().zip(other) {
        if !meter::charge(1) {
            return Ordering::Equal;
        }
        let order = one.cmp(other);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
