//! Checks the paths and patterns of a program: paths that are read, and paths that an update changes.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Part, Path};

use super::metered::{Metered, once};
use super::reader::Reader;

impl<'s> Reader<'s> {
    pub(super) fn path(
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

    /// Whether the term is a literal text.
    fn plain_text(&self, term: &Term<&'s str>) -> bool {
        matches!(term, Term::Str(None, parts) if matches!(parts.as_slice(), [StrPart::Str(_)]))
    }

    /// Checks the left side of an update, whose paths must be known before the update runs. Returns its cost.
    pub(super) fn plain_path(&mut self, term: &Term<&'s str>) -> u32 {
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

    /// Allows literal names only, because a computed name could have many outputs.
    pub(super) fn pattern(&mut self, pattern: &Pattern<&'s str>) {
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
