//! Checks a program against the list of allowed filters, and places its ticks.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};

use super::metered::{Metered, once, ticked_before};
use super::place::place;
use crate::intake::transform::allowed::{Filter, Outputs, allowed};

/// Maximum nesting of terms; each further part of a pipe is one level deeper.
const DEPTH: usize = 128;

/// Checks a program and adds its ticks. Collects all faults.
pub(super) struct Reader<'s> {
    pub(super) code: &'s str,
    pub(super) faults: Vec<String>,
    pub(super) texts: Vec<&'s str>,
    pub(super) variables: Vec<&'s str>,
}

impl<'s> Reader<'s> {
    pub(super) fn term(&mut self, term: Term<&'s str>, depth: usize) -> Metered<'s> {
        if depth > DEPTH {
            let fault = format!("terms are too deep inside each other: limit=`{DEPTH}`");
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
            return once(Term::Id);
        }
        let depth = depth + 1;
        match term {
            Term::Var(name) => {
                self.variables.push(name);
                once(term)
            }
            Term::Id | Term::Num(_) | Term::Arr(None) => once(term),
            Term::Recurse => Metered { term, cost: 1, many: true },
            Term::Str(format, parts) => self.text(format, parts, depth),
            Term::Arr(Some(inside)) => {
                let Metered { term, cost, .. } = self.term(*inside, depth);
                Metered { term: Term::Arr(Some(Box::new(term))), cost: cost + 1, many: false }
            }
            Term::Obj(members) => self.object(members, depth),
            Term::Neg(of) => {
                let Metered { term, cost, many } = self.term(*of, depth);
                Metered { term: Term::Neg(Box::new(term)), cost: cost + 1, many }
            }
            Term::BinOp(left, operator, right) => self.operation(*left, operator, *right, depth),
            Term::TryCatch(tried, caught) => {
                let tried = self.term(*tried, depth);
                let caught = caught.map(|caught| self.term(*caught, depth));
                let (cost, many) =
                    caught.as_ref().map_or((0, false), |caught| (caught.cost, caught.many));
                Metered {
                    cost: tried.cost + cost + 1,
                    many: tried.many || many,
                    term: Term::TryCatch(
                        Box::new(tried.term),
                        caught.map(|caught| Box::new(caught.term)),
                    ),
                }
            }
            Term::IfThenElse(branches, otherwise) => self.branches(branches, otherwise, depth),
            Term::Call(name, arguments) => self.call(name, arguments, depth),
            Term::Path(of, path) => self.path(*of, path, depth),
            Term::Label(name, _) => self.refuse("label", name),
            Term::Break(name) => self.refuse("break", name),
            Term::Fold(name, ..) => self.refuse(name, name),
            Term::Def(definitions, _) => {
                let name = definitions.first().map_or(self.code, |definition| definition.name);
                self.refuse("def", name)
            }
        }
    }

    fn refuse(&mut self, name: &str, at: &'s str) -> Metered<'s> {
        let place = place(self.code, at);
        self.faults.push(format!("`{name}` may not be used in a transform{place}"));
        once(Term::Id)
    }

    fn text(
        &mut self,
        format: Option<&'s str>,
        parts: Vec<StrPart<&'s str, Term<&'s str>>>,
        depth: usize,
    ) -> Metered<'s> {
        if let Some(name) = format {
            self.filter(name, 0);
        }
        if let (None, [StrPart::Str(text)]) = (format, parts.as_slice()) {
            self.texts.push(text);
        }
        let (mut cost, mut many, mut metered) = (1, false, Vec::new());
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        for part in parts {
            metered.push(match part {
                StrPart::Term(term) => {
                    let inside = self.term(term, depth);
                    cost += inside.cost + 1;
                    many |= inside.many;
                    StrPart::Term(inside.each(count))
                }
                other => other,
            });
        }
        Metered { term: Term::Str(format, metered), cost, many }
    }

    fn object(
        &mut self,
        members: Vec<(Term<&'s str>, Option<Term<&'s str>>)>,
        depth: usize,
    ) -> Metered<'s> {
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let (mut cost, mut many, mut metered) = (1, false, Vec::new());
        for (name, value) in members {
            let name = self.term(name, depth);
            let value = value.map(|value| self.term(value, depth));
            cost += name.cost + value.as_ref().map_or(0, |value| value.cost);
            many |= name.many || value.as_ref().is_some_and(|value| value.many);
            metered.push((name, value));
        }
        // Each output of a member is combined with each output of the others.
        let after = cost + count;
        let each = |(name, value): (Metered<'s>, Option<Metered<'s>>)| {
            (name.each(after), value.map(|value| value.each(after)))
        };
        Metered { term: Term::Obj(metered.into_iter().map(each).collect()), cost, many }
    }

