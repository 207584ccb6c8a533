//! Records that are lines of JSON, on topics whose route says `"framing":"json_lines"`. Each line is read
//! like a record of its own, as a line of NDJSON over HTTP is, and a bad line never costs a good one.
//!
//! The lines of a record share its source, so their events and dead letters are numbered as its elements:
//! line `n` (from 0, empty lines not counted) is element `1000 n`, and what a transform makes of it are the
//! elements from `1000 n + 1` on. A dead letter of element `1000 n` stands for the whole line, also after
//! its contract got a transform or lost it.

use std::iter;

use crate::base::error::{Code, Rejection};
use crate::base::limits;
use crate::base::scope::TenantScope;
use crate::intake::contract::{Contract, Element};
use crate::intake::json;
use crate::intake::record::{Record, part_of_line};

/// How many numbers a line has: one for all of it, and the others for its elements.
const NUMBERS: u32 = 1_000;

/// Reads each line of a record. Of a record of which only one element is meant, it gives that element, or
/// what its line gives.
///
/// # Errors
/// The record as a whole is none: `empty_value`, `unsupported_encoding`, `too_large`.
pub(crate) fn elements(
    contract: &Contract,
    record: &Record,
    scope: &TenantScope,
) -> Result<Vec<Element>, Rejection> {
    let body = record.plain_body()?;
    json::check_not_compressed(body)?;
    let texts: Vec<&[u8]> = lines(body).collect();
    if texts.len() > limits::ELEMENTS {
        return Err(too_many(format!("the record has too many lines: lines=`{}`", texts.len())));
    }
    let meant = record.source.element();
    let mut elements = Vec::new();
    for (line, text) in numbers().zip(texts) {
        if meant.is_some_and(|meant| meant - meant % NUMBERS != line) {
            continue;
        }
        elements.extend(elements_of_line(contract, &line_record(record, text), line, scope));
        if elements.len() > limits::ELEMENTS {
            return Err(too_many("the record's lines give too many elements:".to_owned()));
        }
    }
    Ok(elements)
}

/// The lines that are not empty.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty())
}

/// The number of each line.
fn numbers() -> impl Iterator<Item = u32> {
    iter::successors(Some(0_u32), |number| number.checked_add(NUMBERS))
}

fn too_many(message: String) -> Rejection {
    Rejection::new(Code::TooLarge, format!("{message} limit=`{}`", limits::ELEMENTS))
}

/// A line as a record of its own. Of its elements, the same one is meant.
fn line_record(record: &Record, text: &[u8]) -> Record {
    let meant = record.source.element().and_then(|meant| (meant % NUMBERS).checked_sub(1));
    Record {
        source: record.source.clone().meaning(meant),
        key: record.key.clone(),
        value: Some(text.to_vec()),
        headers: record.headers.clone(),
        received_at: record.received_at,
        ingested_at: record.ingested_at,
    }
}

fn elements_of_line(
    contract: &Contract,
    record: &Record,
    line: u32,
    scope: &TenantScope,
) -> Vec<Element> {
    let parsed = record.parsed().in_line(line);
    let of_line = |event| vec![Element { number: line, event: located(event, line) }];
    match contract.elements(&parsed, scope) {
        Some(Ok(elements)) if elements.iter().any(|element| element.number >= NUMBERS - 1) => {
            let message = format!("the transform gives too many elements: limit=`{}`", NUMBERS - 1);
            of_line(Err(Rejection::new(Code::TooLarge, message)))
        }
        Some(Ok(elements)) => {
            let numbered = elements.into_iter().map(|Element { number, event }| Element {
                number: part_of_line(line, number),
                event: located(event, line),
            });
            numbered.collect()
        }
        Some(Err(rejection)) => of_line(Err(rejection)),
        // A line without a transform is its own first element, and has no other.
        None if record.source.element().is_some_and(|element| element > 0) => Vec::new(),
        None => of_line(contract.read(&parsed, scope)),
    }
}

/// A rejection says which line of the record is meant, from 1.
fn located<T>(event: Result<T, Rejection>, line: u32) -> Result<T, Rejection> {
    event.map_err(|rejection| {
        let message = format!("line {} of the record: {}", line / NUMBERS + 1, rejection.message);
        Rejection { message, ..rejection }
    })
}
