//! Parses a program, checks it against the list of allowed filters, and adds the ticks that count its
//! steps.
//!
//! jq's loops and definitions are not allowed, so a program is a tree and always ends. But it can
//! multiply work: each `.[]` and each comma runs everything behind it once for each output. So a tick
//! follows every term that may have more than one output, and costs as many steps as there are terms
//! to run for an output. A tick also precedes every filter that another filter runs for each item. A
//! term without a tick before it runs once.

mod metered;
mod paths;
mod place;
mod reader;

use jaq_core::load::parse::{Expect, Parser, Term};
use jaq_core::load::{Lexer, lex};

use self::metered::{Metered, ticked};
pub(super) use self::place::place;
use self::place::refused;
use self::reader::Reader;

/// Maximum length of a program, in bytes.
pub(super) const PROGRAM_BYTES: usize = 4 * 1024;
/// Maximum nesting of brackets.
const BRACKETS: usize = 64;

/// A program that passed the check.
pub(super) struct Program<'s> {
    /// The program with its ticks.
    pub(super) term: Term<&'s str>,
    /// The literal texts of the program.
    pub(super) texts: Vec<&'s str>,
    /// The variables that the program reads.
    pub(super) variables: Vec<&'s str>,
}

/// Reads a program.
///
/// # Errors
/// The faults of the program, each with line and column.
pub(super) fn read(code: &str) -> Result<Program<'_>, Vec<String>> {
    if code.len() > PROGRAM_BYTES {
        let bytes = code.len();
        let message = format!("the program is too long: bytes=`{bytes}` limit=`{PROGRAM_BYTES}`");
        return Err(vec![message]);
    }
    let depth = brackets(code);
    if depth > BRACKETS {
        let message = format!("brackets are nested too deeply: depth=`{depth}` limit=`{BRACKETS}`");
        return Err(vec![message]);
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

/// The nesting of brackets, checked before the parser recurses. Brackets inside texts and comments do
/// not count, brackets inside interpolations do.
fn brackets(code: &str) -> usize {
    let (mut open, mut deepest, mut in_text) = (Vec::new(), 0, false);
    let mut bytes = code.bytes();
    while let Some(byte) = bytes.next() {
        match (in_text, byte) {
            // Escaped characters are skipped.
            (true, b'\\') if bytes.next() == Some(b'(') => {
                open.push(true);
                in_text = false;
            }
            (false, b'#') => skip_comment(&mut bytes),
            (_, b'"') => in_text = !in_text,
            (false, b'(' | b'[' | b'{') => open.push(false),
            (false, b')' | b']' | b'}') => in_text = open.pop().unwrap_or(false),
            _ => {}
        }
        deepest = deepest.max(open.len());
    }
    deepest
}

/// Skips the rest of a comment. As in jq, a line that ends with an odd number of backslashes continues
/// the comment on the next line.
fn skip_comment(bytes: &mut std::str::Bytes<'_>) {
    let mut continues = false;
    for byte in bytes {
        match byte {
            b'\n' if !continues => return,
            b'\\' => continues = !continues,
            // A line may end with CR LF.
            b'\r' if continues => {}
            _ => continues = false,
        }
    }
}
