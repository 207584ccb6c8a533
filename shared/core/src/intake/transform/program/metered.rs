//! Terms with the ticks that count their steps.

use jaq_core::load::parse::{BinaryOp, Term};

use crate::intake::transform::natives::TICKS;

/// A term with its ticks.
pub(super) struct Metered<'s> {
    pub(super) term: Term<&'s str>,
    /// How many terms run when the term runs once.
    pub(super) cost: u32,
    /// Whether the term may have more than one output.
    pub(super) many: bool,
}

impl<'s> Metered<'s> {
    /// The term with a tick of `after` steps for each output, if it may have several outputs.
    pub(super) fn each(self, after: u32) -> Term<&'s str> {
        if self.many { ticked(self.term, after) } else { self.term }
    }
}

pub(super) fn ticked(term: Term<&str>, steps: u32) -> Term<&str> {
    Term::BinOp(Box::new(term), BinaryOp::Pipe(None), Box::new(tick(steps)))
}

/// A filter that another filter runs for each item.
pub(super) fn ticked_before(metered: Metered<'_>) -> Term<&str> {
    let tick = tick(metered.cost);
    Term::BinOp(Box::new(tick), BinaryOp::Pipe(None), Box::new(metered.each(4)))
}

fn tick(steps: u32) -> Term<&'static str> {
    let name = TICKS.iter().find(|(_, takes)| *takes >= steps).or(TICKS.last());
    Term::Call(name.map_or("empty", |(name, _)| name), Vec::new())
}

pub(super) const fn once(term: Term<&str>) -> Metered<'_> {
    Metered { term, cost: 1, many: false }
}
