//! Runs the jq program of a contract over a record. Each output is an element of the record, which the
//! contract's fields read like a record of its own.
//!
//! The interpreter is jaq; values, filters and limits are Drover's. Operators write the programs, so a
//! program is honest but may be clumsy. Anyone may write a record, so a record may be hostile. The steps
//! of a run (`meter`) are limited by the length of its record, so the same record fails on every machine
//! or on none. Messages contain nothing of a record (`failure`).

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
use crate::intake::record::{HeaderValue, Record, Source, is_credential};

/// The variables of a program.
const VARIABLES: [&str; 4] = ["$key", "$topic", "$headers", "$received"];
/// The call that runs the program.
const MAIN: &str = "_main($key; $topic; $headers; $received)";
/// The stack for compiling: the parser recurses once for each character of some programs.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// Steps of every run.
const STEPS: u64 = 200_000;
/// Steps for each byte of the record.
const STEPS_OF_BYTE: u64 = 8;

/// A compiled program.
pub(crate) struct Transform {
    filter: Filter<Data>,
    texts: Vec<Box<str>>,
    /// The variables of [`VARIABLES`] that the program reads.
    reads: [bool; VARIABLES.len()],
}

/// The outputs of a program, in order: the JSON of an element, or the error in its place.
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
    /// The faults of the program, with line and column if they are known.
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

    /// Whether the program reads `$headers`.
    pub(crate) const fn reads_headers(&self) -> bool {
        let [_, _, headers, _] = self.reads;
        headers
    }

    /// Runs the program over a record. `json` is the record's body.
    ///
    /// # Errors
    /// The record as a whole exceeds a limit: `transform_failed`, `too_large`.
    pub(crate) fn run(&self, record: &Record, json: &str) -> Result<Elements, Rejection> {
        let length = u64::try_from(json.len()).unwrap_or(u64::MAX);
        let steps = STEPS.saturating_add(length.saturating_mul(STEPS_OF_BYTE));
        // Reading the record costs the program no steps.
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
                    // The run halted; the meter has the reason.
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

/// The headers with text values; of several with one name, the last.
fn headers_of(record: &Record) -> Value {
    let members = record.headers.iter().filter_map(|(name, _)| {
        if is_credential(name) {
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
