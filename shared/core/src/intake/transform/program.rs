//! A program as it is written: parsed, checked against the list of what it may use, and given the
//! ticks that count its steps.
//!
//! jq's loops and definitions are not on the list, so a program is a tree and ends by itself. What it
//! can do is multiply: each `.[]` and each comma runs all that follows once for each of its outputs.
//! So a tick stands behind every term that may give more than one output, and takes as many steps as
//! there are terms to run for it; one stands before every filter that another filter runs for each
//! item. Terms without a tick in front of them run once.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Expect, Parser, Pattern, Term};
use jaq_core::load::{Lexer, lex, span};
use jaq_core::path::{Part, Path};

use super::allowed::{Filter, Outputs, allowed};
use super::natives::TICKS;

/// The longest program, in bytes.
pub(super) const PROGRAM_BYTES: usize = 4 * 1024;
/// How deep terms may be inside each other; each further part of a pipe is one deeper.
const DEPTH: usize = 128;
/// How deep brackets may be inside each other.
const BRACKETS: usize = 64;

/// A program that may run.
pub(super) struct Program<'s> {
    /// With its ticks.
    pub(super) term: Term<&'s str>,
    /// The texts that stand in it.
    pub(super) texts: Vec<&'s str>,
    /// The variables that it reads.
    pub(super) variables: Vec<&'s str>,
}

/// Reads a program.
///
/// # Errors
/// Why it may not run, each with where.
pub(super) fn read(code: &str) -> Result<Program<'_>, Vec<String>> {
    if code.len() > PROGRAM_BYTES {
        return Err(vec![format!("the program is too long: limit=`{PROGRAM_BYTES}` bytes")]);
    }
    if brackets(code) > BRACKETS {
        return Err(vec![format!("brackets are too deep inside each other: limit=`{BRACKETS}`")]);
    }
    let tokens = Lexer::new(code).lex().map_err(|faults| {
        let fault = |(expected, at): &(lex::Expect<&str>, &str)| {
            format!("{} is expected{}", expected.as_str(), place(code, at))
        };
        faults.iter().map(fault).collect::<Vec<_>>()
    })?;
    let modules = ["import", "include", "module"];
    if let Some(first) = tokens.first().map(lex::Token::as_str).filter(|one| modules.contains(one))
    {
        return Err(vec![refused(code, first)]);
    }
    let term = Parser::new(&tokens).parse(|parser| parser.term()).map_err(|faults| {
        let fault = |(expected, found): (Expect<&str>, Option<&lex::Token<&str>>)| {
            let found = lex::Token::opt_as_str(found, code);
            format!("{} is expected{}", expected.as_str(), place(code, found))
        };
        faults.into_iter().map(fault).collect::<Vec<_>>()
    })?;
    let mut reader = Reader { code, faults: Vec::new(), texts: Vec::new(), variables: Vec::new() };
    let Metered { term, many, .. } = reader.term(term, 0);
    let term = if many { ticked(term, 1) } else { term };
    let Reader { faults, texts, variables, .. } = reader;
    if faults.is_empty() { Ok(Program { term, texts, variables }) } else { Err(faults) }
}

/// Where a part of the program stands.
pub(super) fn place(code: &str, part: &str) -> String {
    let before = code.get(..span(code, part).start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(": line=`{line}` column=`{column}`")
}

fn refused(code: &str, name: &str) -> String {
    format!("`{name}` may not be used in a transform{}", place(code, name))
}

/// How deep brackets are inside each other, before anything that recurses looks at them. Those inside
/// texts do not count, those inside interpolations do.
fn brackets(code: &str) -> usize {
    let (mut open, mut deepest, mut in_text) = (Vec::new(), 0, false);
    let mut bytes = code.bytes();
    while let Some(byte) = bytes.next() {
        match (in_text, byte) {
            // Whatever is escaped is passed over.
            (true, b'\\') if bytes.next() == Some(b'(') => {
                open.push(true);
                in_text = false;
            }
            (_, b'"') => in_text = !in_text,
            (false, b'(' | b'[' | b'{') => open.push(false),
            (false, b')' | b']' | b'}') => in_text = open.pop().unwrap_or(false),
            _ => {}
        }
        deepest = deepest.max(open.len());
    }
    deepest
}

/// A term with its ticks.
struct Metered<'s> {
    term: Term<&'s str>,
    /// The terms that run once when it runs.
    cost: u32,
    /// Whether there may be more than one output.
    many: bool,
}

impl<'s> Metered<'s> {
    /// With a tick for each output, if there may be several, that takes `after` steps.
    fn each(self, after: u32) -> Term<&'s str> {
        if self.many { ticked(self.term, after) } else { self.term }
    }
}

