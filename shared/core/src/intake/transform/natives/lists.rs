//! Filters for arrays and objects.

use std::cmp::Ordering;
use std::rc::Rc;

use jaq_core::box_iter::box_once;
use jaq_core::native::bome;
use jaq_core::{Cv, Exn, ValT as _, ValX};

use super::super::meter;
use super::super::value::{Error, Value, ValueResult};
use super::named::{Data, Named, filters, unary};

/// Maximum number of steps of a path.
const PATH: usize = 128;

pub(super) fn filters() -> Vec<Named> {
    filters![
        ("keys", 0, |cv| bome(keys(cv.1))),
        ("has", 1, |cv| unary(cv, |value, key| has(&value, &key))),
        ("contains", 1, |cv| unary(cv, |value, part| Ok(Value::Bool(contains(&value, &part))))),
        ("indices", 1, |cv| unary(cv, |value, part| indices(&value, &part))),
        ("to_entries", 0, |cv| bome(to_entries(cv.1))),
        ("from_entries", 0, |cv| bome(from_entries(&cv.1))),
        ("add", 0, |cv| bome(add(cv.1))),
        ("join", 1, |cv| unary(cv, |value, separator| join(&value, &separator))),
        ("flatten", 1, |cv| unary(cv, |value, depth| flatten(&value, &depth))),
        ("reverse", 0, |cv| bome(reverse(cv.1))),
        ("sort", 0, |cv| bome(sort(cv.1))),
        ("transpose", 0, |cv| bome(transpose(&cv.1))),
        ("getpath", 1, |cv| unary(cv, get_path)),
        ("toarray", 0, |cv| {
            bome(Ok(match cv.1 {
                array @ Value::Array(_) => array,
                other => Value::array(vec![other]),
            }))
        }),
    ]
}

/// Filters with a filter as an argument.
pub(super) fn of_filters() -> Vec<Named> {
    filters![
        ("sort_by", 1, |cv| {
            box_once(
                keyed(cv)
                    .map(|keyed| Value::array(keyed.into_iter().map(|(_, item)| item).collect())),
            )
        }),
        ("group_by", 1, |cv| box_once(keyed(cv).map(grouped))),
    ]
}

fn keys(value: Value) -> ValueResult {
    value.key_values().map(|pair| pair.map(|(key, _)| key)).collect()
}

fn has(value: &Value, key: &Value) -> ValueResult {
    match (value, key) {
        (Value::Object(object), Value::Text(name)) => Ok(Value::Bool(object.get(name).is_some())),
        (Value::Array(array), Value::Number(number)) => {
            let within =
                usize::try_from(number.as_index()).is_ok_and(|at| at < array.items().len());
            Ok(Value::Bool(within))
        }
        _ => Err(Error::index(value.clone(), key.clone())),
    }
}

fn contains(value: &Value, part: &Value) -> bool {
    if !meter::charge(1) {
        return false;
    }
    match (value, part) {
        (Value::Text(text), Value::Text(part)) => {
            meter::charge_for(text.len());
            text.contains(&**part)
        }
        (Value::Array(array), Value::Array(parts)) => {
            parts.items().iter().all(|part| array.items().iter().any(|item| contains(item, part)))
        }
        (Value::Object(object), Value::Object(parts)) => parts
            .items()
            .iter()
            .all(|(name, part)| object.get(name).is_some_and(|value| contains(value, part))),
        _ => value == part,
    }
}

fn indices(value: &Value, part: &Value) -> ValueResult {
    let found: Vec<usize> = match (value, part) {
        (Value::Null, _) => return Ok(Value::Null),
        (Value::Text(text), Value::Text(part)) if !part.is_empty() => {
            meter::charge_for(text.len());
            let ends = text.char_indices().enumerate();
            let ends = ends.take_while(|_| meter::charge_for(part.len()));
            let here = |at: usize| text.get(at..).is_some_and(|rest| rest.starts_with(&**part));
            ends.filter(|(_, (at, _))| here(*at)).map(|(index, _)| index).collect()
        }
        (Value::Array(array), Value::Array(parts)) if !parts.items().is_empty() => {
            let windows = array.items().windows(parts.items().len()).enumerate();
            let windows = windows.take_while(|_| meter::charge(1));
            windows.filter(|(_, window)| *window == parts.items()).map(|(at, _)| at).collect()
        }
        (Value::Text(_), Value::Text(_)) | (Value::Array(_), Value::Array(_)) => Vec::new(),
        (Value::Array(array), item) => {
            let items = array.items().iter().enumerate().take_while(|_| meter::charge(1));
            items.filter(|(_, one)| *one == item).map(|(at, _)| at).collect()
        }
        _ => return Err(Error::index(value.clone(), part.clone())),
    };
    Ok(Value::array(found.into_iter().map(Value::integer).collect()))
}

fn to_entries(value: Value) -> ValueResult {
    let (key_name, value_name): (Rc<str>, Rc<str>) = ("key".into(), "value".into());
    let entry = |(key, value)| {
        meter::charge(1);
        Value::object(vec![(Rc::clone(&key_name), key), (Rc::clone(&value_name), value)])
    };
    value.key_values().map(|pair| pair.map(entry)).collect()
}

fn from_entries(value: &Value) -> ValueResult {
    let mut members = Vec::new();
    for entry in value.as_items()?.iter().take_while(|_| meter::charge(1)) {
        let entry = entry.as_members()?;
        let first = |names: &[&str]| names.iter().find_map(|name| entry.get(name));
        let key = first(&["key", "k", "name", "Name", "Key", "K"]).cloned().unwrap_or(Value::Null);
        let name = match key {
            Value::Text(name) => name,
            Value::Number(_) | Value::Bool(_) => key.to_json().into(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(Error::typ(key, "name of a member"));
            }
        };
        let value = first(&["value", "v", "Value", "V"]).cloned().unwrap_or(Value::Null);
        members.push((name, value));
    }
    Ok(Value::object(members))
}

