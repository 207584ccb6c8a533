//! Checks the names in a contract: its own name, the names of measures, and media types.

use crate::base::excerpt::Excerpt;
use crate::base::id::Kind;
use crate::intake::fault::Faults;

pub(super) fn check_name(name: &str, path: &str, faults: &mut Faults) {
    // Kinds and contract names have the same alphabet.
    if Kind::parse(name).is_err() {
        faults.add(path, "a name is 1 to 64 of a-z, 0-9, _ and -");
    }
}

pub(super) fn check_media_types(media_types: &[String], faults: &mut Faults) {
    let is_token = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !text.is_empty() && text.bytes().all(allowed)
    };
    for (index, media_type) in media_types.iter().enumerate() {
        let parts = media_type.split_once('/');
        if !parts.is_some_and(|(kind, name)| is_token(kind) && is_token(name)) {
            let path = format!("/media_types/{index}");
            let came = Excerpt(media_type);
            let what = format!(
                "wanted a media type without parameters, like application/json, came {came}"
            );
            faults.add(path, what);
        }
    }
}