fn ticked(term: Term<&str>, steps: u32) -> Term<&str> {
    Term::BinOp(Box::new(term), BinaryOp::Pipe(None), Box::new(tick(steps)))
}

/// For what another filter runs for each item.
fn ticked_before(metered: Metered<'_>) -> Term<&str> {
    let tick = tick(metered.cost);
    Term::BinOp(Box::new(tick), BinaryOp::Pipe(None), Box::new(metered.each(4)))
}

fn tick(steps: u32) -> Term<&'static str> {
    let name = TICKS.iter().find(|(_, takes)| *takes >= steps).or(TICKS.last());
    Term::Call(name.map_or("empty", |(name, _)| name), Vec::new())
}

struct Reader<'s> {
    code: &'s str,
    faults: Vec<String>,
    texts: Vec<&'s str>,
    variables: Vec<&'s str>,
}

impl<'s> Reader<'s> {
    fn term(&mut self, term: Term<&'s str>, depth: usize) -> Metered<'s> {
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
        // Each output of one member is put together with the others'.
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

    fn path(
        &mut self,
        of: Term<&'s str>,
        Path(parts): Path<Term<&'s str>>,
        depth: usize,
    ) -> Metered<'s> {
        let of = self.term(of, depth);
        let (mut cost, mut many) = (of.cost, of.many);
        let mut index = |reader: &mut Self, term: Term<&'s str>| {
            let index = match reader.plain_text(&term) {
                true => once(term),
                false => reader.term(term, depth),
            };
            cost += index.cost;
            many |= index.many;
            index.each(1)
        };
        let mut metered = Vec::with_capacity(parts.len());
        let mut iterates = false;
        for (part, opt) in parts {
            let part = match part {
                Part::Index(term) => Part::Index(index(self, term)),
                Part::Range(None, None) => {
                    iterates = true;
                    Part::Range(None, None)
                }
                Part::Range(from, to) => {
                    Part::Range(from.map(|from| index(self, from)), to.map(|to| index(self, to)))
                }
            };
            metered.push((part, opt));
        }
        let count = u32::try_from(metered.len()).unwrap_or(u32::MAX);
        let of = of.each(count);
        let term = Term::Path(Box::new(of), Path(metered));
        Metered { term, cost: cost + count, many: many || iterates }
    }

    /// Whether it is a text that stands in the program.
    fn plain_text(&self, term: &Term<&'s str>) -> bool {
        matches!(term, Term::Str(None, parts) if matches!(parts.as_slice(), [StrPart::Str(_)]))
    }

    /// What stands on the left of an update: places that are known before it runs. Gives what it costs.
    fn plain_path(&mut self, term: &Term<&'s str>) -> u32 {
        match term {
            Term::Id => 1,
            Term::BinOp(left, BinaryOp::Pipe(None) | BinaryOp::Comma, right) => {
                self.plain_path(left) + self.plain_path(right) + 1
            }
            Term::Path(of, Path(parts)) => {
                let names = parts.iter().filter_map(|(part, _)| match part {
                    Part::Index(Term::Var(name)) => Some(*name),
                    Part::Index(_) | Part::Range(..) => None,
                });
                self.variables.extend(names);
                let plain = |term: &Term<&'s str>| {
                    matches!(term, Term::Num(_) | Term::Var(_))
                        || matches!(term, Term::Neg(of) if matches!(**of, Term::Num(_)))
                        || self.plain_text(term)
                };
                let all = parts.iter().all(|(part, _)| match part {
                    Part::Index(index) => plain(index),
                    Part::Range(from, to) => from.iter().chain(to).all(plain),
                });
                if !all {
                    self.computed();
                }
                self.plain_path(of) + u32::try_from(parts.len()).unwrap_or(u32::MAX)
            }
            _ => {
                self.computed();
                1
            }
        }
    }

    fn computed(&mut self) {
        let fault = "an update changes the places that `.a`, `.[0]`, `.[$name]`, `.[]`, `|` and `,` name, \
                     and no computed ones";
        if !self.faults.iter().any(|known| known == fault) {
            self.faults.push(fault.to_owned());
        }
    }

    /// Names only: a computed one could have many outputs.
    fn pattern(&mut self, pattern: &Pattern<&'s str>) {
        match pattern {
            Pattern::Var(_) => {}
            Pattern::Arr(parts) => parts.iter().for_each(|part| self.pattern(part)),
            Pattern::Obj(members) => {
                for (name, part) in members {
                    if !self.plain_text(name) {
                        let fault = "a pattern names its members, and computes no names";
                        self.faults.push(fault.to_owned());
                    }
                    self.pattern(part);
                }
            }
        }
    }
}

const fn once(term: Term<&str>) -> Metered<'_> {
    Metered { term, cost: 1, many: false }
}
