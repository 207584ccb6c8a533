//! Records on topics whose route has `"framing":"json_lines"`. Each line is read like a record of its own, like
//! a line of NDJSON over HTTP, and an invalid line does not affect the others.
//!
//! The lines of a record have its source, so their events and dead letters are numbered as its elements
//! (`record::numbering`). The dead letter of a whole line stays valid when its contract gets a transform or
//! loses it.

use std::iter;

use crate::base::error::{Code, Rejection};
use crate::base::limits;
use crate::base::scope::TenantScope;
use crate::intake::contract::{Contract, Element};
use crate::intake::json;
use crate::intake::record::{PARTS_PER_LINE, Record, element_of_part, line_of_part, part_of_line};

/// Reads each line of a record. If the source of the record names one element, only that element is read, or
/// the elements of its whole line.
///
/// # Errors
/// The record as a whole is invalid: `empty_value`, `unsupported_encoding`, `too_large`.
pub(crate) fn elements(
    contract: &Contract,
    record: &Record,
    scope: &TenantScope,
) -> Result<Vec<Element>, Rejection> {
    let body = record.plain_body()?;
    json::check_not_compressed(body)?;
    json::check_not_framed(body)?;
    let texts: Vec<&[u8]> = lines(body).collect();
    if texts.len() > limits::ELEMENTS {
        return Err(too_many(format!("the record has too many lines: lines=`{}`", texts.len())));
    }
    let meant = record.source.element();
    let mut elements = Vec::new();
    for (line, text) in numbers().zip(texts) {
        if meant.is_some_and(|meant| line_of_part(meant) != line) {
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
    iter::successors(Some(0_u32), |number| number.checked_add(PARTS_PER_LINE))
}

fn too_many(message: String) -> Rejection {
    Rejection::new(Code::TooLarge, format!("{message} limit=`{}`", limits::ELEMENTS))
}

/// A line as a record of its own. Its source names the same element, if any.
fn line_record(record: &Record, text: &[u8]) -> Record {
    let meant = record.source.element().and_then(element_of_part);
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
        Some(Ok(elements))
            if elements.iter().any(|element| element.number >= PARTS_PER_LINE - 1) =>
        {
            let message =
                format!("the transform gives too many elements: limit=`{}`", PARTS_PER_LINE - 1);
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

/// Adds the line of the record to a rejection, from 1.
fn located<T>(event: Result<T, Rejection>, line: u32) -> Result<T, Rejection> {
    event.map_err(|rejection| {
        let message =
            format!("line {} of the record: {}", line / PARTS_PER_LINE + 1, rejection.message);
        Rejection { message, ..rejection }
    })
}
