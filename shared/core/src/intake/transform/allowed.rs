//! The filters that a program may use. The list names the allowed filters, so that a new filter of a later
//! version of jq is not allowed.

/// The number of outputs of a filter, and its use of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outputs {
    /// At most one output for each combination of the outputs of its arguments.
    EachArgument,
    /// At most one output.
    First,
    /// One output. Its argument runs for each item of the input.
    EachItem,
    /// One output. Its arguments are paths that the filter changes.
    Updated,
    /// Any number of outputs.
    Many,
}

/// A filter that may be used.
#[derive(Debug)]
pub(super) struct Filter {
    name: &'static str,
    arguments: usize,
    pub(super) outputs: Outputs,
}

const fn one(name: &'static str, arguments: usize) -> Filter {
    Filter { name, arguments, outputs: Outputs::EachArgument }
}

const fn first(name: &'static str, arguments: usize) -> Filter {
    Filter { name, arguments, outputs: Outputs::First }
}

const fn each(name: &'static str) -> Filter {
    Filter { name, arguments: 1, outputs: Outputs::EachItem }
}

const fn many(name: &'static str, arguments: usize) -> Filter {
    Filter { name, arguments, outputs: Outputs::Many }
}

const ALLOWED: &[Filter] = &[
    one("empty", 0),
    one("error", 0),
    one("error", 1),
    one("null", 0),
    one("true", 0),
    one("false", 0),
    one("not", 0),
    one("select", 1),
    one("type", 0),
    one("length", 0),
    one("utf8bytelength", 0),
    one("keys", 0),
    one("has", 1),
    one("in", 1),
    one("contains", 1),
    one("inside", 1),
    one("indices", 1),
    one("index", 1),
    one("rindex", 1),
    one("first", 0),
    one("last", 0),
    one("nth", 1),
    first("first", 1),
    first("last", 1),
    first("isempty", 1),
    many("limit", 2),
    many("skip", 2),
    many("recurse", 0),
    each("map"),
    each("map_values"),
    each("with_entries"),
    each("sort_by"),
    each("group_by"),
    each("unique_by"),
    each("min_by"),
    each("max_by"),
    each("any"),
    each("all"),
    one("any", 0),
    one("all", 0),
    one("add", 0),
    first("add", 1),
    one("sort", 0),
    one("unique", 0),
    one("min", 0),
    one("max", 0),
    one("reverse", 0),
    one("flatten", 0),
    one("flatten", 1),
    one("transpose", 0),
    one("to_entries", 0),
    one("from_entries", 0),
    one("toarray", 0),
    one("getpath", 1),
    Filter { name: "del", arguments: 1, outputs: Outputs::Updated },
    one("values", 0),
    one("nulls", 0),
    one("booleans", 0),
    one("numbers", 0),
    one("strings", 0),
    one("arrays", 0),
    one("objects", 0),
    one("iterables", 0),
    one("scalars", 0),
    one("tostring", 0),
    one("tonumber", 0),
    one("tojson", 0),
    one("fromjson", 0),
    one("ascii_downcase", 0),
    one("ascii_upcase", 0),
    one("startswith", 1),
    one("endswith", 1),
    one("ltrimstr", 1),
    one("rtrimstr", 1),
    one("trim", 0),
    one("ltrim", 0),
    one("rtrim", 0),
    one("split", 1),
    one("join", 1),
    one("explode", 0),
    one("implode", 0),
    one("floor", 0),
    one("ceil", 0),
    one("round", 0),
    one("sqrt", 0),
    one("pow", 2),
    one("abs", 0),
    one("fromdate", 0),
    one("todate", 0),
    one("@text", 0),
    one("@json", 0),
    one("@base64", 0),
    one("@base64d", 0),
    one("@uri", 0),
];

/// The filter with this name and number of arguments, if it is allowed.
pub(super) fn allowed(name: &str, arguments: usize) -> Option<&'static Filter> {
    ALLOWED.iter().find(|filter| filter.name == name && filter.arguments == arguments)
}

/// Each name and its number of arguments.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = (&'static str, usize)> {
    ALLOWED.iter().map(|filter| (filter.name, filter.arguments))
}
