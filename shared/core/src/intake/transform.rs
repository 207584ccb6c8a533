//! One jq program between a record and its contract: what it gives are the elements of the record,
//! and each of them is read by the contract's fields as if it had come alone.
//!
//! The interpreter is jaq's; values, filters and limits are ours. The program is an operator's, so it
//! is honest and may be clumsy; the record is anybody's. What a run may cost follows from the length
//! of its record and is counted in steps (`meter`), so a record that is too much work is too much
//! work everywhere. Nothing that a program says of a record gets into a message (`failure`).

mod allowed;
mod failure;
mod meter;
mod natives;
mod program;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::rc::Rc;
use std::thread;

use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars};

use self::natives::Data;
use self::value::Value;
use crate::base::error::Rejection;
use crate::base::limits;
use crate::intake::record::{HeaderValue, Record, Source};

/// What a program knows besides the record's JSON.
const VARIABLES: [&str; 4] = ["$key", "$topic", "$headers", "$received"];
/// The program, as jaq calls it.
const MAIN: &str = "_main($key; $topic; $headers; $received)";
/// Headers that prove who somebody is.
const CREDENTIALS: [&str; 6] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "x-functions-key",
];
/// The stack that a program is compiled on: parsers recurse once for each sign of some programs.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Steps of any run.
const STEPS: u64 = 200_000;
/// Steps for each byte of the record.
const STEPS_OF_BYTE: u64 = 8;

/// A compiled program.
pub(crate) struct Transform {
    filter: Filter<Data>,
    texts: Vec<Box<str>>,
    /// Which of [`VARIABLES`] it reads.
    reads: [bool; VARIABLES.len()],
}

/// What a program gives, in order: the JSON of an element, or why there is none in its place.
pub(crate) type Elements = Vec<Result<String, Rejection>>;

impl fmt::Debug for Transform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Transform").field("texts", &self.texts).finish_non_exhaustive()
    }
}

impl Transform {
    /// Compiles a program.
    ///
    /// # Errors
    /// Why it may not run, each with line and column where there is a place.
    pub(crate) fn compile(code: &str) -> Result<Self, Vec<String>> {
        let compiled = thread::scope(|scope| {
            let compiler = thread::Builder::new().stack_size(STACK_BYTES);
            let running = compiler.spawn_scoped(scope, || compiled(code));
            running.map_err(|_| Vec::new())?.join().map_err(|_| Vec::new())?
        });
        compiled.map_err(|faults: Vec<String>| {
            if faults.is_empty() {
                vec!["the program cannot be compiled".to_owned()]
            } else {
                faults
            }
        })
    }

    /// Runs it over a record; `json` is the record's body, which is JSON.
    ///
    /// # Errors
    /// The record as a whole is over a bound: `transform_failed`, `too_large`.
    pub(crate) fn run(&self, record: &Record, json: &str) -> Result<Elements, Rejection> {
        let length = u64::try_from(json.len()).unwrap_or(u64::MAX);
        let steps = STEPS.saturating_add(length.saturating_mul(STEPS_OF_BYTE));
        // What it takes to read the record is not the program's.
        meter::start(u64::MAX);
        let input = value::read(json);
        let variables = self.variables(record);
        if meter::over().is_none() {
            meter::start(steps);
        }
        let elements = self.elements(input, variables);
        match meter::over() {
            None => elements,
            Some(over) => Err(failure::of_limit(over, steps)),
        }
    }

    fn elements(&self, input: Value, variables: [Value; 4]) -> Result<Elements, Rejection> {
        let context = Ctx::<Data>::new(&self.filter.lut, Vars::new(variables));
        let mut elements = Elements::new();
        let mut bytes = 0;
        for output in self.filter.id.run((context, input)) {
            if elements.len() == limits::ELEMENTS {
                return Err(failure::too_many());
            }
            let element = match output {
                Ok(value) => {
                    let json = value.to_json();
                    bytes += json.len();
                    Ok(json)
                }
                Err(exception) => match exception.get_err() {
                    Ok(error) => Err(failure::of_error(error, &self.texts)),
                    // It halted: the meter says why.
                    Err(_) => break,
                },
            };
            if meter::over().is_some() {
                break;
            }
            if bytes > limits::ELEMENTS_BYTES {
                return Err(failure::too_much());
            }
            elements.push(element);
        }
        Ok(elements)
    }

    fn variables(&self, record: &Record) -> [Value; 4] {
        let [key, topic, headers, received] = self.reads;
        let read =
            |reads: bool, value: &dyn Fn() -> Value| if reads { value() } else { Value::Null };
        [
            read(key, &|| {
                let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
                key.map_or(Value::Null, Value::text)
            }),
            read(topic, &|| match &record.source {
                Source::Kafka { topic, .. } => Value::text(&**topic),
                Source::Http { .. } => Value::Null,
            }),
            read(headers, &|| headers_of(record)),
            read(received, &|| {
                record.received_at.map_or(Value::Null, |at| Value::text(at.to_string()))
            }),
        ]
    }
}

/// The headers that are texts, the last of a name.
fn headers_of(record: &Record) -> Value {
    let members = record.headers.iter().filter_map(|(name, _)| {
        if CREDENTIALS.iter().any(|credential| name.eq_ignore_ascii_case(credential)) {
            return None;
        }
        let text = match record.header(name)? {
            HeaderValue::Text(text) => Value::text(text),
            HeaderValue::Long(number) | HeaderValue::Millis(number) => {
                Value::text(number.to_string())
            }
            HeaderValue::Unreadable => return None,
        };
        Some((Rc::from(name.as_str()), text))
    });
    Value::object(members.collect())
}

fn compiled(code: &str) -> Result<Transform, Vec<String>> {
    let program = program::read(code)?;
    let reads = VARIABLES.map(|name| program.variables.contains(&name));
    let texts = program.texts.iter().map(|text| Box::from(*text)).collect();
    let definitions =
        jaq_core::load::parse(include_str!("transform/definitions.jq"), |parser| parser.defs());
    let main = Def { name: "_main", args: VARIABLES.to_vec(), body: program.term };
    let arena = Arena::default();
    let loader = Loader::new(definitions.unwrap_or_default().into_iter().chain([main]));
    let modules = loader.load(&arena, File { code: MAIN, path: () });
    let modules = modules.map_err(|_| Vec::new())?;
    let compiler = Compiler::default().with_funs(natives::all()).with_global_vars(VARIABLES);
    let filter = compiler.compile(modules).map_err(|errors| {
        let unknown = errors.iter().flat_map(|(_, faults)| faults).map(|(name, kind)| {
            format!("there is no {} `{name}`{}", kind.as_str(), program::place(code, name))
        });
        unknown.collect::<Vec<_>>()
    })?;
    Ok(Transform { filter, texts, reads })
}
