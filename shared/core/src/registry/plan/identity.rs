//! Detects changes of a contract that would change the identity of records. After such a change a
//! redelivered record would be a new event and count twice.
//!
//! Free to change: the order of members, schema, payload, measures, status, location, and the type
//! unless it is read from a header.

use serde_json::{Value, json};

use crate::intake::contract::{ContractDocument, SourceDocument, builtin};
use crate::intake::document::StoredDocument;
use crate::intake::fault::Fault;
use crate::registry::version::StoredContract;

/// Whether a contract may change the identity of its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Identities {
    /// No: such a contract is refused.
    #[default]
    Kept,
    /// Yes: the caller accepts that redelivered records count twice.
    MayChange,
}

/// The fields of a contract that determine a record's identity: JSON Pointer and value.
type Fields = Vec<(&'static str, Value)>;

const TYPE: &str = "/type";
const ARRAY: &str = "/array";

/// The refused changes of a contract that replaces the stored contract, or the built-in contract
/// with its name.
pub(super) fn changes(new: &ContractDocument, stored: Option<&StoredDocument>) -> Vec<Fault> {
    let old = match stored.map(StoredContract::parse) {
        Some(Ok(old)) => Some(old.contract),
        Some(Err(_)) => {
            let what = "this release cannot read the stored contract";
            return vec![refused("", what)];
        }
        None => builtin(&new.name).ok().flatten(),
    };
    old.map(|old| compared(&old, new)).unwrap_or_default()
}

fn compared(old: &ContractDocument, new: &ContractDocument) -> Vec<Fault> {
    let usual = (fields(old), fields(new));
    let mut faults: Vec<Fault> =
        differing(&usual.0, &usual.1).map(|(path, _)| changed(path)).collect();
    let (old, new) = (variants(old, &usual.0), variants(new, &usual.1));
    if !old.iter().map(|(when, _)| when).eq(new.iter().map(|(when, _)| when)) {
        faults.push(refused("/variants", "the variants that apply to a record have changed"));
        return faults;
    }
    for (index, ((_, old), (_, new))) in old.iter().zip(&new).enumerate() {
        // A difference that the contract itself has is reported once, and not for each variant.
        let repeated: Vec<_> = differing(&usual.0, &usual.1).collect();
        let own = differing(old, new).filter(|difference| !repeated.contains(difference));
        faults.extend(own.map(|(path, _)| changed(&format!("/variants/{index}{path}"))));
    }
    faults
}

type Difference<'a> = (&'static str, (&'a Value, &'a Value));

fn differing<'a>(old: &'a Fields, new: &'a Fields) -> impl Iterator<Item = Difference<'a>> {
    // Type and array are null if they do not identify records; the change behind that is reported at its
    // own field.
    let is_free = |(path, what): &(&str, Value)| [TYPE, ARRAY].contains(path) && what.is_null();
    let pairs = old
        .iter()
        .zip(new)
        .filter(move |(old, new)| old.1 != new.1 && !is_free(old) && !is_free(new));
    pairs.map(|((path, old), (_, new))| (*path, (old, new)))
}

fn fields(contract: &ContractDocument) -> Fields {
    let mut identity = contract.identity.clone();
    if let Some(identity) = &mut identity {
        identity.except.sort_unstable();
    }
    vec![
        ("/subject/kind", json!(contract.subject.kind)),
        ("/subject/id", json!(contract.subject.id)),
        ("/subject/fold", json!(contract.subject.fold)),
        ("/tenant", json!(contract.tenant)),
        ("/observed_at", json!(contract.observed_at)),
        ("/without_time", json!(contract.without_time)),
        ("/event_id", json!(contract.event_id)),
        ("/sequence", json!(contract.sequence)),
        ("/identity", json!(identity)),
        (TYPE, json!(type_headers(contract))),
        (ARRAY, json!(contract.identified_by_record().then_some(contract.array))),
    ]
}

/// The headers of the type, which are part of the record's digest.
fn type_headers(contract: &ContractDocument) -> Option<Vec<&str>> {
    let source = &contract.event_type;
    let outside = std::iter::once(source).chain(&source.first).filter_map(|one| match one {
        SourceDocument { header: Some(header), .. } => Some(header.as_str()),
        SourceDocument { key: true, .. } => Some("key"),
        SourceDocument { topic: true, .. } => Some("topic"),
        _ => None,
    });
    contract.identified_by_record().then(|| outside.collect())
}

/// The condition and fields of each variant. Trailing variants that repeat the contract are
/// dropped, because they have no effect. An earlier one has an effect: it keeps records from
/// later variants.
fn variants(contract: &ContractDocument, usual: &Fields) -> Vec<(Value, Fields)> {
    let variants = contract.variants.iter();
    let mut variants: Vec<(Value, Fields)> = variants
        .map(|variant| (json!(variant.when), fields(&contract.overlaid(variant))))
        .collect();
    while variants.last().is_some_and(|(_, last)| last == usual) {
        variants.pop();
    }
    variants
}

fn changed(path: &str) -> Fault {
    let what = if path.ends_with(TYPE) {
        "the headers of the type are part of what identifies a record"
    } else {
        "this field is part of what identifies a record"
    };
    refused(path, what)
}

