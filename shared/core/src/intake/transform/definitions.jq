def empty: {}[] as $x | .;
def error: error_empty as $x | .;
def error(message): (message | error_empty) as $x | .;
def null: [][0];
def true: 0 == 0;
def false: 0 != 0;
def not: if . then false else true end;
def select(f): if f then . else empty end;

def map(f): [.[] | f];
def map_values(f): .[] |= f;
def del(f): f |= empty;
def recurse: ..;
def with_entries(f): to_entries | map(f) | from_entries;

def values: select(. != null);
def nulls: select(type == "null");
def booleans: select(type == "boolean");
def numbers: select(type == "number");
def strings: select(type == "string");
def arrays: select(type == "array");
def objects: select(type == "object");
def iterables: select(type == "array" or type == "object");
def scalars: select(type != "array" and type != "object");

def first: .[0];
def last: .[-1];
def nth(n): .[n];
def isempty(g): first((g | false), true);
def any(f): first((.[] | f | select(.) | true), false);
def all(f): first((.[] | f | select(not) | false), true);
def any: any(.);
def all: all(.);
def add(f): [f] | add;
def unique_by(f): [group_by(f)[] | .[0]];
def unique: unique_by(.);
def min_by(f): sort_by(f) | .[0];
def max_by(f): sort_by(f) | .[-1];
def min: min_by(.);
def max: max_by(.);
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($i): indices($i) | .[0];
def rindex($i): indices($i) | .[-1];
def flatten: flatten(256);

def tostring: "\(.)";
def @text: "\(.)";
def @json: tojson;
