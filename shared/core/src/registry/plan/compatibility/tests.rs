//! Which versions of a contract are compatible.

use super::*;

const NONE: Incompatibilities = Incompatibilities { rejecting: false, undecided: false };
const BACKWARD: Required = Required { backward: true, forward: false };
const FORWARD: Required = Required { backward: false, forward: true };

fn contract() -> Value {
    json!({
        "name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
        "type": {"first": [{"path": "/type"}], "default": "seen"}, "payload": {"path": ""},
        "ignore": [{"path": "/type", "in": ["ping"]}],
        "schema": {"type": "object", "properties": {"v": {"type": "number", "maximum": 10}}},
        "measures": [{"name": "level", "path": "/v", "unit": "celsius", "unit_path": "/unit"}],
        "variants": [{"when": {"header": "h", "equals": "1"}, "schema": {"type": "object"}}],
    })
}

fn parsed(document: &Value) -> ContractDocument {
    ContractDocument::parse(&document.to_string()).expect("a document")
}

/// The contract with `value` where `pointer` leads.
fn changed(pointer: &str, value: Value) -> ContractDocument {
    let mut document = contract();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    document.pointer_mut(parent).expect("a parent")[name] = value;
    parsed(&document)
}

fn paths(old: &ContractDocument, new: &ContractDocument, required: Required) -> Vec<String> {
    faults(old, new, required, NONE).into_iter().map(|fault| fault.path).collect()
}

/// The refused paths of a change that is required to be compatible backward, and of one that is required to
/// be compatible forward.
fn check(pointer: &str, value: Value, backward: &[&str], forward: &[&str]) {
    let (old, new) = (parsed(&contract()), changed(pointer, value));
    assert_eq!(paths(&old, &new, BACKWARD), backward, "backward: {pointer}");
    assert_eq!(paths(&old, &new, FORWARD), forward, "forward: {pointer}");
}

#[test]
fn schemas_decide_in_both_directions() {
    let maximum = "/schema/properties/v/maximum";
    check(maximum, json!(11), &[], &[maximum]);
    check(maximum, json!(9), &[maximum], &[]);
    check("/schema/required", json!(["v"]), &["/schema/required"], &[]);
    let open = [maximum, "/schema/properties/v/type", "/schema/type"];
    check("/schema", json!(true), &[], &open);
    check(
        "/variants/0/schema",
        json!({"type": "object", "required": ["w"]}),
        &["/variants/0/schema/required"],
        &[],
    );
}

#[test]
fn other_fields_decide_as_far_as_possible() {
    check("/ignore", json!([]), &[], &["/ignore/0"]);
    check("/ignore/0/in", json!(["ping", "join"]), &["/ignore/0"], &[]);
    check("/syntax", json!("lenient"), &[], &["/syntax"]);
    check("/transform", json!(".[]"), &["/transform"], &["/transform"]);
    check("/array", json!("record"), &["/array"], &["/array"]);
    check("/type", json!({"first": [{"path": "/type"}]}), &["/type"], &[]);
    check("/type", json!({"path": "/kind"}), &["/type"], &["/type"]);
    check("/payload", json!({"first": [{"path": ""}, {"path": "/p"}]}), &[], &["/payload"]);
    check("/measures", json!([]), &[], &["/measures/0/unit_path"]);
    check("/measures/0/unit_path", json!(null), &[], &["/measures/0/unit_path"]);
    check("/variants", json!([]), &["/variants"], &["/variants"]);
    for (pointer, value) in [
        ("/description", json!("another text")),
        ("/measures/0/name", json!("height")),
        ("/status", json!({"path": "/s"})),
        ("/location", json!({"latitude": "/a", "longitude": "/b"})),
        ("/media_types", json!(["a/b"])),
        ("/schema/title", json!("a title")),
    ] {
        check(pointer, value, &[], &[]);
    }
}

#[test]
fn the_level_is_the_union_of_what_is_asked() {
    use Compatibility::{Backward, Forward, Full, None};
    let required = |asked: &[Compatibility]| {
        let Required { backward, forward } = Required::by(asked.iter().copied());
        (backward, forward)
    };
    assert_eq!(required(&[]), (true, false));
    assert_eq!(required(&[None]), (false, false));
    assert_eq!(required(&[None, Backward]), (true, false));
    assert_eq!(required(&[Forward]), (false, true));
    assert_eq!(required(&[Forward, Backward]), (true, true));
    assert_eq!(required(&[Full, None]), (true, true));
}

#[test]
fn each_consent_allows_its_own_kind() {
    let old = parsed(&contract());
    let new = {
        let mut document = contract();
        document["type"] = json!({"path": "/kind"});
        document["schema"]["required"] = json!(["v"]);
        parsed(&document)
    };
    let refused = |rejecting, undecided| -> Vec<String> {
        let accepted = Incompatibilities { rejecting, undecided };
        faults(&old, &new, BACKWARD, accepted).into_iter().map(|fault| fault.path).collect()
    };
    assert_eq!(refused(false, false), ["/type", "/schema/required"]);
    assert_eq!(refused(true, false), ["/type"]);
    assert_eq!(refused(false, true), ["/schema/required"]);
    assert_eq!(refused(true, true), [""; 0]);
}

#[test]
fn a_refusal_says_the_direction_the_reason_and_the_remedy() {
    let old = parsed(&contract());
    let told = |new: &ContractDocument, required| faults(&old, new, required, NONE)[0].to_string();
    let narrower = changed("/schema/required", json!(["v"]));
    assert_eq!(
        told(&narrower, BACKWARD),
        "/schema/required: not backward compatible: records of the current version are rejected by the next: \
         the member `v` may be absent so far; apply it with --allow incompatible, or give the contract \
         another name"
    );
    let wider = changed("/schema/properties/v/maximum", json!(11));
    assert!(
        told(&wider, FORWARD).contains("records of the next version are rejected by the current")
    );
    let other = changed("/transform", json!(".[]"));
    assert!(told(&other, BACKWARD).contains("it cannot be decided"));
    assert!(told(&other, BACKWARD).contains("--allow undecided"));
}

#[test]
fn a_measure_keeps_its_unit() {
    let old = parsed(&contract());
    let paths = |new: &ContractDocument| -> Vec<String> {
        unit_changes(&old, new).into_iter().map(|fault| fault.path).collect()
    };
    assert_eq!(paths(&changed("/measures/0/unit", json!("kelvin"))), ["/measures/0/unit"]);
    let bare = json!([{"name": "level", "path": "/v"}]);
    assert_eq!(paths(&changed("/measures", bare)), ["/measures/0/unit"]);
    let other = json!([{"name": "height", "path": "/v", "unit": "m"}]);
    assert_eq!(paths(&changed("/measures", other)), [""; 0]);
}