fn refused(path: &str, why: &str) -> Fault {
    let message = format!(
        "{why}, so records that are delivered again would count twice; give the contract another \
         name, or apply it with --allow identity-change"
    );
    Fault::new(path, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Value {
        json!({
            "name": "mine", "subject": {"kind": "thing", "id": {"path": "/id"}},
            "event_id": {"path": "/event"}, "identity": {"except": ["/a", "/b"]},
            "type": {"first": [{"header": "type"}, {"path": "/type"}]},
            "observed_at": {"path": "/at"}, "tenant": {"path": "/tenant"}, "payload": {"path": ""},
            "variants": [
                {"when": {"header": "h", "equals": "1"}, "observed_at": {"header": "time"}},
                {"when": {"header": "h", "equals": "2"}, "payload": {"path": "/p"}},
            ],
        })
    }

    fn parsed(document: &Value) -> ContractDocument {
        ContractDocument::parse(&document.to_string()).expect("a document")
    }

    fn stored(document: &Value) -> StoredDocument {
        let version = json!({"version": 1, "applied_at": "2026-11-21T06:00:00Z",
            "applied_by": "ann", "contract": document});
        StoredDocument { json: version.to_string(), revision: 1 }
    }

    /// The paths that are refused when `value` is put where `pointer` leads.
    fn check(pointer: &str, value: Value, expected: &[&str]) {
        let old = contract();
        let mut new = contract();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        new.pointer_mut(parent).expect("a parent")[name] = value;
        let faults = changes(&parsed(&new), Some(&stored(&old)));
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, expected, "{pointer}");
    }

    #[test]
    fn a_change_of_what_identifies_a_record_is_refused() {
        check("/subject/kind", json!("other"), &["/subject/kind"]);
        check("/subject/id", json!({"header": "id"}), &["/subject/id"]);
        check("/tenant", json!(null), &["/tenant"]);
        check("/observed_at", json!({"path": "/time"}), &["/observed_at"]);
        check("/observed_at", json!({"path": "/at", "format": "epoch"}), &["/observed_at"]);
        check("/observed_at", json!(null), &["/observed_at"]);
        check("/without_time", json!("received"), &["/without_time"]);
        check("/event_id", json!(null), &["/event_id"]);
        check("/identity", json!(null), &["/identity"]);
        check("/identity", json!({"except": ["/a"]}), &["/identity"]);
        check("/identity", json!({"of": [{"path": "/a"}]}), &["/identity"]);
        check("/type", json!({"path": "/type"}), &["/type"]);
        check("/type", json!({"header": "kind"}), &["/type"]);
        check("/array", json!("record"), &["/array"]);
    }

    #[test]
    fn any_other_change_is_allowed() {
        check("/payload", json!({"path": "/p"}), &[]);
        check("/schema", json!({"type": "object"}), &[]);
        check("/measures", json!([{"name": "m", "path": "/m"}]), &[]);
        check("/status", json!({"path": "/s"}), &[]);
        check("/location", json!({"latitude": "/a", "longitude": "/b"}), &[]);
        check("/type", json!({"first": [{"header": "type"}, {"const": "t"}]}), &[]);
        check("/identity", json!({"except": ["/b", "/a"]}), &[]);
        check("/without_time", json!("reject"), &[]);
        check("/observed_at", json!({"format": "rfc3339", "path": "/at"}), &[]);
    }

    #[test]
    fn variants_are_compared_by_their_effect() {
        check("/variants/0/observed_at", json!({"header": "at"}), &["/variants/0/observed_at"]);
        check("/variants/0/event_id", json!({"header": "e"}), &["/variants/0/event_id"]);
        check("/variants/0/payload", json!({"path": "/p"}), &[]);
        check("/variants/0/when/equals", json!("3"), &["/variants"]);
        check("/variants", json!([]), &["/variants"]);
        // The second variant does not affect identities, and no variant follows it.
        check("/variants/1/when/equals", json!("3"), &[]);
        check("/variants/1/subject", json!({"kind": "o", "id": {"path": "/o"}}), &["/variants"]);
    }

    #[test]
    fn every_fault_gives_the_reason_and_the_remedy() {
        let mut new = contract();
        new["subject"] = json!({"kind": "other", "id": {"path": "/other"}});
        new["variants"] = json!([]);
        let faults = changes(&parsed(&new), Some(&stored(&contract())));
        assert_eq!(faults.len(), 3, "{faults:?}");
        for fault in faults {
            for words in ["count twice", "another name", "--allow identity-change"] {
                assert!(fault.message.contains(words), "{fault}");
            }
        }
    }

    #[test]
    fn a_new_contract_changes_nothing_unless_it_replaces_a_built_in_one() {
        assert_eq!(changes(&parsed(&contract()), None), []);
        let mut telemetry = builtin("telemetry").expect("a document").expect("a built-in");
        assert_eq!(changes(&telemetry, None), []);
        telemetry.event_id = None;
        let paths: Vec<String> =
            changes(&telemetry, None).into_iter().map(|fault| fault.path).collect();
        assert_eq!(paths, ["/event_id"]);
    }

    #[test]
    fn an_unreadable_stored_contract_is_not_replaced() {
        let unknown = stored(&json!({"name": "mine", "from": "a later release"}));
        let faults = changes(&parsed(&contract()), Some(&unknown));
        assert_eq!((faults.len(), faults[0].path.as_str()), (1, ""));
    }
}
