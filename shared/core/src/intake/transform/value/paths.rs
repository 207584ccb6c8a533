//! The access of jaq to a value: its items, the value at an index, and updates.

use std::ops::Range;
use std::rc::Rc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range as Bounds;
use jaq_core::{Exn, ValT, ValX};

use super::super::meter;
use super::{Container, Error, Item, Member, Number, Value, ValueResult};

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<isize> for Value {
    fn from(value: isize) -> Self {
        Self::Number(Number::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Bounds<Self>> for Value {
    fn from(range: Bounds<Self>) -> Self {
        let bound = |name: &str, bound: Option<Self>| (Rc::from(name), bound.unwrap_or(Self::Null));
        Self::object(vec![bound("end", range.end), bound("start", range.start)])
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<I: IntoIterator<Item = Self>>(iter: I) -> Self {
        let mut items = Vec::new();
        let mut weight = 0_usize;
        for item in iter {
            weight += item.weight();
            items.push(item);
            // The rest of the items is not collected.
            if !meter::charge(1) || weight > super::WEIGHT {
                break;
            }
        }
        Self::array(items)
    }
}

impl ValT for Value {
    fn from_num(number: &str) -> ValueResult {
        let is_json = serde_json::from_str::<serde_json::Number>(number).is_ok();
        if is_json {
            return Ok(Self::Number(Number::written(number)));
        }
        // `.5` and `1.` are numbers in programs and not in JSON.
        let double = number.parse().ok().and_then(Number::double);
        double.map(Self::Number).ok_or_else(|| Error::typ(Self::text(number), "number"))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(iter: I) -> ValueResult {
        let mut members = Vec::new();
        for (name, value) in iter {
            members.push((Rc::clone(name.as_text()?), value));
        }
        Ok(Self::object(members))
    }

    fn key_values(self) -> BoxIter<'static, Result<(Self, Self), Error>> {
        match self {
            Self::Array(array) => {
                let items = each(array).enumerate();
                Box::new(items.map(|(index, item)| Ok((Self::integer(index), item))))
            }
            Self::Object(object) => {
                Box::new(each(object).map(|(name, value)| Ok((Self::Text(name), value))))
            }
            other => box_once(Err(no_items(other))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValueResult>> {
        meter::charge(1);
        match self {
            Self::Array(array) => Box::new(each(array).map(Ok)),
            Self::Object(object) => Box::new(each(object).map(|(_, value)| Ok(value))),
            other => box_once(Err(no_items(other))),
        }
    }

    fn index(self, index: &Self) -> ValueResult {
        match (&self, index) {
            (Self::Object(object), Self::Text(name)) => {
                Ok(object.get(name).cloned().unwrap_or(Self::Null))
            }
            (Self::Array(array), Self::Number(number)) => {
                let at = position(number, array.items().len());
                Ok(at.and_then(|at| array.items().get(at)).cloned().unwrap_or(Self::Null))
            }
            (Self::Null, Self::Text(_) | Self::Number(_) | Self::Null) => Ok(Self::Null),
            _ => Err(Error::index(self, index.clone())),
        }
    }

    fn range(self, range: Bounds<&Self>) -> ValueResult {
        match &self {
            Self::Null => Ok(Self::Null),
            Self::Array(array) => {
                let bounds = bounds(range, array.items().len())?;
                Ok(Self::array(array.items().get(bounds).unwrap_or_default().to_vec()))
            }
            Self::Text(text) => {
                meter::charge_for(text.len());
                let bounds = bounds(range, text.chars().count())?;
                let part: String = text.chars().skip(bounds.start).take(bounds.len()).collect();
                Ok(Self::text(part))
            }
            _ => Err(Error::typ(self, "array or string")),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        change: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match self {
            Self::Array(array) => {
                meter::charge_for(array.items().len());
                each(array).flat_map(change).collect()
            }
            Self::Object(object) => {
                meter::charge_for(object.items().len());
                let change = |(name, value): Member| {
                    change(value).next().map(|value| value.map(|value| (name, value)))
                };
                let members: Result<Vec<_>, _> = each(object).filter_map(change).collect();
                Ok(Self::sorted(members?))
            }
            other => opt.fail(other, |other| Exn::from(no_items(other))),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        change: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match (self, index) {
            (Self::Null, Self::Text(name)) => change_member(Vec::new(), name, change),
            (Self::Object(object), Self::Text(name)) => {
                meter::charge_for(object.items().len());
                change_member(object.into_items(), name, change)
            }
            (Self::Array(array), Self::Number(number)) => {
                let Some(at) = position(number, array.items().len()) else {
                    let number = Self::Number(number.clone());
                    return opt
                        .fail(Self::Array(array), |array| Error::index(array, number).into());
                };
                meter::charge_for(array.items().len());
                let mut items = array.into_items();
                let item = items.get_mut(at).map_or(Self::Null, std::mem::take);
                match change(item).next().transpose()? {
                    Some(changed) => items.splice(at..=at, [changed]).for_each(drop),
                    None => drop(items.remove(at)),
                }
                Ok(Self::array(items))
            }
            (other, index) => {
                opt.fail(other, |other| Exn::from(Error::index(other, index.clone())))
            }
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Bounds<&Self>,
        opt: Opt,
        change: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let Self::Array(array) = self else {
            return opt.fail(self, |other| Exn::from(Error::typ(other, "array")));
        };
        let bounds = bounds(range, array.items().len())?;
        let mut items = array.into_items();
        let part = Self::array(items.get(bounds.clone()).unwrap_or_default().to_vec());
        let changed = change(part).next().transpose()?;
        let changed = changed.map_or_else(|| Ok(Vec::new()), Self::into_items)?;
        items.splice(bounds, changed).for_each(drop);
        Ok(Self::array(items))
    }

    fn as_bool(&self) -> bool {
        self.is_true()
    }

    fn into_string(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text),
            other => Self::text(other.to_json()),
        }
    }
}

/// The items in order, without a copy of the whole list.
fn each<T: Item + 'static>(container: Rc<Container<T>>) -> impl Iterator<Item = T> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let item = container.items().get(at).cloned();
        at += 1;
        item
    })
}

fn change_member<'a, I: Iterator<Item = ValX<'a, Value>>>(
    mut members: Vec<Member>,
    name: &Rc<str>,
    change: impl Fn(Value) -> I,
) -> ValX<'a, Value> {
    match members.binary_search_by(|(known, _)| known.cmp(name)) {
        Ok(at) => {
            let value =
                members.get_mut(at).map_or(Value::Null, |member| std::mem::take(&mut member.1));
            match (change(value).next().transpose()?, members.get_mut(at)) {
                (Some(changed), Some(member)) => member.1 = changed,
                _ => drop(members.remove(at)),
            }
        }
        Err(at) => {
            if let Some(changed) = change(Value::Null).next().transpose()? {
                members.insert(at, (Rc::clone(name), changed));
            }
        }
    }
    Ok(Value::sorted(members))
}

fn no_items(value: Value) -> Error {
    Error::typ(value, "iterable (array or object)")
}

/// Resolves an index; negative indices count from the end.
fn position(number: &Number, length: usize) -> Option<usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let index = number.as_index();
    let index = if index < 0 { index.checked_add(length)? } else { index };
    usize::try_from(index).ok().filter(|_| index < length)
}

/// The bounds of a slice, limited to the length.
fn bounds(range: Bounds<&Value>, length: usize) -> Result<Range<usize>, Error> {
    let bound = |value: Option<&Value>, otherwise: usize| match value {
        None | Some(Value::Null) => Ok(otherwise),
        Some(value) => {
            let index = value.as_number()?.as_index();
            let size = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
            Ok(if index < 0 { length.saturating_sub(size) } else { size.min(length) })
        }
    };
    let start = bound(range.start, 0)?;
    let end = bound(range.end, length)?;
    Ok(start..end.max(start))
}
