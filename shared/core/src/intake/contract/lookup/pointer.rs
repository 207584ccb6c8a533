//! JSON Pointers of documents.

use jsonptr::PointerBuf;

use crate::intake::fault::Faults;

/// A pointer of a document; `None` after a fault.
pub(crate) fn compiled_pointer(text: &str, path: &str, faults: &mut Faults) -> Option<PointerBuf> {
    let pointer = PointerBuf::parse(text).ok();
    if pointer.is_none() {
        faults.add(path, "not a JSON Pointer (RFC 6901): it is empty or starts with a slash, and ~ is written ~0, / in a name ~1");
    }
    pointer
}