    fn operation(
        &mut self,
        left: Term<&'s str>,
        operator: BinaryOp<&'s str>,
        right: Term<&'s str>,
        depth: usize,
    ) -> Metered<'s> {
        match operator {
            BinaryOp::Pipe(pattern) => {
                if let Some(pattern) = &pattern {
                    self.pattern(pattern);
                }
                let left = self.term(left, depth);
                let right = self.term(right, depth);
                let (cost, many) = (left.cost + right.cost, left.many || right.many);
                let left = Box::new(left.each(right.cost));
                let operator = BinaryOp::Pipe(pattern);
                Metered { term: Term::BinOp(left, operator, Box::new(right.term)), cost, many }
            }
            BinaryOp::Comma | BinaryOp::Alt => {
                let is_comma = matches!(operator, BinaryOp::Comma);
                let left = self.term(left, depth);
                let right = self.term(right, depth);
                let many = is_comma || left.many || right.many;
                let cost = left.cost + right.cost + 1;
                let (left, right) = (Box::new(left.each(1)), Box::new(right.term));
                Metered { term: Term::BinOp(left, operator, right), cost, many }
            }
            BinaryOp::Or | BinaryOp::And | BinaryOp::Math(_) | BinaryOp::Cmp(_) => {
                let left = self.term(left, depth);
                let right = self.term(right, depth);
                let (cost, many) = (left.cost + right.cost + 1, left.many || right.many);
                let (left, right) = (left.each(right.cost + 1), right.each(1));
                let term = Term::BinOp(Box::new(left), operator, Box::new(right));
                Metered { term, cost, many }
            }
            BinaryOp::Update => {
                let right = self.term(right, depth);
                let cost = right.cost + self.plain_path(&left);
                let right = ticked_before(right);
                let term = Term::BinOp(Box::new(left), operator, Box::new(right));
                Metered { term, cost, many: false }
            }
            BinaryOp::Assign | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                let right = self.term(right, depth);
                let path = self.plain_path(&left);
                let (cost, many) = (right.cost + path, right.many);
                let right = right.each(path + 1);
                let term = Term::BinOp(Box::new(left), operator, Box::new(right));
                Metered { term, cost, many }
            }
        }
    }

    fn branches(
        &mut self,
        branches: Vec<(Term<&'s str>, Term<&'s str>)>,
        otherwise: Option<Box<Term<&'s str>>>,
        depth: usize,
    ) -> Metered<'s> {
        let (mut cost, mut many, mut metered) = (1, false, Vec::new());
        for (condition, then) in branches {
            let (condition, then) = (self.term(condition, depth), self.term(then, depth));
            cost += condition.cost + then.cost;
            many |= condition.many || then.many;
            metered.push((condition, then));
        }
        let otherwise = otherwise.map(|otherwise| self.term(*otherwise, depth));
        if let Some(otherwise) = &otherwise {
            cost += otherwise.cost;
            many |= otherwise.many;
        }
        let each =
            |(condition, then): (Metered<'s>, Metered<'s>)| (condition.each(cost), then.term);
        let branches = metered.into_iter().map(each).collect();
        let otherwise = otherwise.map(|otherwise| Box::new(otherwise.term));
        Metered { term: Term::IfThenElse(branches, otherwise), cost, many }
    }

    fn filter(&mut self, name: &'s str, arguments: usize) -> Option<&'static Filter> {
        let found = allowed(name, arguments);
        if found.is_none() {
            let place = place(self.code, name);
            self.faults.push(format!("`{name}/{arguments}` may not be used in a transform{place}"));
        }
        found
    }

    fn call(&mut self, name: &'s str, arguments: Vec<Term<&'s str>>, depth: usize) -> Metered<'s> {
        let Some(filter) = self.filter(name, arguments.len()) else { return once(Term::Id) };
        if filter.outputs == Outputs::Updated {
            let paths: u32 = arguments.iter().map(|path| self.plain_path(path)).sum();
            return Metered { term: Term::Call(name, arguments), cost: paths + 4, many: false };
        }
        let (mut cost, mut many, mut metered) = (4, false, Vec::new());
        for argument in arguments {
            let argument = self.term(argument, depth);
            cost += argument.cost;
            many |= argument.many;
            metered.push(match filter.outputs {
                Outputs::EachItem => ticked_before(argument),
                _ => argument.each(4),
            });
        }
        let many = match filter.outputs {
            Outputs::EachArgument => many,
            Outputs::First | Outputs::EachItem | Outputs::Updated => false,
            Outputs::Many => true,
        };
        Metered { term: Term::Call(name, metered), cost, many }
    }
}
