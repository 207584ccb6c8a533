//! Items of the registry table: `pk` (S) the name of the document; `d` (S) its JSON; `v` (N) the revision.

use aws_sdk_dynamodb::types::AttributeValue;
use drover_core::base::error::Unavailable;
use drover_core::intake::document::StoredDocument;

use super::{Item, broken, item, number, read_number, text};

/// The key of a registry document.
pub(in crate::dynamodb) fn document_key(name: String) -> Item {
    item([("pk", AttributeValue::S(name))])
}

/// A registry document.
pub(in crate::dynamodb) fn document_item(name: String, document: &StoredDocument) -> Item {
    item([
        ("pk", AttributeValue::S(name)),
        ("d", text(&document.json)),
        ("v", number(document.revision)),
    ])
}

/// Reads [`document_item`].
///
/// # Errors
/// The item is corrupt.
pub(in crate::dynamodb) fn read_document(mut item: Item) -> Result<StoredDocument, Unavailable> {
    match (read_number(&item, "v"), item.remove("d")) {
        (Some(revision), Some(AttributeValue::S(json))) => Ok(StoredDocument { json, revision }),
        _ => Err(broken("document")),
    }
}

#[cfg(test)]
mod tests {
    use drover_core::base::error::Reason;

    use super::*;

    #[test]
    fn a_document_is_decoded_as_it_was_encoded() {
        let document = StoredDocument { json: "{}".to_owned(), revision: u64::MAX };
        assert_eq!(read_document(document_item("REV".to_owned(), &document)), Ok(document));
    }

    #[test]
    fn a_document_with_a_wrong_type_is_corrupt() {
        let document = item([("pk", text("REV")), ("d", text("{}")), ("v", text("1"))]);
        let broken = read_document(document).err().map(|error| error.reason);
        assert_eq!(broken, Some(Reason::Corrupt));
    }
}
