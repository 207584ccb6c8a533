//! A position in its sortable bytes. It is checked again on reading, because stored bytes are not trusted.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base::id::Position;

pub(super) fn serialize<S: Serializer>(position: &Position, to: S) -> Result<S::Ok, S::Error> {
    position.to_bytes().serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Position, D::Error> {
    let bytes = Vec::<u8>::deserialize(from)?;
    Position::from_bytes(&bytes).ok_or_else(|| de::Error::custom("no position"))
}

/// A position, or none.
pub(super) mod optional {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::base::id::Position;

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        position: &Option<Position>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        position.as_ref().map(Position::to_bytes).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Position>, D::Error> {
        let Some(bytes) = Option::<Vec<u8>>::deserialize(from)? else { return Ok(None) };
        let position = Position::from_bytes(&bytes);
        position.map(Some).ok_or_else(|| de::Error::custom("no position"))
    }
}