/// The sum of numbers, texts, arrays or objects. Arrays and texts are concatenated in one pass.
fn add(value: Value) -> ValueResult {
    let items = match value {
        Value::Object(object) => object.items().iter().map(|(_, value)| value.clone()).collect(),
        other => other.into_items()?,
    };
    if !items.is_empty() && items.iter().all(|item| matches!(item, Value::Text(_))) {
        return join(&Value::array(items), &Value::text(""));
    }
    if !items.is_empty() && items.iter().all(|item| matches!(item, Value::Array(_))) {
        return flatten_into(&items, 1);
    }
    items.into_iter().take_while(|_| meter::charge(1)).try_fold(Value::Null, |sum, item| sum + item)
}

fn join(value: &Value, separator: &Value) -> ValueResult {
    let separator = separator.as_text()?;
    let mut text = String::new();
    for (index, item) in value.as_items()?.iter().enumerate().take_while(|_| meter::charge(1)) {
        if index > 0 {
            text.push_str(separator);
        }
        match item {
            Value::Null => {}
            Value::Text(item) => text.push_str(item),
            Value::Number(_) | Value::Bool(_) => item.write(&mut text),
            Value::Array(_) | Value::Object(_) => {
                return Err(Error::typ(item.clone(), "part of a string"));
            }
        }
        if !meter::charge_for(separator.len()) || text.len() > super::super::value::WEIGHT {
            break;
        }
    }
    Ok(Value::text(text))
}

fn flatten(value: &Value, depth: &Value) -> ValueResult {
    flatten_into(value.as_items()?, depth.as_number()?.as_index())
}

fn flatten_into(items: &[Value], depth: i64) -> ValueResult {
    fn go(items: &[Value], depth: i64, flat: &mut Vec<Value>) {
        for item in items.iter().take_while(|_| meter::charge(1)) {
            match item {
                Value::Array(array) if depth > 0 => go(array.items(), depth - 1, flat),
                other => flat.push(other.clone()),
            }
        }
    }
    let mut flat = Vec::new();
    go(items, depth, &mut flat);
    Ok(Value::array(flat))
}

fn reverse(value: Value) -> ValueResult {
    if let Value::Text(text) = &value {
        return Ok(Value::text(text.chars().rev().collect::<String>()));
    }
    let mut items = value.into_items()?;
    items.reverse();
    Ok(Value::array(items))
}

fn sort(value: Value) -> ValueResult {
    Ok(Value::array(merge_sorted(value.into_items()?, Value::cmp)))
}

/// Sorts and keeps the order of equal items. The sort of the standard library may panic, because comparisons
/// are inconsistent after the end of a run.
fn merge_sorted<T>(items: Vec<T>, compare: fn(&T, &T) -> Ordering) -> Vec<T> {
    meter::charge_for(items.len());
    if items.len() < 2 {
        return items;
    }
    let mut first = items;
    let second = first.split_off(first.len() / 2);
    let mut merged = Vec::with_capacity(first.len() + second.len());
    let mut second = merge_sorted(second, compare).into_iter().peekable();
    for item in merge_sorted(first, compare) {
        while let Some(smaller) = second.next_if(|other| compare(other, &item) == Ordering::Less) {
            merged.push(smaller);
        }
        merged.push(item);
    }
    merged.extend(second);
    merged
}

/// The items, sorted by the results of the filter. Equal items keep their order in the array.
fn keyed<'a>(mut cv: Cv<'a, Data>) -> ValX<'a, Vec<(Vec<Value>, Value)>, Value> {
    let (filter, context) = cv.0.pop_fun();
    let mut keyed = Vec::new();
    for item in cv.1.into_items().map_err(Exn::from)? {
        if !meter::charge(1) {
            break;
        }
        let keys = filter.run((context.clone(), item.clone()));
        let mut found = Vec::new();
        for key in keys.take_while(|_| meter::charge(1)) {
            found.push(key?);
        }
        keyed.push((found, item));
    }
    Ok(merge_sorted(keyed, |(one, _), (other, _)| one.cmp(other)))
}

fn grouped(keyed: Vec<(Vec<Value>, Value)>) -> Value {
    let groups = keyed.chunk_by(|(one, _), (next, _)| one == next);
    let items = |group: &[(Vec<Value>, Value)]| {
        Value::array(group.iter().map(|(_, item)| item.clone()).collect())
    };
    Value::array(groups.map(items).collect())
}

/// Swaps rows and columns. Short rows are filled with null.
fn transpose(value: &Value) -> ValueResult {
    let rows: Result<Vec<&[Value]>, Error> =
        value.as_items()?.iter().map(Value::as_items).collect();
    let rows = rows?;
    let width = rows.iter().map(|row| row.len()).max().unwrap_or_default();
    let column = |at: usize| {
        let items = rows.iter().take_while(|_| meter::charge(1));
        Value::array(items.map(|row| row.get(at).cloned().unwrap_or(Value::Null)).collect())
    };
    Ok(Value::array((0..width).take_while(|_| meter::charge(1)).map(column).collect()))
}

fn get_path(value: Value, path: Value) -> ValueResult {
    let steps = path.as_items()?;
    if steps.len() > PATH {
        return Err(Error::typ(path, "path: it has more than 128 steps"));
    }
    steps.iter().try_fold(value, |value, step| match value {
        Value::Null => Ok(Value::Null),
        value => value.index(step),
    })
}
