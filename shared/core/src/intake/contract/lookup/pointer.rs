//! JSON Pointers of documents.

use jsonptr::PointerBuf;

use crate::base::excerpt::Excerpt;
use crate::intake::fault::Faults;

/// Parses a pointer of a document; `None` after a fault.
pub(crate) fn compiled_pointer(text: &str, path: &str, faults: &mut Faults) -> Option<PointerBuf> {
    match PointerBuf::parse(text) {
        Ok(pointer) => Some(pointer),
        Err(_) if !text.starts_with('/') => {
            let came = Excerpt(text);
            faults.add(path, format!("not a JSON Pointer (RFC 6901): wanted an empty text or a slash at the start, came {came}"));
            None
        }
        Err(_) => {
            let came = Excerpt(text);
            faults.add(path, format!("not a JSON Pointer (RFC 6901): in a name, ~ is written ~0 and / is written ~1, came {came}"));
            None
        }
    }
}
